"""Feature networks: what two sets of images are compared through.

- `classifier`: means over the last maps of a classifier of the data's own labels (64 features of mean variance 1).
- `self-supervised`: means over the last maps of a network that learns the data's own images without labels (128
  features of mean variance 1).
- `random`: means over the last maps of a fixed, randomly initialised network (128 features). It needs no labels.
- `inception`: the pooled features of Inception v3 (2,048), whose weights you bring.

Each has a hash of its weights. Compare only scores from networks with equal hashes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gentool.data.images import ImageData
from gentool.engine.checkpoint import digest
from gentool.engine.randomness import isolated
from gentool.errors import DataError
from gentool.evaluation.classifier import Classifier, classifier_of
from gentool.evaluation.inception import load_inception
from gentool.evaluation.options import name_in_scores
from gentool.evaluation.self_supervised import self_supervised_of
from gentool.memory import joined
from gentool.networks.random_features import RandomFeatures
from gentool.progress import SILENT, Reporter

VERSION = 1
"""Raised whenever a network reads pixels in another way, so that its hash changes."""
AT_ONCE = 128
"""Images in one pass: few enough for the maps to stay in a CPU's cache, which is twice as fast as 500."""
SCALE_IMAGES = 4096
"""Training images on which the scale of a trained network's features is measured."""
GREY = 128
"""What a network of three channels sees behind transparent pixels: neither black nor white sprites vanish on it."""


@dataclass(frozen=True)
class FeatureNetwork:
    """`network` maps uint8 images (N, C, H, W) to features (N, D); `facts` goes into evaluation.json."""

    name: str
    network: nn.Module
    hash: str
    device: torch.device
    facts: dict[str, Any] = field(default_factory=dict)
    classifier: Classifier | None = None

    @torch.no_grad()
    def __call__(self, images: Tensor, *, task: str = "features", reporter: Reporter = SILENT) -> Tensor:
        """Features (N, D) of uint8 images (N, C, H, W), f32 on the CPU."""

        def parts() -> Iterator[Tensor]:
            for start in range(0, len(images), AT_ONCE):
                part = images[start : start + AT_ONCE].to(self.device).contiguous(memory_format=torch.channels_last)
                yield self.network(part).float().cpu()
                reporter.progress(f"{self.name}: {task}", min(start + AT_ONCE, len(images)), len(images))

        return joined(parts(), len(images))


class MeanFeatures(nn.Module):
    """uint8 images (N, C, H, W) -> features (N, D): means over the last maps of a trained network, divided by `scale`.

    `maps` turns images in [0, 1] into maps (N, D, h, w).
    """

    scale: Tensor

    def __init__(self, maps: nn.Module) -> None:
        super().__init__()
        self.maps = maps
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Make the mean variance of a feature 1 over uint8 images (N, C, H, W)."""
        features = torch.cat([self(part.to(self.scale.device)) for part in images.split(AT_ONCE)])
        self.scale.copy_(features.var(0, correction=0).mean().sqrt().clamp_min(1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) -> features (N, D)."""
        return self.maps(x.float() / 255).mean((2, 3)) / self.scale


class OnGrey(nn.Module):
    """Premultiplied RGBA, uint8 (N, 4, H, W), on middle grey, as a network of three channels sees it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """uint8 images (N, 4, H, W) -> the features of the network."""
        alpha = x[:, 3:].float()
        colours = torch.minimum(x[:, :3].float(), alpha) + GREY * (1 - alpha / 255)
        return self.network(colours.round().to(torch.uint8))


def default_names(data: ImageData) -> tuple[str, ...]:
    """The classifier where there are labels to learn, else the self-supervised network."""
    return ("classifier",) if data.labelled and len(data.classes) > 1 else ("self-supervised",)


def feature_networks(
    names: tuple[str, ...],
    data: ImageData,
    device: torch.device,
    weights: Path | None = None,
    *,
    reporter: Reporter = SILENT,
) -> list[FeatureNetwork]:
    """The networks of these names. What learns from `data` is trained the first time; `weights` are those of inception.

    Raises OptionError for weights that cannot be used, DataError for a classifier without labels.
    """
    if "classifier" in names and default_names(data) != ("classifier",):
        raise DataError(f"{data.name}: has no labels for a classifier to learn; use --features self-supervised")
    return [_network(name, data, device, weights, reporter) for name in names]


def _network(
    name: str, data: ImageData, device: torch.device, weights: Path | None, reporter: Reporter
) -> FeatureNetwork:
    facts: dict[str, Any] = {}
    classifier = None
    network: nn.Module
    if name == "classifier":
        trained = classifier_of(data, device, reporter=reporter)
        classifier, facts = trained.network, {"accuracy": trained.accuracy}
        network = _scaled(classifier.maps, data, device)
    elif name == "self-supervised":
        learnt = self_supervised_of(data, device, reporter=reporter)
        network, facts = _scaled(learnt.network.maps, data, device), {"auc": learnt.auc}
    elif name == "random":
        with isolated(0):
            network = RandomFeatures(4 if data.shape[0] == 4 else 3)
    else:
        network, facts = load_inception(weights)
        if data.shape[0] == 4:
            network, facts = OnGrey(network), {**facts, "ground": GREY}
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return FeatureNetwork(name_in_scores(name), network, _hash(name, network), device, facts, classifier)


def _scaled(maps: nn.Module, data: ImageData, device: torch.device) -> MeanFeatures:
    """The features of a trained network, whose mean variance over training images is 1."""
    features = MeanFeatures(maps).to(device)
    features.fit(data.train.images[:: -(-len(data.train) // SCALE_IMAGES)])
    return features


def _hash(name: str, network: nn.Module) -> str:
    return digest({"version": VERSION, "name": name, "weights": network.state_dict()})[:16]
