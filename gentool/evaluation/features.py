"""Feature networks: what images are looked at through when two sets of them are compared.

- `classifier`: means over the last maps of a classifier of the data's own labels (64 features, of mean variance 1).
- `random`: means over the last maps of a fixed, randomly initialised network (128 features); needs no labels.
- `inception`: the pooled features of Inception v3 (2,048), whose weights must be brought.

Each has a hash of its weights. Numbers from networks of different hashes must never be compared.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gentool.data.images import ImageData
from gentool.engine.checkpoint import digest
from gentool.engine.terminal import Terminal
from gentool.errors import DataError, OptionError
from gentool.evaluation.classifier import Classifier, known_classifier
from gentool.evaluation.inception import load_inception
from gentool.options import suggestion

NETWORKS = ("classifier", "random", "inception")
VERSION = 1
"""Counted up whenever a network reads pixels in another way, so that its hash changes."""
CHUNK = 128
"""Small enough for the maps of a part to stay in a CPU's cache: twice the speed of 500."""
GLANCE = 4096
"""The scale of the classifier's features is measured on about so many training images, at equal distances."""
SPREAD = 10
"""Means of the random network's maps are small numbers."""


@dataclass(frozen=True)
class FeatureNetwork:
    """`network` maps uint8 images (N, C, H, W) to features (N, D); `facts` is what there is to know of it."""

    name: str
    network: nn.Module
    hash: str
    device: torch.device
    facts: dict[str, Any] = field(default_factory=dict)
    classifier: Classifier | None = None

    @torch.no_grad()
    def __call__(self, images: Tensor, on_progress: Callable[[int], None] | None = None) -> Tensor:
        """Features (N, D) of uint8 images (N, C, H, W), f32 on the CPU."""
        parts = []
        for start in range(0, len(images), CHUNK):
            part = images[start : start + CHUNK].to(self.device).contiguous(memory_format=torch.channels_last)
            parts.append(self.network(part).float().cpu())
            if on_progress is not None:
                on_progress(min(start + CHUNK, len(images)))
        return torch.cat(parts)


class ClassifierFeatures(nn.Module):
    """uint8 images (N, C, H, W) -> features (N, 64): means over the last maps of a classifier, in units of `scale`."""

    scale: Tensor

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.maps = classifier.maps
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Make the mean variance of a feature 1 over uint8 images (N, C, H, W)."""
        device = self.scale.device
        found = torch.cat([self(part.to(device)) for part in images.split(CHUNK)])
        self.scale.copy_(found.var(0, correction=0).mean().sqrt().clamp_min(1e-6))

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x.float() / 255).mean((2, 3)) / self.scale


class RandomFeatures(nn.Module):
    """uint8 images (N, C, H, W) -> features (N, 128): means over the last maps of a network that is never trained."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 3, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(128, 128, 3, 2, 1),
        )  # fmt: skip
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                assert layer.bias is not None
                scale = math.sqrt(2 / (layer.in_channels * 9))
                layer.weight.data.normal_(0, scale, generator=generator)
                layer.bias.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.expand(-1, 3, -1, -1).float() / 127.5 - 1).mean((2, 3)) * SPREAD


def network_names(text: str) -> tuple[str, ...]:
    """Names of feature networks from a text with commas. Raises ValueError for one that does not exist."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for name in names:
        if name not in NETWORKS:
            raise ValueError(f"there are {', '.join(NETWORKS)}.{suggestion(name, NETWORKS)}")
    return names


def default_names(data: ImageData) -> tuple[str, ...]:
    """The classifier where there are labels to learn, else the random network."""
    return ("classifier",) if data.labelled and len(data.classes) > 1 else ("random",)


def feature_networks(
    names: tuple[str, ...], data: ImageData, device: torch.device, voice: Terminal, weights: Path | None = None
) -> list[FeatureNetwork]:
    """The networks of these names; a classifier is trained on `data` the first time. `weights`: those of inception.

    Raises OptionError for weights that are missing or have no use, DataError for a classifier of no labels.
    """
    if weights is not None and "inception" not in names:
        raise OptionError("--weights: only for --features inception")
    if "classifier" in names and default_names(data) != ("classifier",):
        raise DataError(f"{data.name}: has no labels for a classifier to learn; use --features random")
    return [_network(name, data, device, voice, weights) for name in names]


def _network(name: str, data: ImageData, device: torch.device, voice: Terminal, weights: Path | None) -> FeatureNetwork:
    facts: dict[str, Any] = {}
    classifier = None
    network: nn.Module
    if name == "classifier":
        known = known_classifier(data, device, voice)
        classifier, facts = known.network, {"accuracy": known.accuracy}
        seen = ClassifierFeatures(classifier).to(device)
        seen.fit(data.train.images[:: -(-len(data.train) // GLANCE)])
        network = seen
    elif name == "random":
        network = RandomFeatures()
    else:
        network, facts = load_inception(weights)
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return FeatureNetwork(name, network, _hash(name, network), device, facts, classifier)


def _hash(name: str, network: nn.Module) -> str:
    return digest({"version": VERSION, "name": name, "weights": network.state_dict()})[:16]
