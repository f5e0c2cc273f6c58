"""A small convolutional network that learns a data set without labels, trained once on this machine and kept in the
cache.

It learns two things at once, and its last feature maps describe both. To tell each image from all others, also shifted
and in slightly other colours, beside corrupted images (SimCLR, Chen et al. 2020, arXiv:2002.05709). And how
strongly an image is corrupted, and in which way: blur, noise, clouds, two images in one
(`gentool.networks.corruptions`).
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.disk import in_turn
from gentool.data.images import ImageData, Split
from gentool.engine.order import epoch_order
from gentool.engine.precision import untimed_precision
from gentool.engine.randomness import derived_seed, isolated
from gentool.evaluation.learnt import (
    AT_ONCE,
    LearntNetwork,
    cache_path,
    convolution,
    few_of,
    from_cache_or_trained,
)
from gentool.networks.corruptions import KINDS, corrupted
from gentool.progress import SILENT, Reporter

VERSION = 1
"""Raised whenever the network or its training changes, so that older ones are no longer used."""
KIND = "self-supervised"
UPDATES, BATCH, PEAK_LR = 400, 128, 3e-3
"""One-cycle. An update sees each image of its batch in two views, and corrupted in a third."""
TEMPERATURE, STRENGTHS_WEIGHT = 0.2, 1.0
"""Of the contrastive loss; and the weight of the squared error of the strengths beside it."""
LARGEST, LARGEST_MAP = 64, 32
"""Larger images are averaged to at most `LARGEST` pixels; above `LARGEST_MAP`, the first convolution is strided."""
WIDTH = 128
"""The number of features."""
FEW = 200
"""Below this number of training images, a notice says that the network may know them by heart."""


class SelfSupervised(LearntNetwork):
    """Images (N, C, H, W) in [0, 1] -> the strengths (N, 5) of each of `KINDS` of corruption, 0 for real ones.

    `maps` are the layers before, from images to maps (N, 128, h, w).
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = shape
        factor = math.ceil(max(height, width) / LARGEST)
        stride = 2 if math.ceil(max(height, width) / factor) > LARGEST_MAP else 1
        self.maps = nn.Sequential(
            nn.AvgPool2d(factor, ceil_mode=True),
            convolution(channels, 32, stride), convolution(32, 64, 2), convolution(64, 64),
            convolution(64, WIDTH, 2),
        )  # fmt: skip
        self.strengths = nn.Linear(WIDTH, len(KINDS))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> strengths (N, 5)."""
        return self.strengths(self.maps(x).mean((2, 3)))


@dataclass(frozen=True)
class TrainedSelfSupervised:
    """`network` is in eval mode; `auc` is how well it tells corrupted test images from real ones."""

    network: SelfSupervised
    auc: float


def self_supervised_path(data: ImageData) -> Path:
    """The file of the network of these images."""
    return cache_path(KIND, VERSION, data)


def self_supervised_of(data: ImageData, device: torch.device, *, reporter: Reporter = SILENT) -> TrainedSelfSupervised:
    """The network of a data set, from the cache, or trained now and kept there."""
    path = self_supervised_path(data)
    network, area = from_cache_or_trained(
        KIND, path, data, device,
        lambda: SelfSupervised(data.shape), lambda: _train(data, device, reporter), ("auc", auc), reporter,
    )  # fmt: skip
    reporter.notice(
        f"self-supervised network of {data.name}: tells corrupted test images from real ones with an AUC of "
        f"{area:.3f} ({path})"
    )
    if len(data.train) < FEW:
        reporter.notice(
            f"self-supervised network of {data.name}: {len(data.train):,} training images are few, so it may have "
            "memorised them; compare its scores with their floor"
        )
    return TrainedSelfSupervised(network, area)


def _train(data: ImageData, device: torch.device, reporter: Reporter) -> SelfSupervised:
    """Minimise the contrastive loss of two views and the squared error of the strengths, on the training images."""
    images = data.train.on(device)
    batch = min(BATCH, len(images))
    per_epoch = len(images) // batch
    precision = getattr(torch, untimed_precision(device))
    with isolated(derived_seed(0, KIND), device), torch.enable_grad():
        network = SelfSupervised(data.shape).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        project = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 64)).to(device)
        weights = [*network.parameters(), *project.parameters()]
        optimizer = torch.optim.AdamW(weights, PEAK_LR, weight_decay=0.01, fused=device.type != "mps")
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, total_steps=UPDATES)
        for epoch in range(math.ceil(UPDATES / per_epoch)):
            order = epoch_order(images, 0, epoch, KIND)[: min(per_epoch, UPDATES - epoch * per_epoch) * batch]
            for number, index in enumerate(in_turn(images.disk, order, batch)):
                x, _ = images.take(index)
                changed, strengths = corrupted(x)
                seen = torch.cat([_view(part, data.photographic) for part in (x, x, changed)])
                with torch.autocast(device.type, precision, enabled=precision is not torch.float32):
                    features = network.maps(seen.contiguous(memory_format=torch.channels_last)).mean((2, 3)).float()
                wanted = torch.cat([torch.zeros_like(strengths), torch.zeros_like(strengths), strengths])
                errors = (network.strengths(features) - wanted).square().sum(1).mean()
                loss = contrastive_loss(project(features), batch) + STRENGTHS_WEIGHT * errors
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                reporter.progress("training a self-supervised network", epoch * per_epoch + number + 1, UPDATES)
    return network.eval()


def contrastive_loss(codes: Tensor, count: int) -> Tensor:
    """The mean over 2 N views of -log of the share of the other view of the same image among all other codes.

    `codes` (2 N + M, D) are those of the first views of N images, of their second views, and of M other images; shares
    are the softmax of cosines over `TEMPERATURE` (Chen et al. 2020, arXiv:2002.05709, equation 1).
    """
    codes = F.normalize(codes, dim=1)
    cosines = codes[: 2 * count] @ codes.T / TEMPERATURE
    places = torch.arange(2 * count, device=codes.device)
    cosines = cosines.masked_fill(F.one_hot(places, len(codes)).bool(), -math.inf)
    return F.cross_entropy(cosines, (places + count) % (2 * count))


def _view(x: Tensor, mirror: bool) -> Tensor:
    """Images (N, C, H, W) in [0, 1], each shifted by up to a twelfth of a side and in slightly other colours.

    Photographs are also mirrored. Alpha stays as it is, and colours stay premultiplied.
    """
    count, channels, height, width = x.shape
    reach = max(1, min(height, width) // 12)
    down, right = torch.randint(0, 2 * reach + 1, (2, count, 1), device=x.device)
    rows, columns = torch.arange(height, device=x.device) + down, torch.arange(width, device=x.device) + right
    wide = F.pad(x, (reach, reach, reach, reach), mode="replicate").permute(0, 2, 3, 1)
    numbers = torch.arange(count, device=x.device)[:, None, None]
    x = wide[numbers, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if mirror:
        x = torch.where(torch.rand(count, 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)
    colours, alpha = (x[:, :3], x[:, 3:]) if channels == 4 else (x, None)
    factor = 0.9 + 0.2 * torch.rand(count, 1, 1, 1, device=x.device)
    shift = 0.1 * (torch.rand(count, colours.shape[1], 1, 1, device=x.device) - 0.5)
    if alpha is None:
        return (colours * factor + shift).clamp(0, 1)
    changed = torch.minimum((colours * factor + shift * alpha).clamp_min(0), alpha)
    return torch.cat([changed, alpha], 1)


@torch.no_grad()
def auc(network: SelfSupervised, split: Split) -> float:
    """How often a corrupted image of a split has a larger sum of strengths than a real one, ties counted half.

    This is the area under the ROC curve. The images are corrupted in the same way each time.
    """
    device = next(network.parameters()).device
    images = few_of(split).images
    sums: list[list[Tensor]] = [[], []]
    with isolated(derived_seed(0, KIND, 1)):
        for part in images.split(AT_ONCE):
            real = part.float() / 255
            for found, x in zip(sums, (real, corrupted(real)[0]), strict=True):
                x = x.to(device).contiguous(memory_format=torch.channels_last)
                found.append(network(x).sum(1).double().cpu())
    real, changed = (torch.cat(found) for found in sums)
    order = real.sort().values
    below, up_to = (torch.searchsorted(order, changed, right=right) for right in (False, True))
    return ((below + up_to).double().mean() / (2 * len(order))).item()
