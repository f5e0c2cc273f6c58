"""The last steps of a projection: damped Gauss-Newton (Levenberg 1944, doi:10.1090/qam/10666; Marquardt 1963,
doi:10.1137/0111030).

An image depends on the few numbers of z, so the Jacobian costs only 2 D images, and each step goes almost straight down
the valleys in which gradient descent zigzags.
"""

from collections.abc import Callable

import torch
from torch import Tensor

ROUNDS = 8
MAX_DIM = 512
"""With more latent dimensions the Jacobian costs more than it is worth."""
SHIFT = 0.01
"""Half the distance of the central differences, in standard deviations of z."""
DAMPINGS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Dampings that are tried together in every round, in units of the mean curvature; the best one is taken."""
MIN_GAIN = 1e-3
"""A round that lowers the error by a smaller share is the last one."""


@torch.no_grad()
def gauss_newton(decode: Callable[[Tensor], Tensor], z: Tensor, target: Tensor, prior_weight: float) -> Tensor:
    """z (D,) after at most `ROUNDS` steps towards the image target (C, H, W). The error never rises.

    It minimises `mse + prior_weight * shell_distance`. `decode` turns codes (N, D) into images (N, C, H, W).
    """
    dim, target = len(z), target.flatten()
    eye = torch.eye(dim, device=z.device)
    error, image = objective(decode, z[None], target, prior_weight)
    for _ in range(ROUNDS):
        x = decode(torch.cat([z + SHIFT * eye, z - SHIFT * eye])).flatten(1)
        jacobian = (x[:dim] - x[dim:]) / (2 * SHIFT)  # (D, values): row i is how the image changes with z_i
        radial = z / z.norm().clamp_min(1e-12)
        curvature = jacobian @ jacobian.T / len(target) + prior_weight * radial[:, None] * radial
        slope = jacobian @ (image[0] - target) / len(target) + prior_weight * (z.norm() - shell_radius(dim)) * radial
        damped = [curvature + damping * curvature.diagonal().mean() * eye for damping in DAMPINGS]
        steps, _ = torch.linalg.solve_ex(torch.stack(damped), slope.expand(len(DAMPINGS), dim))
        errors, images = objective(decode, z - steps, target, prior_weight)
        errors = errors.nan_to_num(torch.inf)
        best = int(errors.argmin())
        gain = float(1 - errors[best] / error[0])
        if not gain > 0:
            break
        z, error, image = z - steps[best], errors[best, None], images[best, None]
        if gain < MIN_GAIN:
            break
    return z


def shell_radius(dim: int) -> float:
    """The most probable length of standard normal noise of `dim` dimensions."""
    return float((dim - 1) ** 0.5)


def shell_distance(z: Tensor) -> Tensor:
    """(|z| - sqrt(D - 1))^2 for z (N, D): (N,).

    To second order this is the negative log-density of the length of standard normal noise (the chi distribution) in
    nats, relative to its mode: 0.5 on average for noise of any D.
    """
    return (z.norm(dim=1) - shell_radius(z.shape[1])).square()


def objective(
    decode: Callable[[Tensor], Tensor], z: Tensor, target: Tensor, prior_weight: float
) -> tuple[Tensor, Tensor]:
    """For z (N, D) and target (values,): mean squared error plus the pull towards the shell (N,), and the images
    (N, values)."""
    x = decode(z).flatten(1)
    return (x - target).square().mean(1) + prior_weight * shell_distance(z), x
