"""A small convolutional classifier of a labelled data set, trained once on this machine and kept in the cache.

It says which class a sample shows, and its last feature maps describe what matters in these images.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.cache import cache_folder
from gentool.data.disk import in_turn
from gentool.data.images import ImageData, Split
from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.order import epoch_order
from gentool.engine.precision import untimed_precision
from gentool.engine.randomness import derived_seed, isolated
from gentool.errors import CheckpointError
from gentool.progress import SILENT, Reporter

VERSION = 1
"""Raised whenever the network or its training changes, so that older classifiers are no longer used."""
EPOCHS, UPDATES, BATCH, PEAK_LR, MAX_SHIFT = 8, 1500, 256, 4e-3, 2
"""At least this many epochs and updates, one-cycle; images are shifted by up to `MAX_SHIFT` pixels."""
LARGEST_MAP = 40
"""The first convolution of larger images is strided."""
AT_ONCE = 128
KIND = "classifier"
CHECKED, TOLERANCE = 2048, 0.05
"""A classifier from the cache is tried on about this many test images: its accuracy there may differ by this much from
the one that it states."""


class Classifier(nn.Module):
    """Images (N, C, H, W) in [0, 1] -> logits (N, classes). `maps` are the layers before the last linear one."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        stride = 1
        while max(height, width) / stride > LARGEST_MAP:
            stride *= 2
        self.maps = nn.Sequential(
            _convolution(channels, 32, stride), _convolution(32, 32), nn.MaxPool2d(2, ceil_mode=True),
            _convolution(32, 64), _convolution(64, 64), nn.MaxPool2d(2, ceil_mode=True),
        )  # fmt: skip
        size = math.prod(-(-side // (4 * stride)) for side in (height, width))
        self.read = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * size, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, classes)."""
        return self.read(self.maps(x))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


@dataclass(frozen=True)
class TrainedClassifier:
    """`network` is in eval mode; `accuracy` is its accuracy on the real test images."""

    network: Classifier
    accuracy: float


def classifier_path(data: ImageData) -> Path:
    """The file of the classifier of these images."""
    return cache_folder() / "features" / f"classifier-{VERSION}-{data.fingerprint[:16]}.pt"


def classifier_of(data: ImageData, device: torch.device, *, reporter: Reporter = SILENT) -> TrainedClassifier:
    """The classifier of a labelled data set, from the cache, or trained now and kept there."""
    path = classifier_path(data)
    try:
        trained = _from_cache(path, data, device)
    except CheckpointError as error:
        if path.exists():
            reporter.notice(f"{error}; training it again")
        network = _train(data, device, reporter)
        trained = TrainedClassifier(network, accuracy(network, data.test))
        content = {"weights": network.state_dict(), "accuracy": trained.accuracy}
        checkpoint.save(path, KIND, Header.of(KIND, None, data), content)
    reporter.notice(
        f"classifier of {data.name}: {trained.accuracy:.2%} right on {len(data.test):,} test images ({path})"
    )
    return trained


def _from_cache(path: Path, data: ImageData, device: torch.device) -> TrainedClassifier:
    """The classifier in a file. Raises CheckpointError for one that is not what was trained on these images."""
    header, content = checkpoint.load(path, KIND)
    if (header.model, header.fingerprint) != (KIND, data.fingerprint):
        raise CheckpointError(f"{path}: is the classifier of other images")
    with isolated(0):
        network = checkpoint.restored(lambda: Classifier(data.shape, len(data.classes)), content, path)
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    step = -(-len(data.test) // CHECKED)
    labels = None if data.test.labels is None else data.test.labels[::step]
    found = accuracy(network, Split(data.test.images[::step], labels))
    if abs(found - content["accuracy"]) > TOLERANCE:
        raise CheckpointError(f"{path}: states {content['accuracy']:.1%} of right answers, and gives {found:.1%}")
    with torch.no_grad():
        maps = network.maps(data.train.images[:AT_ONCE].to(device).float() / 255).mean((2, 3))
    if len(maps) > 1 and not maps.std(0).max() > 0:
        raise CheckpointError(f"{path}: has the same features for every image")
    return TrainedClassifier(network, content["accuracy"])


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
