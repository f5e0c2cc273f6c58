"""Encoders and decoders of autoencoders: strided convolutions, or fully connected layers.

The convolutional pair is DCGAN's (Radford, Metz & Chintala 2015, arXiv:1511.06434): halve the image with strided
convolutions, double it with transposed ones. The fully connected pair is that of the first variational autoencoder
(Kingma & Welling 2013, arXiv:1312.6114, appendix C).

Decoders return logits: apply the sigmoid for pixels.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gentool.networks.layers import Down, Shape, Up
from gentool.networks.pixels import logit_of_mean

Activation = Literal["relu", "glu"]
"""That of hidden layers: ReLU, or gated linear units."""
GATED: Mapping[Activation, int] = {"relu": 1, "glu": 2}
"""How many times its own width an activation needs: half of what enters a gated linear unit are its gates."""
LEAK = 0.2
"""Slope of the encoder's LeakyReLU for negative inputs, as in DCGAN's discriminator."""
SMALL = 0.1
"""Factor on the encoder's last weights at the start: a VAE's mean and logvar begin near 0."""


class Decoder(nn.Module, ABC):
    """A decoder: latents (N, latent_dim) -> the logits (N, C, H, W) of pixels in [0, 1]."""

    @abstractmethod
    def start_at(self, x: Tensor) -> None:
        """Set the last bias so that the first output is the mean of images x (N, C, H, W) in [0, 1]."""


def encoder_sizes(height: int, width: int, layers: int) -> list[tuple[int, int]]:
    """Sizes of an image as it is halved, rounding up, at most `layers` times; the first is its own.

    Halving stops when the shorter side is 2 or less: below that, a convolution sees only padding.

    >>> encoder_sizes(28, 28, 4)
    [(28, 28), (14, 14), (7, 7), (4, 4), (2, 2)]
    """
    sizes = [(height, width)]
    while len(sizes) <= layers and min(sizes[-1]) > 2:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    return sizes


class ResidualBlock(nn.Module):
    """x + f(x) for maps (N, channels, H, W): a 3x3 convolution, an activation, a 3x3 convolution.

    He et al. (2016, arXiv:1512.03385), without norms. The last convolution starts at 0, so that a block starts as the
    identity (Zhang et al. 2019, arXiv:1901.09321).
    """

    def __init__(self, channels: int, activation: Activation = "relu") -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, GATED[activation] * channels, 3, padding=1)
        self.activation = nn.ReLU() if activation == "relu" else nn.GLU(dim=1)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        change: Tensor = self.last(self.activation(self.first(x)))
        return x + change


class ConvEncoder(nn.Module):
    """Stride-2 convolutions with LeakyReLU or gates, then one linear layer.

    An image of (C, H, W) passes through one layer for each of `channels`, or through as many as
    `encoder_sizes` allows; any size will do. `kernel_size` is 4, or an odd number. `blocks` residual blocks follow
    each layer.
    """

    def __init__(
        self,
        shape: Shape,
        out_features: int,
        channels: Sequence[int] = (32, 64, 128, 128),
        *,
        kernel_size: int = 4,
        activation: Activation = "relu",
        blocks: int = 0,
    ) -> None:
        super().__init__()
        sizes = encoder_sizes(*shape[1:], len(channels))
        widths = [shape[0], *channels]
        layers: list[nn.Module] = []
        for i in range(len(sizes) - 1):
            layers += [_halving(widths[i], GATED[activation] * widths[i + 1], kernel_size)]
            layers += [nn.LeakyReLU(LEAK) if activation == "relu" else nn.GLU(dim=1)]
            layers += [ResidualBlock(widths[i + 1], activation) for _ in range(blocks)]
        features = widths[len(sizes) - 1] * math.prod(sizes[-1])
        self.network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, out_features))
        _initialise(self.network)
        with torch.no_grad():
            last = self.network[-1].weight
            assert isinstance(last, Tensor)
            last.mul_(SMALL)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to features (N, out_features), of any sign and size."""
        features: Tensor = self.network(x)
        return features


