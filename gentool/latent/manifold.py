"""The decoder over a plane of the latent space, and along its axes."""

import torch
from torch import Tensor

OUTERMOST = 0.02
"""A grid goes from this quantile of N(0, 1) to the opposite one: from -2.05 to 2.05."""


def quantiles(count: int, outermost: float = OUTERMOST) -> Tensor:
    """`count` points of N(0, 1) with equal probability between them, from a quantile to its opposite: (count,)."""
    shares = torch.linspace(outermost, 1 - outermost, count, dtype=torch.float64)
    return torch.special.ndtri(shares).float()


def plane(origin: Tensor, directions: Tensor, spread: Tensor, side: int) -> Tensor:
    """Codes (side * side, D) on a plane through origin (D,), row by row from the top left.

    Along each of two directions (2, D) they stand at the quantiles of N(0, spread^2), spread (2,): the first grows to
    the right, the second upwards, as on paper (the manifold of Kingma & Welling 2013, figure 4).
    """
    across, up = quantiles(side) * spread[0], quantiles(side).flip(0) * spread[1]
    return (origin + across[None, :, None] * directions[0] + up[:, None, None] * directions[1]).flatten(0, 1)


def traversals(origin: Tensor, dimensions: list[int], steps: int) -> Tensor:
    """Codes (len(dimensions) * steps, D): in each row one dimension of origin (D,) goes through N(0, 1)'s quantiles."""
    codes = origin.repeat(len(dimensions), steps, 1)
    for row, dimension in enumerate(dimensions):
        codes[row, :, dimension] = quantiles(steps)
    return codes.flatten(0, 1)
