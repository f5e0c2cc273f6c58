"""Bounds on the likelihood of held-out images under a VAE: the ELBO, and the tighter importance-weighted bound."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gentool.engine.randomness import indexed_uniform, rng
from gentool.latent.model import Model
from gentool.metrics.elbo import bernoulli_nll, gaussian_kl, importance_log_weights, reparameterize, sampled_kl
from gentool.progress import SILENT, Reporter

Binarisation = Literal["means", "static", "threshold"]
VALUES_AT_ONCE = 2**20
"""Pixel values, or distances from components, of one pass.

On a CPU, tensors of this size stay in the caches, and in memory that the process keeps: 2**24 takes twice as long.
"""
IMAGES_AT_ONCE = 256


@dataclass(frozen=True)
class Bounds:
    """Nats per image: the terms of the negative ELBO from one sample of z (N,), and the negative importance-weighted
    bound of the first images (M,), under the prior of the training: N(0, I), or the learnt one."""

    reconstruction: Tensor
    kl: Tensor
    negative_bound: Tensor

    @property
    def negative_elbo(self) -> Tensor:
        """Reconstruction plus KL."""
        return self.reconstruction + self.kl


def binarised(images: Tensor, how: Binarisation, first: int = 0) -> Tensor:
    """uint8 images (N, C, H, W), from number `first` of a set on -> floats in [0, 1].

    `means`: the grey values as means of Bernoulli pixels; their cross-entropy is no likelihood. `static`: one fixed
    Bernoulli draw of them. `threshold`: whether they are above a half.
    """
    x = images.float() / 255
    if how == "static":
        numbers = torch.arange(first, first + len(x))
        return (indexed_uniform("binarise", numbers, x.shape[1:]) < x).float()
    return (x > 0.5).float() if how == "threshold" else x


@torch.no_grad()
def bounds(
    model: Model,
    images: Tensor,
    how: Binarisation,
    k: int,
    count: int,
    seed: int = 0,
    *,
    labels: Tensor | None = None,
    reporter: Reporter = SILENT,
) -> Bounds:
    """The bounds of uint8 images (N, C, H, W), binarised; that of K samples for the first `count` of them.

    A conditional model needs the labels (N,): the bounds are of log p(x | y).
    """
    reconstruction, kl = torch.empty(len(images)), torch.empty(len(images))
    tighter = torch.empty(count, dtype=torch.float64)
    for number, some in enumerate(images.split(IMAGES_AT_ONCE)):
        rows = slice(number * IMAGES_AT_ONCE, number * IMAGES_AT_ONCE + len(some))
        part = binarised(some, how, number * IMAGES_AT_ONCE).to(model.device)
        own = None if labels is None else labels[rows]
        mean, logvar = model.posterior(part, own)
        noise = torch.randn(mean.shape, generator=rng(seed, "elbo", number)).to(model.device)
        z = reparameterize(mean, logvar, noise)
        reconstruction[rows] = bernoulli_nll(model.logits(z, own), part).cpu()
        if model.density is None:
            kl[rows] = gaussian_kl(mean, logvar).sum(1).cpu()
        else:
            kl[rows] = sampled_kl(noise, logvar, model.log_prior(z, own)).cpu()
    step = max(1, VALUES_AT_ONCE // (k * values_of_a_code(model, images)))
    for start in range(0, count, step):
        part = binarised(images[start : min(start + step, count)], how, start).to(model.device)
        tighter[start : start + step] = importance_bound(
            model,
            part,
            k,
            rng(seed, "importance", start),
            None if labels is None else labels[start : start + len(part)],
        )
        reporter.progress("importance-weighted bound", start + len(part), count)
    return Bounds(reconstruction, kl, -tighter)


def values_of_a_code(model: Model, images: Tensor) -> int:
    """The numbers that a code takes: the pixel values of its image, or its distances from the components of a learnt
    prior where these are more."""
    pixels = images[0].numel()
    return pixels if model.prior is None else max(pixels, model.prior.components)


def importance_bound(model: Model, x: Tensor, k: int, random: torch.Generator, labels: Tensor | None = None) -> Tensor:
    """The importance-weighted bound of K samples on log p(x), nats (N,) in float64, of images x (N, C, H, W).

    The K samples of an image are decoded in one pass where they fit in memory, else in parts.
    """
    mean, logvar = model.posterior(x, labels)
    pixels = x[0].numel()
    at_once = max(1, min(k, VALUES_AT_ONCE // (len(x) * values_of_a_code(model, x))))
    total = torch.full((len(x),), -torch.inf, dtype=torch.float64)  # on the CPU: mps has no float64
    for start in range(0, k, at_once):
        count = min(at_once, k - start)
        noise = torch.randn((len(x), count, mean.shape[1]), generator=random).to(x.device)
        z = reparameterize(mean[:, None], logvar[:, None], noise)
        repeated = None if labels is None else labels.repeat_interleave(count)
        logits = model.logits(z.flatten(0, 1), repeated).reshape(len(x), count, pixels)
        log_prior = None if model.density is None else model.log_prior(z, labels)
        weights = importance_log_weights(logits, x.flatten(1), z, noise, logvar, log_prior=log_prior).cpu().double()
        total = torch.logaddexp(total, weights.logsumexp(1))
    return total - torch.tensor(k, dtype=torch.float64).log()
