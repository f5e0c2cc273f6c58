"""The last steps of a projection: damped Gauss-Newton (Levenberg 1944, doi:10.1090/qam/10666; Marquardt 1963,
doi:10.1137/0111030).

A picture depends on few numbers z, so the Jacobian costs only 2 D pictures, and each step goes almost straight down
the valleys in which gradient descent zigzags.
"""

from collections.abc import Callable

import torch
from torch import Tensor

ROUNDS = 8
LARGEST = 512
"""With more latent dimensions the Jacobian costs more than it is worth."""
SHIFT = 0.01
"""Half the distance of the central differences, in standard deviations of z."""
DAMPINGS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Tried together in every round, in units of the curvature's mean; the best one is taken."""
LEAST_GAIN = 1e-3
"""A round that lowers the error by a smaller share is the last one."""


@torch.no_grad()
def polish(decode: Callable[[Tensor], Tensor], z: Tensor, target: Tensor, prior: float) -> Tensor:
    """z (D,) after at most `ROUNDS` steps down `mse + prior * shell_distance` to the picture target (C, H, W).

    `decode` turns any number of z (N, D) into pictures (N, C, H, W). The error never rises.
    """
    dim, target = len(z), target.flatten()
    eye = torch.eye(dim, device=z.device)
    error, picture = objective(decode, z[None], target, prior)
    for _ in range(ROUNDS):
        x = decode(torch.cat([z + SHIFT * eye, z - SHIFT * eye])).flatten(1)
        jacobian = (x[:dim] - x[dim:]) / (2 * SHIFT)  # (D, values): row i is how the picture changes with z_i
        radial = z / z.norm().clamp_min(1e-12)
        curvature = jacobian @ jacobian.T / len(target) + prior * radial[:, None] * radial
        slope = jacobian @ (picture[0] - target) / len(target) + prior * (z.norm() - shell_radius(dim)) * radial
        damped = [curvature + damping * curvature.diagonal().mean() * eye for damping in DAMPINGS]
        steps, _ = torch.linalg.solve_ex(torch.stack(damped), slope.expand(len(DAMPINGS), dim))
        errors, pictures = objective(decode, z - steps, target, prior)
        errors = errors.nan_to_num(torch.inf)
        best = int(errors.argmin())
        gain = float(1 - errors[best] / error[0])
        if not gain > 0:
            break
        z, error, picture = z - steps[best], errors[best, None], pictures[best, None]
        if gain < LEAST_GAIN:
            break
    return z


def shell_radius(dim: int) -> float:
    """The commonest length of standard normal noise of `dim` dimensions."""
    return float((dim - 1) ** 0.5)


def shell_distance(z: Tensor) -> Tensor:
    """(|z| - sqrt(D - 1))^2 for z (N, D): (N,).

    To second order the negative log-density of the length of standard normal noise (the chi distribution) in nats,
    less that at its mode: 0.5 on average for noise of any D.
    """
    return (z.norm(dim=1) - shell_radius(z.shape[1])).square()


def objective(decode: Callable[[Tensor], Tensor], z: Tensor, target: Tensor, prior: float) -> tuple[Tensor, Tensor]:
    """For z (N, D): the mean squared error to target (values,) with the pull toward the shell (N,), and the flat
    pictures (N, values)."""
    x = decode(z).flatten(1)
    return (x - target).square().mean(1) + prior * shell_distance(z), x
