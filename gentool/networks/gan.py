"""Generators and discriminators.

The convolutional pair is DCGAN's: convolutions that double maps against strided ones (Radford et al. 2015,
arXiv:1511.06434). Doubling is nearest upsampling and a 3x3 convolution, whose samples have no checkerboards (Odena et
al. 2016, doi:10.23915/distill.00003), or DCGAN's transposed convolution.
The fully connected pair has layers as in the first GAN (Goodfellow et al. 2014, arXiv:1406.2661), with batch norm in
the generator. With `classes` a pair is conditional: a label embedding beside z in the generator, and the projection
discriminator of Miyato & Koyama (2018, arXiv:1802.05637).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gentool.networks.layers import Down, NearestUp, Shape, Up, halved_sizes

Norm = Literal["batch", "none", "spectral"]
Upsample = Literal["nearest", "transposed"]
LABEL_DIM = 32
LEAK = 0.2
"""Slope of LeakyReLU for negative inputs."""
GROUP = 4
"""Images in a group whose deviation the discriminator sees."""
COLOUR_HIDDEN = 128
"""Units of the hidden layer from the noise to the colours of an image."""
SHARPNESS = 3.3
"""A factor on the logits of the shares of colours, so that a pixel soon has one colour and not a mixture."""
NARROWEST = 32  # AMX tiles and AVX-512 registers hold 32 bf16 numbers: fewer filters are not faster


def widths(width: int, stages: int) -> list[int]:
    """Filters from the smallest map to the largest: `width`, halved at each stage down to 32."""
    return [max(width >> i, min(NARROWEST, width)) for i in range(stages)]


class Generator(nn.Module):
    """z (N, latent_dim) -> what an image is made of; `image` gives its pixels."""

    def __init__(self, latent_dim: int, classes: int) -> None:
        super().__init__()
        self.latent_dim, self.classes = latent_dim, classes
        self.inputs = latent_dim + (LABEL_DIM if classes else 0)
        self.embed = nn.Embedding(classes, LABEL_DIM) if classes else None

    def with_label(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """z beside the embedding of the labels, (N, inputs).

        `labels` is (N,) classes, or (N, classes) weights that sum to 1: then the embedding is their mean.
        """
        if self.embed is None:
            return z
        if labels is None:
            raise ValueError("a conditional generator needs labels")
        embedded = labels @ self.embed.weight if labels.is_floating_point() else self.embed(labels)
        return torch.cat([z, embedded], dim=1)

    def image(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, latent_dim) -> pixels (N, C, H, W) in [-1, 1], f32: here the tanh of what `forward` returns."""
        return self(z, labels).float().tanh()


