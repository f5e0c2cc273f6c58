"""Measures of images: errors beside others, colours of a palette, copies among them."""

import math

import torch
from torch import Tensor

MAX_PSNR = 100.0
"""The PSNR of images that are equal, in dB: the value at a mean squared error of 1e-10."""


def squared_error(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared error per pixel value of images x and target (N, C, H, W) in [0, 1]: (N,)."""
    return (x - target).square().flatten(1).mean(1)


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error of pixels in [0, 1]; at most 100.

    >>> psnr(0.01)
    20.0
    """
    return MAX_PSNR if mse <= 10 ** (-MAX_PSNR / 10) else -10 * math.log10(mse)


def palette_score(images: Tensor, colours: Tensor, background: Tensor, tolerance: int = 8) -> tuple[float, float]:
    """The share of pixels within `tolerance` in every channel of one of `colours`: of all pixels, and of those that
    are not within it of `background`.

    images uint8 (N, C, H, W), colours uint8 (K, C), background uint8 (C,); both shares in [0, 1].
    """
    pixels, counts = images.permute(0, 2, 3, 1).reshape(-1, images.shape[1]).unique(dim=0, return_counts=True)
    pixels, palette = pixels.int(), colours.int()
    matched = torch.cat([
        ((part[:, None] - palette).abs().amax(2) <= tolerance).any(1) for part in pixels.split(4096)
    ])  # fmt: skip
    foreground = (pixels - background.int()).abs().amax(1) > tolerance
    all_pixels = (matched * counts).sum() / counts.sum()
    front = (matched & foreground).mul(counts).sum() / (foreground * counts).sum().clamp_min(1)
    return all_pixels.item(), front.item()


def distinct_share(images: Tensor) -> float:
    """The share of uint8 images (N, ...) that differ from all those before them."""
    return len({image.numpy().tobytes() for image in images}) / len(images)
