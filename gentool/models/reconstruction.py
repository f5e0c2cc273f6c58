"""What cae and lstm-ae share: an autoencoder around any encoder and decoder, its loss and its one loop."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.images import ImageData, Split
from gentool.engine.ema import EMA
from gentool.engine.run import Run
from gentool.figures.grids import grid, labelled_rows
from gentool.metrics.diversity import Moments, relative_spread
from gentool.models import variety
from gentool.networks.pixels import Standardise, glance
from gentool.options import Schedule, TrainOptions, option, redefault

MEASURED = 4096
"""The latents' mean and spread are measured on so many training images."""


@dataclass(frozen=True, kw_only=True)
class Options(variety.Options):
    """The flags of cae and lstm-ae."""

    loss: Literal["mse", "bce"] = option("mse", "Squared error, or cross-entropy with the pixels as means.")
    latent_dim: int = option(64, "Size of the latent vector.", min=1, max=4096)
    schedule: Schedule = redefault(TrainOptions, "schedule", "onecycle")
    ema: float = redefault(TrainOptions, "ema", 0.999)


class Autoencoder(nn.Module):
    """x -> z -> logits. `latent_mean` and `latent_sd` (D,) are those of the training images' z: to sample from."""

    latent_mean: Tensor
    latent_sd: Tensor

    def __init__(self, encoder: nn.Module, decoder: nn.Module, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.standardise = Standardise()
        self.encoder = encoder
        self.decoder = decoder
        self.register_buffer("latent_mean", torch.zeros(latent_dim))
        self.register_buffer("latent_sd", torch.ones(latent_dim))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) in [0, 1] -> logits (N, C, H, W)."""
        return self.decoder(self.encoder(self.standardise(x)))

    def start_at(self, x: Tensor) -> None:
        """Read pixels around those of images x (N, C, H, W) in [0, 1], and begin with rebuilding their mean."""
        self.standardise.fit(x)
        self.decoder.start_at(x)  # type: ignore[operator]

    def encode(self, x: Tensor) -> Tensor:
        """z (N, D), in units of the training latents' spread around their mean."""
        return (self.encoder(self.standardise(x)) - self.latent_mean) / self.latent_sd

    def decode(self, z: Tensor) -> Tensor:
        """z (N, D), in those units -> pixels (N, C, H, W) in [0, 1]."""
        return self.decoder(z * self.latent_sd + self.latent_mean).float().sigmoid()


def reconstruction_loss(kind: str, logits: Tensor, x: Tensor) -> dict[str, Tensor]:
    """`loss`, the mean over pixels of the squared error or of the cross-entropy in nats; `mse` beside the latter."""
    mse = F.mse_loss(logits.sigmoid(), x)
    if kind == "mse":
        return {"loss": mse}
    return {"loss": F.binary_cross_entropy_with_logits(logits, x), "mse": mse.detach()}


def descend(options: Options, network: Autoencoder, data: ImageData, run: Run, clip: float = 0.0) -> None:
    """Descend the reconstruction error of a network that `run` has placed; gradients of a larger norm are clipped."""
    network.start_at(glance(data.train.images).to(run.device))
    optimizer = run.adam(network, options.lr)
    ema = EMA(network, options.ema)
    z = run.fixed_noise("samples", 64, options.latent_dim)
    shown = run.examples(10)
    run.resume(network=network, ema=ema, optimizer=optimizer)
    vary = variety.changes(options, data, run)

    for _ in run.epochs():
        network.train()
        for x, _ in run.batches():
            x = vary(x)
            with run.autocast():
                logits = network(x)
            losses = reconstruction_loss(options.loss, logits.float(), x)
            run.descend(optimizer, losses["loss"], clip=clip)
            ema.update()
            run.record(losses)
        average = ema.network.eval()
        measure_latents(average, data.train, run)
        run.record_validation(evaluate(average, data.validation, options, run))
        if run.pictures_due:
            with torch.no_grad():
                stack = torch.cat([shown, average.decode(average.encode(shown))])
                run.save_picture("samples", grid(average.decode(z)))
                run.save_picture("reconstructions", labelled_rows(stack, ["original", "rebuilt"]))
        run.save(average)
    run.finish(evaluate(ema.network.eval(), data.test, options, run))


@torch.no_grad()
def measure_latents(network: Autoencoder, split: Split, run: Run) -> None:
    """Set `latent_mean` and `latent_sd` from the first training images."""
    latents = []
    for x, _ in run.in_order(split):
        latents.append(network.encoder(network.standardise(x)))
        if sum(map(len, latents)) >= MEASURED:
            break
    z = torch.cat(latents)
    network.latent_mean.copy_(z.mean(0))
    network.latent_sd.copy_(z.std(0, correction=0).clamp_min(1e-6))


@torch.no_grad()
def evaluate(network: Autoencoder, split: Split, options: Options, run: Run) -> dict[str, float]:
    """The losses over a split, in f32, and the diversity of the reconstructions."""
    totals: dict[str, float] = {}
    rebuilt, real = Moments(), Moments()
    seen = 0
    for x, _ in run.in_order(split):
        logits = network(x)
        rebuilt.add(logits.sigmoid())
        real.add(x)
        for name, value in reconstruction_loss(options.loss, logits, x).items():
            totals[name] = totals.get(name, 0.0) + value.item() * len(x)
        seen += len(x)
    if seen:
        totals["diversity"] = seen * relative_spread(rebuilt.variance, real.variance).item()
    return {name: total / seen for name, total in totals.items()}
