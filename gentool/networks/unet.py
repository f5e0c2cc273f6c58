"""A small U-Net (Ronneberger et al. 2015, arXiv:1505.04597) for images of any size that knows the time and a class.

It works on patches: an image of at most 16x16 pixels is taken as it is, a larger one is rearranged to maps of at most
16x16 with more channels (pixel unshuffle: Shi et al. 2016, arXiv:1609.05158), so that an update takes about as long for
images of all sizes. There are two levels, the maps and their halves, with residual blocks as in Dhariwal & Nichol
(2021, arXiv:2105.05233, appendix A): the time and the class scale and shift the features in the middle of a block.

Features are normalised over the channels of each pixel as in ConvNeXt (Liu et al. 2022, arXiv:2201.03545). On CPUs
that is 1.4 times as fast as group norm, and as good (docs/measurements.md).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.networks.layers import Shape

LARGEST_MAP = 16
"""Images are rearranged until no side of their maps exceeds this."""
TIME_WAVES = 32
"""Cosines and as many sines of the time, of lengths from 2 pi down to a thousandth of it."""


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel: (N, C, H, W) -> (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1)
        if not torch.is_autocast_enabled(x.device.type):
            return super().forward(rows).permute(0, 3, 1, 2)
        # In bf16, too: autocast would compute it in f32, and the copies cost more than the norm.
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            return F.layer_norm(rows, self.normalized_shape, weight, bias, self.eps).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip connection. At the start it is the skip connection alone."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = ChannelNorm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = ChannelNorm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.scale_and_shift = nn.Linear(condition, 2 * outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        zero(self.conv2, self.scale_and_shift)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (N, C, H, W) and condition (N, D) -> (N, C', H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.scale_and_shift(condition).to(h.dtype)[:, :, None, None].chunk(2, dim=1)
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        return self.skip(x) + self.conv2(F.silu(h))


class UNet(nn.Module):
    """Images, times and classes -> tensors of the images' shape, 0 at the start.

    `width` is the number of channels of the maps; their halves have twice as many.
    """

    waves: Tensor

    def __init__(self, shape: Shape, width: int, classes: int = 0) -> None:
        super().__init__()
        channels, height, width_ = shape
        self.patch = 1
        while max(height, width_) > LARGEST_MAP * self.patch:
            self.patch *= 2
        values, wide, condition = channels * self.patch**2, 2 * width, 4 * width
        self.register_buffer("waves", torch.logspace(0, 3, TIME_WAVES, device="cpu"), persistent=False)
        self.embed_time = nn.Sequential(
            nn.Linear(2 * TIME_WAVES, condition), nn.SiLU(), nn.Linear(condition, condition)
        )  # fmt: skip
        self.embed_class = nn.Linear(classes, condition, bias=False) if classes else None
        self.stem = nn.Conv2d(values, width, 3, padding=1)
        self.down1 = ResidualBlock(width, width, condition)
        self.halve = nn.Conv2d(4 * width, wide, 1)
        self.down2 = ResidualBlock(wide, wide, condition)
        self.middle = ResidualBlock(wide, wide, condition)
        self.up2 = ResidualBlock(2 * wide, wide, condition)
        self.narrow = nn.Conv2d(wide, width, 1)
        self.up1 = ResidualBlock(2 * width, width, condition)
        self.norm, self.out = ChannelNorm(width), nn.Conv2d(width, values, 3, padding=1)
        zero(self.out)

    def forward(self, x: Tensor, t: Tensor, weights: Tensor | None = None) -> Tensor:
        """x (N, C, H, W), t (N,) in [0, 1] and the classes' weights (N, classes), 0 for no class -> (N, C, H, W)."""
        height, width = x.shape[2:]
        angles = t[:, None] * self.waves
        condition = self.embed_time(torch.cat([angles.cos(), angles.sin()], dim=1))
        if self.embed_class is not None and weights is not None:
            condition = condition + self.embed_class(weights)
        condition = F.silu(condition)
        multiple = 2 * self.patch
        x = F.pad(x, (0, -width % multiple, 0, -height % multiple))
        x = F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last)
        large = self.down1(self.stem(x), condition)
        small = self.down2(self.halve(F.pixel_unshuffle(large, 2)), condition)
        x = self.up2(torch.cat([self.middle(small, condition), small], dim=1), condition)
        x = F.interpolate(self.narrow(x), scale_factor=2)
        x = self.up1(torch.cat([x, large], dim=1), condition)
        x = F.pixel_shuffle(self.out(F.silu(self.norm(x))), self.patch)
        return x[..., :height, :width]


def zero(*layers: nn.Conv2d | nn.Linear) -> None:
    """Set the weights and biases of layers to 0."""
    for layer in layers:
        nn.init.zeros_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
