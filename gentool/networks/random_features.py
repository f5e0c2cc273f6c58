"""A fixed network with random weights, whose features compare images of any kind without labels."""

import math

import torch
from torch import Tensor, nn

SCALE = 10
"""A factor on the features, which are small numbers."""


class RandomFeatures(nn.Module):
    """uint8 images (N, C, H, W) -> features (N, 128): means over the last maps of a network that is never trained."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        generator = torch.Generator().manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 3, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(128, 128, 3, 2, 1),
        )  # fmt: skip
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                assert layer.bias is not None
                scale = math.sqrt(2 / (layer.in_channels * 9))
                layer.weight.data.normal_(0, scale, generator=generator)
                layer.bias.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """uint8 images (N, 1 or 3, H, W), or (N, 4, H, W) for 4 channels -> features (N, 128)."""
        return self.layers(x.expand(-1, self.channels, -1, -1).float() / 127.5 - 1).mean((2, 3)) * SCALE
