"""The losses of the adversarial game, from logits that are positive where an image looks real.

bce: Goodfellow et al. 2014, arXiv:1406.2661, the generator's non-saturating form. hinge: Lim & Ye 2017,
arXiv:1705.02894. wgan-gp: Arjovsky et al. 2017, arXiv:1701.07875; Gulrajani et al. 2017, arXiv:1704.00028.
relativistic: Jolicoeur-Martineau 2018, arXiv:1807.00734; Huang et al. 2024, arXiv:2501.05441: each real image is
compared with a generated one, so only differences of logits matter.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Literal["bce", "hinge", "relativistic", "wgan-gp"]


def discriminator_loss(kind: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss, from logits (N,). For one that guesses, bce is log 4 and relativistic log 2."""
    if kind == "bce":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "relativistic":
        return F.softplus(fake - real).mean()
    return fake.mean() - real.mean()


def generator_loss(kind: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """The generator's loss, from logits (N,); those of real images count for relativistic only."""
    if kind == "relativistic":
        return F.softplus(real - fake).mean()
    return F.softplus(-fake).mean() if kind == "bce" else -fake.mean()


def accuracy(kind: Loss, real: Tensor, fake: Tensor) -> Tensor | None:
    """How often the discriminator is right, from logits (N,); 0.5 for guessing. None for wgan-gp: it has no threshold.

    It is right where a logit is on the right side of 0, or for relativistic where the real image of a pair has the
    larger one.
    """
    if kind == "wgan-gp":
        return None
    if kind == "relativistic":
        return (real > fake).float().mean()
    return ((real > 0).float().mean() + (fake < 0).float().mean()) / 2


def squared_gradient(discriminator: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The squared norm of the discriminator's gradient at each image, (N,): R1 is gamma / 2 times its mean over real
    images, R2 over generated ones (Mescheder et al. 2018, arXiv:1801.04406, equations 9 and 10)."""
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.float().square().flatten(1).sum(1)


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """The mean of (|gradient| - 1)^2 between real and fake images (Gulrajani et al. 2017, equation 3).

    `share` (N, 1, 1, 1) in [0, 1] says where between the two.
    """
    between = torch.lerp(real, fake.detach(), share)
    norm = (squared_gradient(discriminator, between) + 1e-12).sqrt()  # the root has no gradient at 0
    return (norm - 1).square().mean()
