"""The evidence lower bound and its terms (Kingma & Welling 2013, arXiv:1312.6114), also with a learnt prior."""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

ACTIVE = 0.01
"""A latent dimension is active when the variance of its mean is above this (Burda et al. 2016, arXiv:1509.00519)."""
LOG_2_PI = math.log(2 * math.pi)


class Mixture(NamedTuple):
    """K Gaussians in D dimensions with diagonal covariances.

    `log_weights` (K,), whose exponentials sum to 1, `means` (K, D) and `logvars` (K, D), the log-variances.
    """

    log_weights: Tensor
    means: Tensor
    logvars: Tensor

    def log_density(self, z: Tensor) -> Tensor:
        """The log-density of codes z (..., D), nats (...).

        The squared distances are a matrix product of the expanded square. Its terms are large and nearly cancel where
        variances are small, so it is in f64, but on mps, which has none.
        """
        exact = torch.float32 if z.device.type == "mps" else torch.float64
        points, means, logvars = z.to(exact), self.means.to(exact), self.logvars.to(exact)
        precisions = (-logvars).exp()
        constants = (means.square() * precisions + logvars + LOG_2_PI).sum(1)
        squares = torch.cat([points.square(), points], dim=-1)
        distances = squares @ torch.cat([precisions, -2 * means * precisions], dim=1).T + constants
        return (self.log_weights - 0.5 * distances.to(z.dtype)).logsumexp(-1)


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


def gaussian_log_density(noise: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; mean, exp(logvar)) of z = mean + sd * noise, nats (...), for noise and logvar (..., D)."""
    return -0.5 * (noise.square() + logvar + LOG_2_PI).sum(-1)


def mixture_sample(mixture: Mixture, shares: Tensor, noise: Tensor) -> Tensor:
    """Codes (N, D) of a mixture: shares (N,) in [0, 1) choose the components, noise (N, D) is standard normal."""
    ends = mixture.log_weights.double().cpu().exp().cumsum(0)
    chosen = torch.searchsorted(ends, shares.double().cpu()).clamp_max(len(ends) - 1).to(noise.device)
    return reparameterize(mixture.means[chosen], mixture.logvars[chosen], noise)


def sampled_kl(noise: Tensor, logvar: Tensor, log_prior: Tensor) -> Tensor:
    """log q(z | x) - log p(z) of z = mean + sd * noise, an unbiased estimate of the KL divergence, nats (N,).

    `noise` and `logvar` are (N, D), and `log_prior` (N,) is log p(z) of any prior.
    """
    return gaussian_log_density(noise, logvar) - log_prior


def negative_elbo(
    logits: Tensor,
    x: Tensor,
    mean: Tensor,
    logvar: Tensor,
    beta: float | Tensor = 1.0,
    *,
    sampled: Tensor | None = None,
) -> dict[str, Tensor]:
    """The loss of a beta-VAE (Higgins et al. 2017), means over the batch in nats per image.

    `loss` is reconstruction + beta * kl; `negative_elbo` is the same with beta 1, whatever beta is. The KL divergence
    is that from N(0, I), or the mean of `sampled` (N,), those of `sampled_kl`.
    """
    reconstruction = bernoulli_sum(logits, x) / len(x)
    kl = gaussian_kl(mean, logvar).sum() / len(x) if sampled is None else sampled.mean()
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
    logits: Tensor,
    x: Tensor,
    z: Tensor,
    noise: Tensor,
    logvar: Tensor,
    beta: float | Tensor = 1.0,
    *,
    log_prior: Tensor | None = None,
) -> Tensor:
    """log p(x | z) + beta * (log p(z) - log q(z | x)) of z = mean + sd * noise, nats (N, K).

    The logarithm of the mean over K of their exponentials is a lower bound of log p(x), and with K = 1 the ELBO (Burda
    et al. 2016, arXiv:1509.00519, equation 8). `logits` (N, K, P) and `x` (N, P) are Bernoulli pixels; `z` and `noise`
    are (N, K, D), `logvar` (N, D). The prior is N(0, I), or has the log-densities `log_prior` (N, K) at z.
    """
    likelihood = torch.einsum("nkp,np->nk", logits, x) - softplus(logits).sum(2)
    if log_prior is not None:
        return likelihood + beta * (log_prior - gaussian_log_density(noise, logvar[:, None]))
    # Both Gaussians have the same normalising constant, and noise is z in units of the posterior.
    ratio = 0.5 * (noise.square() - z.square()).sum(2) + 0.5 * logvar.sum(1, keepdim=True)
    return likelihood + beta * ratio


def negative_importance_bound(
    logits: Tensor,
    x: Tensor,
    z: Tensor,
    noise: Tensor,
    logvar: Tensor,
    beta: float | Tensor = 1.0,
    *,
    log_prior: Tensor | None = None,
) -> dict[str, Tensor]:
    """The loss of an importance-weighted autoencoder, means over the batch in nats per image.

    The arguments are those of `importance_log_weights`. `negative_bound` is the loss with beta 1, whatever beta is.
    """
    count = math.log(z.shape[1])
    loss = count - importance_log_weights(logits, x, z, noise, logvar, beta, log_prior=log_prior).logsumexp(1).mean()
    with torch.no_grad():
        bound = count - importance_log_weights(logits, x, z, noise, logvar, log_prior=log_prior).logsumexp(1).mean()
    return {"loss": loss, "negative_bound": bound}
