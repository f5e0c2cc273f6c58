"""The commonest colours of images, and images in these colours only, for pixel art."""

import torch
from torch import Tensor

AT_ONCE = 4096


def commonest_colours(images: Tensor, count: int) -> Tensor:
    """The `count` commonest colours of uint8 images (N, C, H, W): (count or fewer, C) uint8, commonest first."""
    values = counts = torch.zeros(0, dtype=torch.int64)
    for part in images.split(AT_ONCE):
        pixels = part.permute(0, 2, 3, 1).reshape(-1, images.shape[1]).long()
        packed = torch.zeros(len(pixels), dtype=torch.int64)
        for channel in range(images.shape[1]):
            packed = packed * 256 + pixels[:, channel]
        more, numbers = packed.unique(return_counts=True)
        values, where = torch.cat([values, more]).unique(return_inverse=True)
        counts = torch.zeros_like(values).index_add_(0, where, torch.cat([counts, numbers]))
    best = values[counts.argsort(descending=True, stable=True)[:count]]
    return torch.stack([best >> 8 * shift & 255 for shift in reversed(range(images.shape[1]))], dim=1).to(torch.uint8)


def snap(images: Tensor, palette: Tensor) -> Tensor:
    """Images (N, C, H, W) in [0, 1] with every pixel replaced by the nearest colour of a uint8 palette (K, C)."""
    colours = palette.float() / 255
    pixels = images.permute(0, 2, 3, 1)
    snapped = torch.stack(
        [colours[torch.cdist(picture.reshape(-1, colours.shape[1]), colours).argmin(1)] for picture in pixels]
    )
    return snapped.reshape(pixels.shape).permute(0, 3, 1, 2)
