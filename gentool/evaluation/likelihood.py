"""How likely a VAE finds held-out images: the ELBO, and the tighter importance-weighted bound."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from gentool.engine.randomness import generator
from gentool.latent.trained import Trained
from gentool.metrics.elbo import bernoulli_nll, gaussian_kl, importance_log_weights, reparameterize

Binarisation = Literal["means", "static", "threshold"]
VALUES = 2**24
"""So many pixels are decoded at one time, which bounds memory at some hundred MiB."""
IMAGES = 256


@dataclass(frozen=True)
class Bounds:
    """Nats per image (N,): `negative_elbo` from one sample of z, its terms, and `-log` of the importance-weighted bound
    of the first of them, (M,)."""

    reconstruction: Tensor
    kl: Tensor
    negative_bound: Tensor

    @property
    def negative_elbo(self) -> Tensor:
        """Reconstruction plus KL."""
        return self.reconstruction + self.kl


def binarise(images: Tensor, how: Binarisation) -> Tensor:
    """uint8 images (N, C, H, W) -> floats in [0, 1]: `means` are the grey values as means of Bernoulli pixels (their
    cross-entropy is then no likelihood), `static` one fixed Bernoulli draw of them, `threshold` whether they are above
    a half."""
    x = images.float() / 255
    if how == "static":
        # One draw for each image, a function of its place alone.
        draws = torch.stack([torch.rand(x.shape[1:], generator=generator(0, "binarise", i)) for i in range(len(x))])
        return (draws < x).float()
    return (x > 0.5).float() if how == "threshold" else x


@torch.no_grad()
def bounds(
    trained: Trained, x: Tensor, k: int, count: int, seed: int = 0, on_progress: Callable[[int], None] | None = None
) -> Bounds:
    """The bounds of images x (N, C, H, W) in [0, 1]; the one of K samples for the first `count` of them."""
    vae, device = trained.network, trained.device
    reconstruction, kl, tighter = [], [], []
    for number, part in enumerate(x.split(IMAGES)):
        part = part.to(device)
        mean, logvar = vae.posterior(part)
        noise = torch.randn(mean.shape, generator=generator(seed, "elbo", number)).to(device)
        reconstruction.append(bernoulli_nll(vae.decoder(reparameterize(mean, logvar, noise)).float(), part).cpu())
        kl.append(gaussian_kl(mean, logvar).sum(1).cpu())
    step = max(1, VALUES // (k * x[0].numel()))
    for start in range(0, count, step):
        part = x[start : min(start + step, count)].to(device)
        tighter.append(importance_bound(vae, part, k, generator(seed, "importance", start)))
        if on_progress is not None:
            on_progress(start + len(part))
    return Bounds(torch.cat(reconstruction), torch.cat(kl), -torch.cat(tighter))


def importance_bound(vae: Any, x: Tensor, k: int, randomness: torch.Generator) -> Tensor:
    """log p(x) >= the importance-weighted bound of K samples, nats (N,) in float64, of images x (N, C, H, W).

    The K samples of an image are decoded at once where they fit in memory, else in parts.
    """
    mean, logvar = vae.posterior(x)
    pixels = x[0].numel()
    at_once = max(1, min(k, VALUES // (len(x) * pixels)))
    total = torch.full((len(x),), -torch.inf, dtype=torch.float64)  # on the CPU: mps has no float64
    for start in range(0, k, at_once):
        count = min(at_once, k - start)
        noise = torch.randn((len(x), count, mean.shape[1]), generator=randomness).to(x.device)
        z = reparameterize(mean[:, None], logvar[:, None], noise)
        logits = vae.decoder(z.flatten(0, 1)).float().reshape(len(x), count, pixels)
        weights = importance_log_weights(logits, x.flatten(1), z, noise, logvar).cpu().double()
        total = torch.logaddexp(total, weights.logsumexp(1))
    return total - torch.tensor(k, dtype=torch.float64).log()
