"""Variational autoencoder (Kingma & Welling 2013, arXiv:1312.6114), beta-VAE with --beta (Higgins et al. 2017)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gentool.data.images import ImageData, Split
from gentool.engine.ema import EMA
from gentool.engine.run import Run
from gentool.figures.grids import grid, labelled_rows
from gentool.metrics.diversity import Moments, relative_spread
from gentool.metrics.elbo import ACTIVE, negative_elbo, reparameterize
from gentool.models import variety
from gentool.networks.autoencoder import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder
from gentool.options import Schedule, TrainOptions, numbers, option, redefault

CLIP = 0.5
"""The gradient's norm is clipped to so many nats for each pixel: rare on digits, needed on photographs."""


@dataclass(frozen=True, kw_only=True)
class Options(variety.Options):
    """The VAE's flags."""

    arch: Literal["conv", "mlp"] = option("conv", "Strided convolutions, or fully connected layers.")
    latent_dim: int = option(32, "Size of the latent vector.", min=1, max=4096)
    channels: str = option("32,64,128,128", "Filters of the stride-2 convolutions (conv).", parse=numbers)
    kernel_size: Literal[3, 4, 5] = option(4, "Side of their kernels (conv).")
    hidden: str = option("512,512", "Units of the hidden layers (mlp); 400 is one layer.", parse=numbers)
    beta: float | None = option(
        None,
        "Weight of the KL term. (default: 1, which makes the loss the ELBO; for images of more than 1,024 pixel values "
        "their number / 1,024, such as 12 for 64x64 in colour)",
        min=0,
        max=1000,
    )
    kl_warmup: float = option(5.0, "Epochs in which that weight rises from 0.", min=0)
    lr: float = redefault(TrainOptions, "lr", 2e-3)
    schedule: Schedule = redefault(TrainOptions, "schedule", "onecycle")
    ema: float = redefault(TrainOptions, "ema", 0.999)


def kl_weight(options: Options, shape: tuple[int, int, int]) -> float:
    """What --beta is when it is not given.

    The reconstruction grows with the number of pixel values and the KL does not: with a weight of 1, large images fill
    the latent space with small islands, and samples between them look like nothing. Higgins et al. (2017) so compare
    beta across sizes by beta * D / (C * H * W).
    """
    return max(1.0, math.prod(shape) / 1024) if options.beta is None else options.beta


class VAE(nn.Module):
    """q(z | x) = N(mean, exp(logvar)) and p(x | z) = Bernoulli(sigmoid(logits))."""

    gaussian_prior = True
    """Codes are drawn from N(0, I)."""

    def __init__(self, options: Options, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.latent_dim = options.latent_dim
        if options.arch == "conv":
            channels = numbers(options.channels)
            self.encoder: nn.Module = ConvEncoder(
                shape, 2 * options.latent_dim, channels, kernel_size=options.kernel_size
            )
            self.decoder: nn.Module = ConvDecoder(shape, options.latent_dim, channels, kernel_size=options.kernel_size)
        else:
            self.encoder = MLPEncoder(shape, 2 * options.latent_dim, numbers(options.hidden))
            self.decoder = MLPDecoder(shape, options.latent_dim, numbers(options.hidden))

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (N, C, H, W) in [0, 1] and noise (N, D) -> logits (N, C, H, W), mean (N, D), logvar (N, D)."""
        mean, logvar = self.posterior(x)
        return self.decoder(reparameterize(mean, logvar, noise)), mean, logvar

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (N, C, H, W) -> mean and logvar of q(z | x), each (N, D) in f32."""
        mean, logvar = self.encoder(x).float().chunk(2, dim=1)
        return mean, logvar

    def encode(self, x: Tensor) -> Tensor:
        """The mean of q(z | x), (N, D)."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """z (N, D) -> the pixels' means (N, C, H, W) in [0, 1]."""
        return self.decoder(z).float().sigmoid()


def build(options: Options, shape: tuple[int, int, int], classes: int) -> VAE:
    """The network that model.pt holds."""
    return VAE(options, shape)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Ascend the ELBO."""
    vae = run.place(build(options, data.shape, len(data.classes)))
    optimizer = run.adam(vae, options.lr)
    ema = EMA(vae, options.ema)
    z = run.fixed_noise("samples", 64, options.latent_dim)
    shown = run.examples(10)
    run.resume(vae=vae, ema=ema, optimizer=optimizer)
    vary = variety.changes(options, data, run)

    beta = kl_weight(options, data.shape)
    warmup = options.kl_warmup * run.steps_per_epoch
    for _ in run.epochs():
        vae.train()
        for x, _ in run.batches():
            x = vary(x)
            with run.autocast():
                logits, mean, logvar = vae(x, run.noise("posterior", len(x), options.latent_dim))
            share = min(1.0, (run.step + 1) / warmup) if warmup else 1.0
            losses = negative_elbo(logits.float(), x, mean, logvar, beta * share)
            run.descend(optimizer, losses["loss"], clip=CLIP * x[0].numel())
            ema.update()
            run.record(losses)
        network = ema.network.eval()
        run.record_validation(evaluate(network, data.validation, options, run))
        if run.pictures_due:
            with torch.no_grad():
                run.save_picture("samples", grid(network.decode(z)))
                stack = torch.cat([shown, network.decode(network.encode(shown))])
                run.save_picture("reconstructions", labelled_rows(stack, ["original", "rebuilt"]))
        run.save(network)
    run.finish(evaluate(ema.network.eval(), data.test, options, run))


@torch.no_grad()
def evaluate(vae: VAE, split: Split, options: Options, run: Run) -> dict[str, float]:
    """The negative ELBO and its terms over a split in nats per image, one sample of z for each image, in f32; the units
    that are active, and the diversity of the reconstructions."""
    totals: dict[str, float] = {}
    codes, rebuilt, real = Moments(), Moments(), Moments()
    noise = run.fixed_noise(f"evaluation of {len(split)}", len(split), options.latent_dim)
    seen = 0
    for x, _ in run.in_order(split):
        logits, mean, logvar = vae(x, noise[seen : seen + len(x)])
        terms = negative_elbo(logits, x, mean, logvar)
        for kept, values in ((codes, mean), (rebuilt, logits.sigmoid()), (real, x)):
            kept.add(values)
        for name in ("negative_elbo", "reconstruction", "kl"):
            totals[name] = totals.get(name, 0.0) + terms[name].item() * len(x)
        seen += len(x)
    if seen:
        totals["active_units"] = seen * (codes.variance > ACTIVE).sum().item()
        totals["diversity"] = seen * relative_spread(rebuilt.variance, real.variance).item()
    return {name: total / seen for name, total in totals.items()}
