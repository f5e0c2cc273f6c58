"""Errors of images: mean squared error and PSNR."""

import math

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
