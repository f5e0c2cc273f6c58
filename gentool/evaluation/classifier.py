"""A small convolutional classifier of a labelled data set: trained once, on this machine, and kept in the cache.

It names what samples show, and its last maps are features that know what matters in these images.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.cache import cache_folder
from gentool.data.images import ImageData, Split
from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.precision import choose_precision
from gentool.engine.randomness import derived_seed, generator
from gentool.engine.terminal import Terminal
from gentool.errors import CheckpointError

RECIPE = 1
"""Counted up whenever the network or its training changes, so that older ones are left aside."""
EPOCHS, UPDATES, BATCH, PEAK, REACH = 8, 1500, 256, 4e-3, 2
"""At least so many epochs and updates, one-cycle; images are shifted by up to `REACH` pixels."""
LARGEST_MAP = 40
"""Images of a longer side begin with strided convolutions."""
CHUNK = 128


class Classifier(nn.Module):
    """Images (N, C, H, W) in [0, 1] -> logits (N, classes); `maps` gives what the last linear layer reads."""

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
        """The logits."""
        return self.read(self.maps(x))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


@dataclass(frozen=True)
class KnownClassifier:
    """`network` in eval mode; `accuracy` is its share of right answers on the real test images."""

    network: Classifier
    accuracy: float


def classifier_path(data: ImageData) -> Path:
    """Where the classifier of these images is kept."""
    return cache_folder() / "features" / f"classifier-{RECIPE}-{data.fingerprint[:16]}.pt"


def known_classifier(data: ImageData, device: torch.device, voice: Terminal) -> KnownClassifier:
    """The classifier of a labelled set, from the cache or trained now, and its accuracy on the test images."""
    path = classifier_path(data)
    network = Classifier(data.shape, len(data.classes)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        content = checkpoint.load(path, "classifier")[1]
        network.load_state_dict(content["weights"])
        known = KnownClassifier(network.eval(), content["accuracy"])
    except CheckpointError as error:
        if path.exists():
            voice.say(f"{error}; trained again")
        with voice.progress("training a classifier") as update:
            network = _train(data, device, update)
        known = KnownClassifier(network, accuracy(network, data.test))
        header = Header("classifier", {}, data.shape, data.classes, data.name, str(data.folder), data.fingerprint)
        checkpoint.save(path, "classifier", header, {"weights": network.state_dict(), "accuracy": known.accuracy})
    voice.say(f"classifier of {data.name}: reads {known.accuracy:.2%} of {len(data.test):,} test images right ({path})")
    return known


def _train(data: ImageData, device: torch.device, on_progress: Callable[..., None]) -> Classifier:
    """Descend the cross-entropy on the training images."""
    images = data.train.on(device)
    batch = min(BATCH, max(16, len(images) // 50), len(images))
    per_epoch = len(images) // batch
    epochs = max(EPOCHS, math.ceil(UPDATES / per_epoch))
    precision = choose_precision("auto", device)
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(0, "classifier"))
        network = Classifier(data.shape, len(data.classes)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(network.parameters(), PEAK, weight_decay=0.01, fused=device.type != "mps")
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=epochs * per_epoch)
        for epoch in range(epochs):
            order = torch.randperm(len(images), generator=generator(0, "classifier", epoch))
            for number, index in enumerate(order.split(batch)[:per_epoch]):
                x, labels = images.take(index)
                with torch.autocast(device.type, precision, enabled=precision is not torch.float32):
                    logits = network(_shifted(x))
                assert labels is not None
                loss = F.cross_entropy(logits.float(), labels, label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                on_progress(epoch * per_epoch + number + 1, epochs * per_epoch)
    return network.eval()


def _shifted(x: Tensor) -> Tensor:
    """The batch moved by one shift of up to `REACH` pixels."""
    down, right = torch.randint(-REACH, REACH + 1, (2,)).tolist()
    moved = F.pad(x, (REACH + right, REACH - right, REACH + down, REACH - down))
    return moved[:, :, REACH:-REACH, REACH:-REACH]


@torch.no_grad()
def read(network: Classifier, images: Tensor) -> Tensor:
    """The class (N,) that uint8 images (N, C, H, W) are taken for, on the CPU."""
    device = next(network.parameters()).device
    parts = []
    for part in images.split(CHUNK):
        x = part.to(device).contiguous(memory_format=torch.channels_last).float() / 255
        parts.append(network(x).argmax(1).cpu())
    return torch.cat(parts)


def accuracy(network: Classifier, split: Split) -> float:
    """The share of a labelled split that is read right."""
    assert split.labels is not None
    return (read(network, split.images) == split.labels).double().mean().item()
