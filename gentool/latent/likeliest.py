"""Which class an image belongs to, asked of a model that generates."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from gentool.engine.randomness import indexed_noise
from gentool.metrics.elbo import bernoulli_nll, gaussian_kl, sampled_kl
from gentool.metrics.flow_matching import even_times
from gentool.models.contract import Inverts
from gentool.progress import SILENT, Reporter

if TYPE_CHECKING:
    from gentool.latent.coder import Coder

Error = Callable[[Tensor, Sequence[int]], Tensor]
"""Images (N, C, H, W) and K labels -> how badly they fit, (N, K)."""
TRIES = 32
"""Pairs of a noise and a time with which a flow judges a class, the same for all images and classes."""
AT_ONCE = 64
"""Images in one pass."""


@torch.no_grad()
def likeliest_class(model: "Coder", x: Tensor, labels: Sequence[int], *, reporter: Reporter = SILENT) -> Tensor:
    """The class of each image x (N, C, H, W) in [0, 1] among `labels`: (N,).

    For a flow, the class with which it predicts the image best from noisy versions of it (Li et al. 2023,
    arXiv:2303.16203). For a variational autoencoder, the one with the largest ELBO, at the mean of the code.
    """
    errors = torch.zeros(len(x), len(labels))
    error_of = _velocity_error(model) if model.inverts else _negative_elbo(model)
    for start in range(0, len(x) if len(labels) > 1 else 0, AT_ONCE):
        part = x[start : start + AT_ONCE]
        errors[start : start + AT_ONCE] = error_of(part, labels)
        reporter.progress("images classified", start + len(part), len(x))
    return torch.tensor(labels)[errors.argmin(1)]


def _velocity_error(model: "Coder") -> Error:
    noise = indexed_noise(0, 0, TRIES, model.latent_dim).unflatten(1, model.shape).to(model.device)
    times = even_times(TRIES).to(model.device)
    network = cast(Inverts, model.network)

    def error(x: Tensor, labels: Sequence[int]) -> Tensor:
        on_device, total = x.to(model.device), torch.zeros(len(x), len(labels))
        for column, label in enumerate(labels):
            tried = torch.full((len(x),), label, device=model.device)
            for one, t in zip(noise, times, strict=True):
                total[:, column] += network.error(on_device, tried, one.expand_as(x), t.expand(len(x))).cpu()
        return total

    return error


def _negative_elbo(model: "Coder") -> Error:
    def error(x: Tensor, labels: Sequence[int]) -> Tensor:
        columns = []
        for label in labels:
            tried = torch.full((len(x),), label)
            mean, logvar = model.posterior(x, tried)
            reconstruction = bernoulli_nll(model.logits(mean.cpu(), tried).cpu(), x)
            if model.density is None:
                kl = gaussian_kl(mean, logvar).sum(1)
            else:
                kl = sampled_kl(torch.zeros_like(mean), logvar, model.log_prior(mean, tried))
            columns.append(reconstruction + kl.cpu())
        return torch.stack(columns, dim=1)

    return error
