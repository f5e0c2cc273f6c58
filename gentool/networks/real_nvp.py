"""RealNVP (Dinh et al. 2017, arXiv:1605.08803): an invertible network of affine couplings, here on codes."""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COUPLINGS, HIDDEN = 8, 128
"""Couplings, and the units of the two hidden layers of each."""
LARGEST = 2.0
"""The logarithm of a scale stays below this: a factor of at most 7.4 in one coupling."""


class Coupling(nn.Module):
    """Some dimensions are scaled and shifted by functions of the others, which stay as they are.

    Which ones stay alternates: the first half, the second, those of even numbers, those of odd ones.
    """

    kept: Tensor

    def __init__(self, dim: int, number: int, classes: int) -> None:
        super().__init__()
        first, even = [place < dim // 2 for place in range(dim)], [place % 2 == 0 for place in range(dim)]
        part = (first, even)[number % 4 // 2]
        kept = [float(there == (number % 2 == 0)) for there in part]
        self.register_buffer("kept", torch.tensor(kept), persistent=False)
        last = nn.Linear(HIDDEN, 2 * dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.changes = nn.Sequential(
            nn.Linear(dim + classes, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), last
        )
        self.dim = dim

    def scale_and_shift(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (..., D) -> logarithms of the scales and shifts (..., D), both 0 for the dimensions that stay."""
        kept = x * self.kept
        changes = self.changes(kept if labels is None else torch.cat([kept, labels], dim=-1))
        scale = LARGEST * (changes[..., : self.dim] / LARGEST).tanh()
        return scale * (1 - self.kept), changes[..., self.dim :] * (1 - self.kept)

    def forward(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (..., D) -> (..., D), and the logarithm of the determinant of its derivative (...)."""
        scale, shift = self.scale_and_shift(x, labels)
        return x * scale.exp() + shift, scale.sum(-1)

    def inverse(self, y: Tensor, labels: Tensor | None) -> Tensor:
        """y (..., D) -> the x (..., D) that becomes it."""
        scale, shift = self.scale_and_shift(y, labels)
        return (y - shift) * (-scale).exp()


class RealNVP(nn.Module):
    """A density of z in D >= 2 dimensions: z becomes noise N(0, I). At the start, it is N(0, I) itself.

    With `classes` there is a density for each, and every method takes labels beside z (N, ..., D): classes (N,), or
    weights of the classes (N, classes).
    """

    def __init__(self, dim: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.couplings = nn.ModuleList([Coupling(dim, number, classes) for number in range(COUPLINGS)])

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, ..., D) -> noise (N, ..., D)."""
        return self._with_volume(z, labels)[0]

    def inverse(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Noise (N, ..., D) -> z (N, ..., D)."""
        labels = self._beside(noise, labels)
        for coupling in reversed(self.couplings):
            noise = cast(Coupling, coupling).inverse(noise, labels)
        return noise

    def log_density(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(z) of z (N, ..., D), nats (N, ...)."""
        noise, volume = self._with_volume(z, labels)
        return volume - 0.5 * (noise.square() + math.log(2 * math.pi)).sum(-1)

    def _with_volume(self, z: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        labels, volume = self._beside(z, labels), z.new_zeros(z.shape[:-1])
        for coupling in self.couplings:
            z, change = coupling(z, labels)
            volume = volume + change
        return z, volume

    def _beside(self, z: Tensor, labels: Tensor | None) -> Tensor | None:
        """The weights of the classes for every row of z (N, ..., D), None without classes."""
        if not self.classes:
            return None
        if labels is None:
            raise ValueError("a density for each class needs labels")
        weights = labels if labels.is_floating_point() else F.one_hot(labels, self.classes).to(z.dtype)
        if z.dim() == 2:
            return weights
        return weights.unflatten(0, (-1, *[1] * (z.dim() - 2))).expand(*z.shape[:-1], -1)
