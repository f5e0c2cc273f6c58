"""The DCGAN pair: transposed convolutions against strided ones (Radford et al. 2015, arXiv:1511.06434).

With `classes` the pair is conditional: a label embedding beside z in the generator, and the projection
discriminator of Miyato & Koyama (2018, arXiv:1802.05637).
"""

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gentool.networks.layers import Down, Up, halved_sizes

Norm = Literal["batch", "none", "spectral"]
LABEL_DIM = 32
GROUP = 4
"""Images in a group whose deviation the discriminator sees."""
NARROWEST = 32  # AMX tiles and AVX-512 registers hold 32 bf16 numbers: fewer filters are not faster


def widths(width: int, stages: int) -> list[int]:
    """Filters from the smallest map to the largest: `width`, halved at each stage down to 32."""
    return [max(width >> i, min(NARROWEST, width)) for i in range(stages)]


class Generator(nn.Module):
    """z (N, latent_dim) -> image logits (N, C, H, W); the caller applies tanh."""

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, width: int = 256, *, classes: int = 0) -> None:
        super().__init__()
        channels, height, width_ = shape
        sizes = halved_sizes((height, width_))[::-1]
        filters = widths(width, len(sizes) - 1)
        self.latent_dim, self.classes = latent_dim, classes
        self.base = (filters[0], *sizes[0])
        self.embed = nn.Embedding(classes, LABEL_DIM) if classes else None
        inputs = latent_dim + (LABEL_DIM if classes else 0)
        self.project = nn.Linear(inputs, math.prod(self.base), bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(filters[0]), nn.ReLU(inplace=True)]
        for before, after, size in zip(filters, filters[1:], sizes[1:], strict=False):
            layers += [Up(before, after, size, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        layers.append(Up(filters[-1], channels, sizes[-1]))
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """`labels` is (N,) classes, or (N, classes) weights that sum to 1: then the embedding is their mean."""
        if self.embed is not None:
            if labels is None:
                raise ValueError("a conditional generator needs labels")
            embedded = labels @ self.embed.weight if labels.is_floating_point() else self.embed(labels)
            z = torch.cat([z, embedded], dim=1)
        x = self.project(z).unflatten(1, self.base).contiguous(memory_format=torch.channels_last)
        return self.layers(x)


class Discriminator(nn.Module):
    """Images in [-1, 1] (N, C, H, W) -> logits (N,), positive where they look real."""

    def __init__(
        self, shape: tuple[int, int, int], width: int = 256, *, norm: Norm = "batch", classes: int = 0
    ) -> None:
        super().__init__()
        channels, height, width_ = shape
        sizes = halved_sizes((height, width_))
        filters = [channels, *widths(width, len(sizes) - 1)[::-1]]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(filters)):
            batch_norm = norm == "batch" and i > 0  # none on the image itself (Radford et al., section 3)
            layers.append(Down(before, after, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(filters[-1] * math.prod(sizes[-1]), 1)
        self.variety = nn.Linear(1, 1)
        self.embed = nn.Embedding(classes, filters[-1]) if classes else None
        initialise(self, he=norm != "batch")
        if norm == "spectral":
            for module in self.modules():
                if isinstance(module, Down | nn.Linear):
                    spectral_norm(module)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        features = self.layers(x.contiguous(memory_format=torch.channels_last))
        flat = features.permute(0, 2, 3, 1).flatten(1)
        logits = (self.score(flat) + self.variety(minibatch_deviation(flat))).squeeze(1)
        if self.embed is not None:
            if labels is None:
                raise ValueError("a conditional discriminator needs labels")
            logits = logits + (self.embed(labels) * features.sum((2, 3))).sum(1)
        return logits


def minibatch_deviation(features: Tensor) -> Tensor:
    """The standard deviation of features (N, D) in groups of four images, mean over the features: (N, 1).

    It is low for a generator that repeats itself (Karras et al. 2018, arXiv:1710.10196, section 3).
    """
    groups = features.unflatten(0, (-1, GROUP if len(features) % GROUP == 0 else 1)).float()
    centred = groups - groups.mean(dim=1, keepdim=True)
    deviation = (centred.square().mean(dim=1) + 1e-8).sqrt().mean(1)
    return deviation[:, None].expand(-1, groups.shape[1]).reshape(-1, 1)


def initialise(module: nn.Module, *, he: bool = False) -> None:
    """DCGAN's N(0, 0.02), or He et al.'s scale (2015, arXiv:1502.01852) where no norm rescales the layers."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            if he and not isinstance(layer, nn.Embedding):
                nn.init.kaiming_normal_(layer.weight, a=0.2)
            else:
                nn.init.normal_(layer.weight, std=0.02)
            if not isinstance(layer, nn.Embedding) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
