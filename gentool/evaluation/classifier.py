"""A small convolutional classifier of a labelled data set, trained once on this machine and kept in the cache.

It says which class a sample shows, and its last feature maps describe what matters in these images.
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
from gentool.evaluation.learnt import AT_ONCE, LearntNetwork, cache_path, convolution, from_cache_or_trained
from gentool.progress import SILENT, Reporter

VERSION = 1
"""Raised whenever the network or its training changes, so that older classifiers are no longer used."""
EPOCHS, UPDATES, BATCH, PEAK_LR, MAX_SHIFT = 8, 1500, 256, 4e-3, 2
"""At least this many epochs and updates, one-cycle; images are shifted by up to `MAX_SHIFT` pixels."""
LARGEST_MAP = 40
"""The first convolution of larger images is strided."""
KIND = "classifier"


class Classifier(LearntNetwork):
    """Images (N, C, H, W) in [0, 1] -> logits (N, classes). `maps` are the layers before the last linear one."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        stride = 1
        while max(height, width) / stride > LARGEST_MAP:
            stride *= 2
        self.maps = nn.Sequential(
            convolution(channels, 32, stride), convolution(32, 32), nn.MaxPool2d(2, ceil_mode=True),
            convolution(32, 64), convolution(64, 64), nn.MaxPool2d(2, ceil_mode=True),
        )  # fmt: skip
        size = math.prod(-(-side // (4 * stride)) for side in (height, width))
        self.read = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * size, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, classes)."""
        return self.read(self.maps(x))


@dataclass(frozen=True)
class TrainedClassifier:
    """`network` is in eval mode; `accuracy` is its accuracy on the real test images."""

    network: Classifier
    accuracy: float


def classifier_path(data: ImageData) -> Path:
    """The file of the classifier of these images."""
    return cache_path(KIND, VERSION, data)


def classifier_of(data: ImageData, device: torch.device, *, reporter: Reporter = SILENT) -> TrainedClassifier:
    """The classifier of a labelled data set, from the cache, or trained now and kept there."""
    path = classifier_path(data)
    network, share = from_cache_or_trained(
        KIND, path, data, device,
        lambda: Classifier(data.shape, len(data.classes)), lambda: _train(data, device, reporter),
        ("accuracy", accuracy), reporter,
    )  # fmt: skip
    reporter.notice(f"classifier of {data.name}: {share:.2%} right on {len(data.test):,} test images ({path})")
    return TrainedClassifier(network, share)


def _train(data: ImageData, device: torch.device, reporter: Reporter) -> Classifier:
    """Minimise the cross-entropy on the training images."""
    images = data.train.on(device)
    batch = min(BATCH, max(16, len(images) // 50), len(images))
    per_epoch = len(images) // batch
    epochs = max(EPOCHS, math.ceil(UPDATES / per_epoch))
    precision = getattr(torch, untimed_precision(device))
    with isolated(derived_seed(0, "classifier"), device), torch.enable_grad():
        network = Classifier(data.shape, len(data.classes)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(network.parameters(), PEAK_LR, weight_decay=0.01, fused=device.type != "mps")
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, total_steps=epochs * per_epoch)
        for epoch in range(epochs):
            order = epoch_order(images, 0, epoch, "classifier")[: per_epoch * batch]
            for number, index in enumerate(in_turn(images.disk, order, batch)):
                x, labels = images.take(index)
                with torch.autocast(device.type, precision, enabled=precision is not torch.float32):
                    logits = network(_shifted(x))
                assert labels is not None
                loss = F.cross_entropy(logits.float(), labels, label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                reporter.progress("training a classifier", epoch * per_epoch + number + 1, epochs * per_epoch)
    return network.eval()


def _shifted(x: Tensor) -> Tensor:
    """The batch, all of it shifted by the same random number of pixels."""
    down, right = torch.randint(-MAX_SHIFT, MAX_SHIFT + 1, (2,)).tolist()
    moved = F.pad(x, (MAX_SHIFT + right, MAX_SHIFT - right, MAX_SHIFT + down, MAX_SHIFT - down))
    return moved[:, :, MAX_SHIFT:-MAX_SHIFT, MAX_SHIFT:-MAX_SHIFT]


@torch.no_grad()
def predict(network: Classifier, images: Tensor) -> Tensor:
    """The predicted class (N,) of uint8 images (N, C, H, W), on the CPU."""
    device = next(network.parameters()).device
    classes = torch.empty(len(images), dtype=torch.long)
    for part, known in zip(images.split(AT_ONCE), classes.split(AT_ONCE), strict=True):
        x = part.to(device).contiguous(memory_format=torch.channels_last).float() / 255
        known.copy_(network(x).argmax(1))
    return classes


def accuracy(network: Classifier, split: Split) -> float:
    """The share of a labelled split that is classified right."""
    assert split.labels is not None
    return (predict(network, split.images) == split.labels).double().mean().item()
