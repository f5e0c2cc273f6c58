"""The evidence lower bound and its terms (Kingma & Welling 2013, arXiv:1312.6114)."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ACTIVE = 0.01
"""A latent dimension is active when the variance of its mean is above this (Burda et al. 2016, arXiv:1509.00519)."""


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)) of any shape, to about 1e-7.

    PyTorch computes log(1 + u) number by number on the CPU, which takes longer than the rest of a small network.
    """
    return x.relu() - x.abs().sigmoid().log() if x.device.type == "cpu" else F.softplus(x)


class _BernoulliSum(torch.autograd.Function):
    """The sum of `bernoulli_nll`, with the sigmoid of its gradient in one pass."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        return softplus(logits).sum() - (logits * x).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (grad,), (logits, x) = grads, ctx.saved_tensors
        return logits.sigmoid().sub_(x).mul_(grad), None


def bernoulli_sum(logits: Tensor, x: Tensor) -> Tensor:
    """The sum of `bernoulli_nll` over the batch, a scalar."""
    if logits.device.type == "cpu":
        return _BernoulliSum.apply(logits, x)
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x | z) of independent Bernoulli pixels, nats per image (N,).

    `logits` and `x` are (N, ...), x in [0, 1]; a grey value counts as the mean of a pixel that is on or off, so the
    result is the cross-entropy, not a density.
    """
    return (softplus(logits) - logits * x).flatten(1).sum(1)


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, I)) per latent dimension, nats (N, D) (appendix B of the paper)."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)


def negative_elbo(
    logits: Tensor, x: Tensor, mean: Tensor, logvar: Tensor, beta: float | Tensor = 1.0
) -> dict[str, Tensor]:
    """The loss of a beta-VAE (Higgins et al. 2017), means over the batch in nats per image.

    `loss` is reconstruction + beta * kl; `negative_elbo` is the same with beta 1, whatever beta is.
    """
    reconstruction = bernoulli_sum(logits, x) / len(x)
    kl = gaussian_kl(mean, logvar).sum() / len(x)
    return {
        "loss": reconstruction + beta * kl,
        "negative_elbo": reconstruction + kl,
        "reconstruction": reconstruction,
        "kl": kl,
    }


def reparameterize(mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """A sample of N(mean, exp(logvar)) through which gradients flow: mean + sd * noise (section 2.4)."""
    return torch.addcmul(mean, (0.5 * logvar).exp(), noise)


def importance_log_weights(
    logits: Tensor, x: Tensor, z: Tensor, noise: Tensor, logvar: Tensor, beta: float | Tensor = 1.0
) -> Tensor:
    """log p(x | z) + beta * (log p(z) - log q(z | x)) of z = mean + sd * noise, nats (N, K).

    The logarithm of the mean over K of their exponentials is a lower bound of log p(x), and with K = 1 the ELBO (Burda
    et al. 2016, arXiv:1509.00519, equation 8). `logits` (N, K, P) and `x` (N, P) are Bernoulli pixels; `z` and `noise`
    are (N, K, D), `logvar` (N, D).
    """
    likelihood = torch.einsum("nkp,np->nk", logits, x) - softplus(logits).sum(2)
    # Both Gaussians have the same normalising constant, and noise is z in units of the posterior.
    ratio = 0.5 * (noise.square() - z.square()).sum(2) + 0.5 * logvar.sum(1, keepdim=True)
    return likelihood + beta * ratio


def negative_importance_bound(
    logits: Tensor, x: Tensor, z: Tensor, noise: Tensor, logvar: Tensor, beta: float | Tensor = 1.0
) -> dict[str, Tensor]:
    """The loss of an importance-weighted autoencoder, means over the batch in nats per image.

    The arguments are those of `importance_log_weights`. `negative_bound` is the loss with beta 1, whatever beta is.
    """
    count = math.log(z.shape[1])
    loss = count - importance_log_weights(logits, x, z, noise, logvar, beta).logsumexp(1).mean()
    with torch.no_grad():
        bound = count - importance_log_weights(logits, x, z, noise, logvar).logsumexp(1).mean()
    return {"loss": loss, "negative_bound": bound}