class ConvGenerator(Generator):
    """Layers that double the map, with batch norm and ReLU, from `width` filters on the smallest map."""

    def __init__(
        self, shape: Shape, latent_dim: int, width: int = 256, *, classes: int = 0, upsample: Upsample = "nearest"
    ) -> None:
        super().__init__(latent_dim, classes)
        channels, height, width_ = shape
        sizes = halved_sizes((height, width_))[::-1]
        filters = widths(width, len(sizes) - 1)
        self.base = (filters[0], *sizes[0])
        self.project = nn.Linear(self.inputs, math.prod(self.base), bias=False)
        double = NearestUp if upsample == "nearest" else Up
        layers: list[nn.Module] = [nn.BatchNorm2d(filters[0]), nn.ReLU(inplace=True)]
        for before, after, size in zip(filters, filters[1:], sizes[1:], strict=False):
            layers += [double(before, after, size, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        layers.append(double(filters[-1], channels, sizes[-1]))
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        x = self.project(self.with_label(z, labels)).unflatten(1, self.base)
        return self.layers(x.contiguous(memory_format=torch.channels_last))


class PaletteGenerator(ConvGenerator):
    """Draws each image in a few colours of its own, for pixel art.

    The convolutions give each pixel its share of each of `colours` colours, as logits (N, colours, H, W) beside those
    that the place alone has; two fully connected layers give the colours. So an area is of one colour because its
    pixels share it, not because each of them has learnt it.

    In training, `sharpen` multiplies the logits by a factor that grows to `sharpness` (1: as they are), so that pixels
    first mix colours, which can be learnt, and in the end have one each. Everywhere else it is `sharpness`.
    """

    growing: Tensor

    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        width: int,
        colours: int,
        *,
        sharpness: float = 1,
        classes: int = 0,
        upsample: Upsample = "nearest",
    ) -> None:
        channels, height, width_ = shape
        super().__init__((colours, height, width_), latent_dim, width, classes=classes, upsample=upsample)
        self.channels, self.sharpness = channels, sharpness
        self.register_buffer("growing", torch.ones(()), persistent=False)
        self.places = nn.Parameter(torch.empty(colours, height, width_))
        nn.init.normal_(self.places, std=1 / SHARPNESS)
        last = nn.Linear(COLOUR_HIDDEN, colours * channels)
        self.colours = nn.Sequential(nn.Linear(self.inputs, COLOUR_HIDDEN), nn.ReLU(inplace=True), last)
        initialise(self.colours, he=True)
        with torch.no_grad():  # as far apart as the colours of images are, and different for every z
            last.weight.mul_(0.5)
            last.bias.uniform_(-1, 1)

    def sharpen(self, progress: float) -> None:
        """Set the factor for this share, in [0, 1], of a training: `sharpness` to its power."""
        self.growing.fill_(self.sharpness**progress)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return super().forward(z, labels) + self.places

    def image(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, latent_dim) -> pixels (N, C, H, W) in [-1, 1], f32: means of the colours, weighted by their shares."""
        factor = self.growing if self.training else self.sharpness
        shares = (self(z, labels).float() * (SHARPNESS * factor)).softmax(1)
        colours = self.colours(self.with_label(z, labels)).float().tanh().unflatten(1, (-1, self.channels))
        return (shares[:, :, None] * colours[..., None, None]).sum(1)


class MLPGenerator(Generator):
    """Fully connected layers of `hidden` units with leaky ReLU, and batch norm in all but the first."""

    def __init__(self, shape: Shape, latent_dim: int, hidden: Sequence[int], *, classes: int = 0) -> None:
        super().__init__(latent_dim, classes)
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise([self.inputs, *hidden])):
            layers.append(nn.Linear(before, after, bias=i == 0))
            if i:
                layers.append(nn.BatchNorm1d(after))
            layers.append(nn.LeakyReLU(LEAK, inplace=True))
        self.layers = nn.Sequential(*layers, nn.Linear(hidden[-1], math.prod(shape)), nn.Unflatten(1, shape))
        initialise(self, he=True)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(self.with_label(z, labels))


class Discriminator(nn.Module):
    """Images in [-1, 1] (N, C, H, W) -> logits (N,), positive where they look real."""

    def __init__(self, layers: nn.Module, features: int, per_class: int, norm: Norm, classes: int) -> None:
        """`layers` end in `features` numbers, in maps of `per_class` channels."""
        super().__init__()
        self.layers = layers
        self.score = nn.Linear(features, 1)
        self.variety = nn.Linear(1, 1)
        self.embed = nn.Embedding(classes, per_class) if classes else None
        initialise(self, he=norm != "batch")
        if norm == "spectral":
            for module in self.modules():
                if isinstance(module, Down | nn.Linear):
                    spectral_norm(module)

    def judge(self, features: Tensor, sums: Tensor, labels: Tensor | None) -> Tensor:
        """Logits of features (N, D); the labels (N,) are compared with their sums over a map, (N, per_class)."""
        logits = (self.score(features) + self.variety(minibatch_deviation(features))).squeeze(1)
        if self.embed is None:
            return logits
        if labels is None:
            raise ValueError("a conditional discriminator needs labels")
        return logits + (self.embed(labels) * sums).sum(1)


class ConvDiscriminator(Discriminator):
    """Strided convolutions with leaky ReLU, to `width` filters on the smallest map."""

    def __init__(self, shape: Shape, width: int = 256, *, norm: Norm = "batch", classes: int = 0) -> None:
        channels, height, width_ = shape
        sizes = halved_sizes((height, width_))
        filters = [channels, *widths(width, len(sizes) - 1)[::-1]]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(filters)):
            batch_norm = norm == "batch" and i > 0  # none on the image itself (Radford et al., section 3)
            layers.append(Down(before, after, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(LEAK, inplace=True))
        features = filters[-1] * math.prod(sizes[-1])
        super().__init__(nn.Sequential(*layers), features, filters[-1], norm, classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        features = self.layers(x.contiguous(memory_format=torch.channels_last))
        return self.judge(features.permute(0, 2, 3, 1).flatten(1), features.sum((2, 3)), labels)


class MLPDiscriminator(Discriminator):
    """Fully connected layers of `hidden` units with leaky ReLU."""

    def __init__(self, shape: Shape, hidden: Sequence[int], *, norm: Norm = "none", classes: int = 0) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        for i, (before, after) in enumerate(pairwise([math.prod(shape), *hidden])):
            batch_norm = norm == "batch" and i > 0
            layers.append(nn.Linear(before, after, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm1d(after))
            layers.append(nn.LeakyReLU(LEAK, inplace=True))
        super().__init__(nn.Sequential(*layers), hidden[-1], hidden[-1], norm, classes)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        features = self.layers(x)
        return self.judge(features, features, labels)


def minibatch_deviation(features: Tensor) -> Tensor:
    """The standard deviation of features (N, D) in groups of four images, mean over the features: (N, 1).

    It is low for a generator that repeats itself (Karras et al. 2018, arXiv:1710.10196, section 3).
    """
    count, size = len(features), min(GROUP, len(features))
    whole = count - count % size
    groups = features[:whole].unflatten(0, (-1, size)).float()
    if whole < count:  # the last images are a group with some of those before them
        groups = torch.cat([groups, features[-size:].float()[None]])
    centred = groups - groups.mean(dim=1, keepdim=True)
    deviation = (centred.square().mean(dim=1) + 1e-8).sqrt().mean(1)
    return deviation[:, None].expand(-1, size).reshape(-1, 1)[:count]


def initialise(module: nn.Module, *, he: bool = False) -> None:
    """DCGAN's N(0, 0.02), or He et al.'s scale (2015, arXiv:1502.01852) where no norm rescales the layers."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            if he and not isinstance(layer, nn.Embedding):
                nn.init.kaiming_normal_(layer.weight, a=LEAK)
            else:
                nn.init.normal_(layer.weight, std=0.02)
            if not isinstance(layer, nn.Embedding) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
