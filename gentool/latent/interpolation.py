"""Walks through a latent space: straight lines and great arcs between codes."""

from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor

Method = Literal["auto", "linear", "slerp"]
METHODS = get_args(Method)

HIGH_DIMENSION = 8
"""From this many dimensions on, almost all of N(0, I) lies near a sphere, and a straight line leaves it."""


def linear(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """Points (S, D) on the line from a to b (D,), at shares (S,) in [0, 1] of the way."""
    return torch.lerp(a, b, share[:, None])


def slerp(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """Points (S, D) on the arc from a to b (D,), at shares (S,) in [0, 1] of the way.

    Spherical linear interpolation (Shoemake 1985, doi:10.1145/325165.325242; White 2016, arXiv:1609.04468): with the
    angle w between a and b, sin((1 - t) w) / sin(w) * a + sin(t w) / sin(w) * b. The arc is not defined where a and b
    point the same way or in opposite directions, or where one of them is 0; the line is used there.
    """
    start, end = a.double(), b.double()
    lengths = start.norm() * end.norm()
    angle = torch.acos((torch.dot(start, end) / lengths).clamp(-1, 1))
    if lengths == 0 or angle.sin() < 1e-4:
        return linear(a, b, share)
    t = share.double()[:, None]
    points = (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / angle.sin()
    return points.to(a.dtype)


def walk(keys: Tensor, steps: int, method: Method) -> Tensor:
    """Codes from each key (K, D) to the next in `steps` steps, keys included: ((K - 1) * (steps - 1) + 1, D).

    `method` is `linear` or `slerp`. The keys are in the walk exactly as given: key k at place k * (steps - 1).
    """
    between = slerp if method == "slerp" else linear
    share = torch.linspace(0, 1, steps)
    parts = [between(a, b, share)[:-1] for a, b in pairwise(keys)]
    codes = torch.cat([*parts, keys[-1:]])
    codes[:: steps - 1] = keys
    return codes
