"""The evidence lower bound and its terms (Kingma & Welling 2013, arXiv:1312.6114)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x | z) of independent Bernoulli pixels, nats per image (N,).

    `logits` and `x` are (N, ...), x in [0, 1]; a grey value counts as the mean of a pixel that is on or off, so the
    result is the cross-entropy, not a density.
    """
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, I)) per latent dimension, nats (N, D) (appendix B of the paper)."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar)


def negative_elbo(logits: Tensor, x: Tensor, mean: Tensor, logvar: Tensor, beta: float = 1.0) -> dict[str, Tensor]:
    """The loss of a beta-VAE (Higgins et al. 2017), means over the batch in nats per image.

    `loss` is reconstruction + beta * kl; `negative_elbo` is the same with beta 1, whatever beta is.
    """
    # Summed in one kernel: the mean of `bernoulli_nll`, without a tensor of every pixel's share.
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
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
