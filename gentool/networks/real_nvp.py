"""RealNVP (Dinh et al. 2017, arXiv:1605.08803): an invertible network of affine couplings, here on codes."""

import math
from typing import cast

import torch
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

    def __init__(self, dim: int, number: int) -> None:
        super().__init__()
        place = torch.arange(dim)
        halves = place < dim // 2, place >= dim // 2, place % 2 == 0, place % 2 == 1
        self.register_buffer("kept", halves[number % 4].float(), persistent=False)
        last = nn.Linear(HIDDEN, 2 * dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.changes = nn.Sequential(nn.Linear(dim, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), last)
        self.dim = dim

    def scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (..., D) -> logarithms of the scales and shifts (..., D), both 0 for the dimensions that stay."""
        changes = self.changes(x * self.kept)
        scale = LARGEST * (changes[..., : self.dim] / LARGEST).tanh()
        return scale * (1 - self.kept), changes[..., self.dim :] * (1 - self.kept)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (..., D) -> (..., D), and the logarithm of the determinant of its derivative (...)."""
        scale, shift = self.scale_and_shift(x)
        return x * scale.exp() + shift, scale.sum(-1)

    def inverse(self, y: Tensor) -> Tensor:
        """y (..., D) -> the x (..., D) that becomes it."""
        scale, shift = self.scale_and_shift(y)
        return (y - shift) * (-scale).exp()


class RealNVP(nn.Module):
    """A density of z in D >= 2 dimensions: z becomes noise N(0, I). At the start, it is N(0, I) itself."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.couplings = nn.ModuleList([Coupling(dim, number) for number in range(COUPLINGS)])

    def forward(self, z: Tensor) -> Tensor:
        """z (..., D) -> noise (..., D)."""
        return self._with_volume(z)[0]

    def inverse(self, noise: Tensor) -> Tensor:
        """Noise (..., D) -> z (..., D)."""
        for coupling in reversed(self.couplings):
            noise = cast(Coupling, coupling).inverse(noise)
        return noise

    def log_density(self, z: Tensor) -> Tensor:
        """log p(z) of z (..., D), nats (...)."""
        noise, volume = self._with_volume(z)
        return volume - 0.5 * (noise.square() + math.log(2 * math.pi)).sum(-1)

    def _with_volume(self, z: Tensor) -> tuple[Tensor, Tensor]:
        volume = z.new_zeros(z.shape[:-1])
        for coupling in self.couplings:
            z, change = coupling(z)
            volume = volume + change
        return z, volume