class ConvDecoder(Decoder):
    """`ConvEncoder` backwards: one linear layer, then transposed convolutions with ReLU or gates before each.

    `channels` are given in the encoder's order, and used in the opposite one. `blocks` residual blocks come before
    each transposed convolution. The result has exactly the shape asked for.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        channels: Sequence[int] = (32, 64, 128, 128),
        *,
        kernel_size: int = 4,
        activation: Activation = "relu",
        blocks: int = 0,
    ) -> None:
        super().__init__()
        sizes = encoder_sizes(*shape[1:], len(channels))
        widths = [shape[0], *channels]
        depth, gated = len(sizes) - 1, GATED[activation]
        smallest = (gated * widths[depth], *sizes[-1])
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, math.prod(smallest)),
            nn.Unflatten(1, smallest),
        ]
        for i in range(depth, 0, -1):
            outputs = widths[i - 1] * (gated if i > 1 else 1)
            layers += [nn.ReLU() if activation == "relu" else nn.GLU(dim=1)]
            layers += [ResidualBlock(widths[i], activation) for _ in range(blocks)]
            layers += [_doubling(widths[i], outputs, sizes[i - 1], kernel_size)]
        self.network = nn.Sequential(*layers)
        _initialise(self.network)

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Set the last bias to the mean of each channel of these images, (N, C, H, W) in [0, 1]."""
        bias = self.network[-1].bias
        assert isinstance(bias, Tensor)
        bias.copy_(logit_of_mean(x, 0, 2, 3))

    def forward(self, z: Tensor) -> Tensor:
        """Map latents (N, latent_dim) to the logits (N, C, H, W) of pixels in [0, 1]."""
        logits: Tensor = self.network(z)
        return logits


def _initialise(network: nn.Module) -> None:
    """Draw weights that keep a signal's size through ReLUs (He et al. 2015, arXiv:1502.01852); zero the biases, and the
    last weights of residual blocks."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            fan_in = module.weight[0].numel()
            if isinstance(module, nn.ConvTranspose2d):  # of its weights, a quarter meets each output pixel
                fan_in = module.weight[:, 0].numel() // 4
            nn.init.normal_(module.weight, 0.0, math.sqrt(2 / fan_in))
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            nn.init.zeros_(module.last.weight)


def _halving(inputs: int, outputs: int, kernel_size: int) -> nn.Module:
    """Return a convolution from any size to the half of it, rounded up."""
    if kernel_size == 4:
        return Down(inputs, outputs)
    return nn.Conv2d(inputs, outputs, kernel_size, stride=2, padding=kernel_size // 2)


def _doubling(inputs: int, outputs: int, size: tuple[int, int], kernel_size: int) -> nn.Module:
    """Return a transposed convolution from the half of `size`, rounded up, to `size`."""
    if kernel_size == 4:
        return Up(inputs, outputs, size)
    more = (1 - size[0] % 2, 1 - size[1] % 2)  # an odd kernel makes 2n - 1 of n by itself
    return nn.ConvTranspose2d(inputs, outputs, kernel_size, 2, kernel_size // 2, more)


class GatedLinear(nn.Linear):
    """A linear layer times a sigmoid gate, which is another linear layer (Dauphin et al. 2017, arXiv:1612.08083)."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, 2 * out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_features) to (N, out_features)."""
        values, gates = super().forward(x).chunk(2, dim=1)
        return values * gates.sigmoid()


def _fully_connected(sizes: Sequence[int], activation: Activation) -> list[nn.Module]:
    """Layers from each size to the next; all but the last one have the activation."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()] if activation == "relu" else [GatedLinear(inputs, outputs)]
    return [*layers, nn.Linear(sizes[-2], sizes[-1])]


class MLPEncoder(nn.Module):
    """Hidden layers: one, or as many as `hidden` has sizes."""

    def __init__(
        self, shape: Shape, out_features: int, hidden: Sequence[int] = (400,), activation: Activation = "relu"
    ) -> None:
        super().__init__()
        layers = _fully_connected([math.prod(shape), *hidden, out_features], activation)
        self.network = nn.Sequential(nn.Flatten(), *layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to features (N, out_features), of any sign and size."""
        features: Tensor = self.network(x)
        return features


class MLPDecoder(Decoder):
    """`MLPEncoder` backwards; `hidden` is given in the encoder's order."""

    def __init__(
        self, shape: Shape, latent_dim: int, hidden: Sequence[int] = (400,), activation: Activation = "relu"
    ) -> None:
        super().__init__()
        layers = _fully_connected([latent_dim, *reversed(hidden), math.prod(shape)], activation)
        self.network = nn.Sequential(*layers, nn.Unflatten(1, shape))

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """Set the last bias to the mean of these images, (N, C, H, W) in [0, 1]."""
        bias = self.network[-2].bias
        assert isinstance(bias, Tensor)
        bias.copy_(logit_of_mean(x, 0).flatten())

    def forward(self, z: Tensor) -> Tensor:
        """Map latents (N, latent_dim) to the logits (N, C, H, W) of pixels in [0, 1]."""
        logits: Tensor = self.network(z)
        return logits
