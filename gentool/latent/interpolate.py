"""Walks through a latent space: straight lines and great arcs between codes."""

from itertools import pairwise

import torch
from torch import Tensor

from gentool.latent.trained import Trained

HIGH_DIMENSION = 8
"""From so many dimensions on, almost all of N(0, I) lies near a sphere, and a straight line leaves it."""


def linear(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """The points (S, D) of the line from a to b (D,), for shares (S,) in [0, 1]."""
    return torch.lerp(a, b, share[:, None])


def slerp(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """The points (S, D) of the arc from a to b (D,), for shares (S,) in [0, 1].

    Spherical linear interpolation (Shoemake 1985, doi:10.1145/325165.325242; White 2016, arXiv:1609.04468): with the
    angle w between a and b, sin((1 - t) w) / sin(w) * a + sin(t w) / sin(w) * b. Where a and b point the same way or
    in opposite directions, or one of them is 0, the arc is not defined, and the line is taken.
    """
    one, other = a.double(), b.double()
    lengths = one.norm() * other.norm()
    angle = torch.acos((torch.dot(one, other) / lengths).clamp(-1, 1))
    if lengths == 0 or angle.sin() < 1e-4:
        return linear(a, b, share)
    t = share.double()[:, None]
    points = (torch.sin((1 - t) * angle) * one + torch.sin(t * angle) * other) / angle.sin()
    return points.to(a.dtype)


def automatic_method(trained: Trained) -> str:
    """`slerp` where codes are Gaussian noise of high dimension, else `linear`."""
    gaussian = getattr(trained.network, "gaussian_prior", False)
    return "slerp" if gaussian and trained.network.latent_dim >= HIGH_DIMENSION else "linear"


def walk(keys: Tensor, steps: int, method: str) -> Tensor:
    """Codes from each key (K, D) to the next in `steps` pictures, keys included: ((K - 1) * (steps - 1) + 1, D).

    `method` is `linear` or `slerp`. The keys are in the walk exactly as given: key k at place k * (steps - 1).
    """
    between = slerp if method == "slerp" else linear
    share = torch.linspace(0, 1, steps)
    parts = [between(a, b, share)[:-1] for a, b in pairwise(keys)]
    codes = torch.cat([*parts, keys[-1:]])
    codes[:: steps - 1] = keys
    return codes
