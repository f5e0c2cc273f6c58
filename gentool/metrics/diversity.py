"""How unlike one another images are, or codes: what a collapse takes away."""

import math

import torch
from torch import Tensor


class Moments:
    """The variance of each entry of tensors (N, ...) that come in parts, in float64 on the CPU: mps has none."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = torch.zeros(())

    def add(self, x: Tensor) -> None:
        """Take some more (Chan, Golub & LeVeque 1979)."""
        x = x.cpu().double()
        mean, total = x.mean(0), self.count + len(x)
        shift = mean - self.mean
        among = (x - mean).square().sum(0)
        self.squares = self.squares + among + shift.square() * self.count * len(x) / total
        self.mean = self.mean + shift * len(x) / total
        self.count = total

    @property
    def variance(self) -> Tensor:
        """Of each entry, over all that came."""
        return self.squares / max(self.count, 1)


def diversity(images: Tensor, real: Tensor) -> Tensor:
    """The spread of images (N, C, H, W) around their mean image, in units of that of real ones (M, C, H, W): a scalar.

    About 1 where images vary as much as real ones, 0 where all are the same. The spread is the root of a pixel's mean
    variance.
    """
    return spread(images) / spread(real).clamp_min(1e-6)


def spread(images: Tensor) -> Tensor:
    """The root of the mean variance of a pixel of images (N, C, H, W): a scalar.

    Written as a norm, which CPUs compute 10 to 40 times as fast as `Tensor.var` over the images.
    """
    rows = images.permute(0, 2, 3, 1).flatten(1).float()  # no copy of what lies channels last
    return torch.linalg.vector_norm(rows - rows.mean(0)) / math.sqrt(rows.numel())


def relative_spread(variance: Tensor, real: Tensor) -> Tensor:
    """`diversity` from the variances of the pixels."""
    return (variance.mean() / real.mean().clamp_min(1e-12)).sqrt()
