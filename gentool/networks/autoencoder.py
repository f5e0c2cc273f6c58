"""Encoders and decoders for autoencoders: strided convolutions, or one hidden layer.

The convolutional pair is DCGAN's (Radford, Metz & Chintala 2015, arXiv:1511.06434): halve the
image with strided convolutions, double it with transposed ones. The other pair is the network of
the first variational autoencoder (Kingma & Welling 2013, arXiv:1312.6114, appendix C).

Every decoder returns logits: the sigmoid belongs to the loss, or to whoever wants pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

Shape = tuple[int, int, int]
"""Channels, height, width of one image."""

LEAK = 0.2
"""Slope of the encoder's LeakyReLU for negative inputs, as in DCGAN's discriminator."""


def halvings(height: int, width: int, most: int) -> list[tuple[int, int]]:
    """Sizes of an image as it is halved, rounding up, at most `most` times; the first is its own.

    Halving stops when the shorter side is 2 or less: below that, a convolution sees only padding.

    >>> halvings(28, 28, 4)
    [(28, 28), (14, 14), (7, 7), (4, 4), (2, 2)]
    """
    sizes = [(height, width)]
    while len(sizes) <= most and min(sizes[-1]) > 2:
        sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
    return sizes


class ConvEncoder(nn.Module):
    """Stride-2 convolutions with LeakyReLU, then one linear layer.

    An image of (C, H, W) passes through one layer for each of `channels`, or through as many as
    `halvings` allows. Odd sizes are padded by one row or column, so any size will do.
    """

    def __init__(
        self,
        shape: Shape,
        out_features: int,
        channels: Sequence[int] = (32, 64, 128, 128),
        *,
        kernel_size: int = 4,
    ) -> None:
        super().__init__()
        sizes = halvings(*shape[1:], most=len(channels))
        widths = [shape[0], *channels]
        layers: list[nn.Module] = []
        for i, (height, width) in enumerate(sizes[:-1]):
            if height % 2 or width % 2:
                layers.append(nn.ZeroPad2d((0, width % 2, 0, height % 2)))
            padding = (kernel_size - 1) // 2
            layers.append(nn.Conv2d(widths[i], widths[i + 1], kernel_size, 2, padding))
            layers.append(nn.LeakyReLU(LEAK))
        features = widths[len(sizes) - 1] * math.prod(sizes[-1])
        self.network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [0, 1] to features (N, out_features), of any sign and size."""
        features: Tensor = self.network(x)
        return features


class ConvDecoder(nn.Module):
    """`ConvEncoder` backwards: one linear layer, then transposed convolutions with ReLU.

    `channels` are given in the encoder's order, and used in the opposite one. Where the encoder
    padded, the decoder crops, so the result has exactly the shape asked for.
    """

    def __init__(
        self,
        shape: Shape,
        latent_dim: int,
        channels: Sequence[int] = (32, 64, 128, 128),
        *,
        kernel_size: int = 4,
    ) -> None:
        super().__init__()
        sizes = halvings(*shape[1:], most=len(channels))
        widths = [shape[0], *channels]
        depth = len(sizes) - 1
        smallest = (widths[depth], *sizes[-1])
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, math.prod(smallest)),
            nn.Unflatten(1, smallest),
        ]
        for i in range(depth, 0, -1):
            layers.append(nn.ReLU())
            layers.append(_doubling(widths[i], widths[i - 1], kernel_size))
            height, width = sizes[i - 1]
            if height % 2 or width % 2:
                layers.append(nn.ZeroPad2d((0, -(width % 2), 0, -(height % 2))))
        self.network = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Map latents (N, latent_dim) to the logits (N, C, H, W) of pixels in [0, 1]."""
        logits: Tensor = self.network(z)
        return logits


def _doubling(inputs: int, outputs: int, kernel_size: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution that doubles height and width exactly."""
    padding = (kernel_size - 1) // 2
    return nn.ConvTranspose2d(inputs, outputs, kernel_size, 2, padding, kernel_size % 2)


class MLPEncoder(nn.Module):
    """One hidden layer with ReLU."""

    def __init__(self, shape: Shape, out_features: int, hidden: int = 400) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), hidden),
            nn.ReLU(),
            nn.Linear(hidden, out_features),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) in [0, 1] to features (N, out_features), of any sign and size."""
        features: Tensor = self.network(x)
        return features


class MLPDecoder(nn.Module):
    """One hidden layer with ReLU."""

    def __init__(self, shape: Shape, latent_dim: int, hidden: int = 400) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.ReLU(),
            nn.Linear(hidden, math.prod(shape)),
            nn.Unflatten(1, shape),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Map latents (N, latent_dim) to the logits (N, C, H, W) of pixels in [0, 1]."""
        logits: Tensor = self.network(z)
        return logits
