"""Networks that learn a data set to judge samples of it, trained once on this machine and kept in the cache."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gentool.data.cache import cache_folder
from gentool.data.images import ImageData, Split
from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.randomness import isolated
from gentool.errors import CheckpointError
from gentool.networks.layers import NARROW
from gentool.progress import Reporter

AT_ONCE = 128
"""Images in one pass."""
CHECKED, TOLERANCE = 2048, 0.05
"""A network from the cache is tried on about this many test images: its score there may differ by this much from the
one that it states."""


class LearntNetwork(nn.Module):
    """A network whose `maps` turn images (N, C, H, W) in [0, 1] into maps (N, D, h, w) that describe them."""

    maps: nn.Module


Network = TypeVar("Network", bound=LearntNetwork)


class Convolution(nn.Conv2d):
    """A 3x3 convolution without bias that gets right gradients on maps that are `NARROW`."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride), rounded up."""
        width, stride = x.shape[3], self.stride[1]
        if stride == 1 or width > NARROW:
            return super().forward(x)
        return super().forward(F.pad(x, (0, NARROW + 1 - width)))[..., : math.ceil(width / stride)]


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution with batch norm and ReLU."""
    return nn.Sequential(Convolution(inputs, outputs, stride), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def cache_path(kind: str, version: int, data: ImageData) -> Path:
    """The file of the network of this kind that has learnt these images."""
    return cache_folder() / "features" / f"{kind}-{version}-{data.fingerprint[:16]}.pt"


def few_of(split: Split) -> Split:
    """About `CHECKED` images of a split at most, evenly spread over it."""
    step = max(1, -(-len(split) // CHECKED))
    return Split(split.images[::step], None if split.labels is None else split.labels[::step])


def from_cache_or_trained(
    kind: str,
    path: Path,
    data: ImageData,
    device: torch.device,
    fresh: Callable[[], Network],
    train: Callable[[], Network],
    score: tuple[str, Callable[[Network, Split], float]],
    reporter: Reporter,
) -> tuple[Network, float]:
    """The network of the file, or one that `train` makes, and its score on the test images.

    `score` is what the score is called in the file, `accuracy` or `auc`, and how it is computed.
    """
    name, compute = score
    try:
        return _from_cache(kind, path, data, device, fresh, score)
    except CheckpointError as error:
        if path.exists():
            reporter.notice(f"{error}; training it again")
    network = train()
    found = compute(network, data.test)
    content = {"weights": network.state_dict(), name: found}
    checkpoint.save(path, kind, Header.of(kind, None, data), content)
    return network, found


def _from_cache(
    kind: str,
    path: Path,
    data: ImageData,
    device: torch.device,
    fresh: Callable[[], Network],
    score: tuple[str, Callable[[Network, Split], float]],
) -> tuple[Network, float]:
    """The network in a file. Raises CheckpointError for one that is not what was trained on these images."""
    name, compute = score
    header, content = checkpoint.load(path, kind)
    if (header.model, header.fingerprint) != (kind, data.fingerprint):
        raise CheckpointError(f"{path}: is the {kind} network of other images")
    with isolated(0):
        network = checkpoint.restored(fresh, content, path)
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    stated, found = content[name], compute(network, few_of(data.test))
    if not abs(found - stated) <= TOLERANCE:  # nor one that is NaN
        raise CheckpointError(f"{path}: states {name} {stated:.3f}, but has {found:.3f}")
    with torch.no_grad():
        maps = network.maps(data.train.images[:AT_ONCE].to(device).float() / 255).mean((2, 3))
    if len(maps) > 1 and not maps.std(0).max() > 0:
        raise CheckpointError(f"{path}: has the same features for every image")
    return network, stated
