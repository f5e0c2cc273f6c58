"""The diversity of images or codes: how much they vary, which a collapse takes away."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor


class RunningVariance:
    """The variance of each entry over tensors (N, ...) that are added in parts. In float64 on the CPU: mps has none."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = torch.zeros(())

    def add(self, x: Tensor) -> None:
        """Add more rows."""
        x = x.cpu().double()
        mean = x.mean(0)
        self._add(len(x), mean, (x - mean).square().sum(0))

    def join(self, others: Iterable["RunningVariance"]) -> None:
        """Add the rows of others."""
        for other in others:
            if other.count:
                self._add(other.count, other.mean, other.squares)

    def _add(self, count: int, mean: Tensor, squares: Tensor) -> None:
        """Add rows by their mean and their squared distances from it (Chan, Golub & LeVeque 1979)."""
        shift, total = mean - self.mean, self.count + count
        self.squares = self.squares + squares + shift.square() * self.count * count / total
        self.mean = self.mean + shift * count / total
        self.count = total

    @property
    def variance(self) -> Tensor:
        """The variance of each entry, over all rows so far."""
        return self.squares / max(self.count, 1)


def diversity(images: Tensor, real: Tensor) -> Tensor:
    """The pixel deviation of images (N, C, H, W) divided by that of real images (M, C, H, W): a scalar.

    About 1 where images vary as much as real ones, 0 where all are the same.
    """
    return pixel_deviation(images) / pixel_deviation(real).clamp_min(1e-6)


def pixel_deviation(images: Tensor) -> Tensor:
    """The square root of the mean variance of a pixel over images (N, C, H, W): a scalar.

    It is computed as a norm, which is 10 to 40 times as fast on CPUs as `Tensor.var` over the images.
    """
    rows = images.permute(0, 2, 3, 1).flatten(1).float()  # no copy of channels-last images
    return torch.linalg.vector_norm(rows - rows.mean(0)) / math.sqrt(rows.numel())


def own_share(images: Tensor, real: Tensor) -> Tensor:
    """The share of how images (N, C, H, W) deviate from the mean of real ones (M, C, H, W) that each has of its own.

    A scalar in [0, 1]: the variance of a pixel over the images, divided by that variance plus the squared distance of
    the mean image from the mean real image. About 1 where images vary around what real ones vary around; near 0 where
    they are one picture with small changes. Both terms are unbiased, and the distance is at least 0.
    """
    variance, real_variance = (pixel_deviation(x).square() / max(len(x) - 1, 1) for x in (images, real))
    apart = (images.float().mean(0) - real.float().mean(0)).square().mean()
    common = (apart - variance - real_variance).clamp_min(0)
    own = variance * len(images)
    return own / (own + common).clamp_min(1e-12)


def relative_spread(variance: Tensor, real: Tensor) -> Tensor:
    """`diversity`, from the variances of the pixels."""
    return (variance.mean() / real.mean().clamp_min(1e-12)).sqrt()
