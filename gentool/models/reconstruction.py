"""What cae and lstm-ae share: an autoencoder around any encoder and decoder, its loss, and the training loop."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.images import ImageData, Split
from gentool.engine.alarms import WARM_UP_STEPS, Alarm, Check, Row
from gentool.engine.ema import EMA
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Schedule
from gentool.engine.run import Run
from gentool.figures.grids import grid, labelled_rows
from gentool.metrics.diversity import RunningVariance, relative_spread
from gentool.metrics.elbo import bernoulli_sum
from gentool.models.augmentation import AugmentationOptions, augmentation
from gentool.networks.autoencoder import Decoder
from gentool.networks.pixels import Standardise, some_images
from gentool.options import option, redefault

WORSE = 1.1
"""Reconstructions are worse than the mean image at this many times its error."""
MEASURED_IMAGES = 4096
"""Training images on which the mean and the standard deviation of the latents are measured."""


@dataclass(frozen=True, kw_only=True)
class ReconstructionOptions(AugmentationOptions):
    """The options of cae and lstm-ae."""

    next_command: ClassVar[str] = "gentool reconstruct {model}"
    """Not `sample`: codes that are drawn from N(0, I) decode to noise."""

    loss: Literal["mse", "bce"] = option(
        "mse", "Mean squared error, or binary cross-entropy with the pixel values as targets (bce)."
    )
    latent_dim: int = option(64, "Size of the latent vector.", min=1, max=4096)
    schedule: Schedule = redefault(TrainOptions, "schedule", "onecycle")
    ema: float = redefault(TrainOptions, "ema", 0.999)


class Autoencoder(nn.Module):
    """x -> z -> logits. Codes are in units of the training latents' standard deviation around their mean."""

    classes, gaussian_prior = 0, False
    latent_mean: Tensor
    latent_sd: Tensor

    def __init__(self, encoder: nn.Module, decoder: Decoder, latent_dim: int) -> None:
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
        """Centre pixels as in images x (N, C, H, W) in [0, 1], and begin with their mean as the reconstruction."""
        self.standardise.fit(x)
        self.decoder.start_at(x)

    def encode(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) in [0, 1] -> z (N, D)."""
        return (self.encoder(self.standardise(x)) - self.latent_mean) / self.latent_sd

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, D) -> pixels (N, C, H, W) in [0, 1]. There are no labels."""
        return self.decoder(z * self.latent_sd + self.latent_mean).float().sigmoid()


def reconstruction_loss(kind: str, logits: Tensor, x: Tensor) -> dict[str, Tensor]:
    """`loss`: the mean over pixels of the squared error, or of the cross-entropy in nats, with `mse` beside it."""
    mse = F.mse_loss(logits.sigmoid(), x)
    if kind == "mse":
        return {"loss": mse}
    return {"loss": bernoulli_sum(logits, x) / x.numel(), "mse": mse.detach()}


def train_autoencoder(
    options: ReconstructionOptions, network: Autoencoder, data: ImageData, run: Run, clip: float = 0.0
) -> None:
    """Minimise the reconstruction error of a network that `run` has placed; clip the gradients' norm to `clip`."""
    network.start_at(some_images(data.train.images).to(run.device))
    optimizer = run.adam(network, options.lr)
    ema = EMA(network, options.ema)
    run.resume(network=network, ema=ema, optimizer=optimizer)
    run.watch(worse_than_the_mean("validation_mse" if options.loss == "bce" else "validation_loss", mean_error(data)))
    augment = augmentation(options, data, run)
    z, held_out = run.fixed_noise("samples", 64, options.latent_dim), run.examples(10)

    def update(x: Tensor) -> dict[str, Tensor]:
        with run.autocast():
            logits = network(x)
        losses = reconstruction_loss(options.loss, logits.float(), x)
        run.descend(optimizer, losses["loss"], clip=clip)
        return losses

    update = run.compiled(update)
    for _ in run.epochs():
        for x, _ in run.batches():
            losses = update(augment(x))
            ema.update()
            run.record(losses)
        average = ema.average()
        if run.pictures_due or run.save_due:
            measure_latents(average, data.train, run)
        run.record_validation(held_out_losses(average, data.validation, options, run))
        if run.pictures_due:
            with torch.no_grad():
                run.show("samples", grid(average.decode(z)))
                pair = torch.cat([held_out, average.decode(average.encode(held_out))])
                run.show("reconstructions", labelled_rows(pair, ["original", "rebuilt"]))
        run.save(average)
    run.finish(held_out_losses(ema.network, data.test, options, run))


def mean_error(data: ImageData) -> float:
    """The mean squared error of the mean training image on the validation images; infinity where there are none."""
    if not len(data.validation):
        return math.inf
    mean = some_images(data.train.images).mean(0)
    return (some_images(data.validation.images) - mean).square().mean().item()


def worse_than_the_mean(column: str, error: float) -> Check:
    """A check for reconstructions that are worse than the mean image, with which a training begins."""

    def check(rows: Sequence[Row]) -> Iterator[Alarm]:
        now = rows[-1].get(column, 0.0)
        if rows[-1]["step"] >= WARM_UP_STEPS and now > WORSE * error:
            yield Alarm(
                "worse_than_mean",
                f"reconstructions are worse than the mean image: their squared error is {now:.3g}, that of the mean "
                f"image {error:.3g}; try a lower --lr",
            )

    return check


@torch.no_grad()
def measure_latents(network: Autoencoder, split: Split, run: Run) -> None:
    """Set `latent_mean` and `latent_sd` from the first training images."""
    latents = []
    for x, _ in run.in_order(split):
        latents.append(network.encoder(network.standardise(x)))
        if sum(map(len, latents)) >= MEASURED_IMAGES:
            break
    z = torch.cat(latents)
    network.latent_mean.copy_(z.mean(0))
    network.latent_sd.copy_(z.std(0, correction=0).clamp_min(1e-6))


@torch.no_grad()
def held_out_losses(network: Autoencoder, split: Split, options: ReconstructionOptions, run: Run) -> dict[str, float]:
    """The losses over a split, in f32, and the diversity of the reconstructions."""
    sums: dict[str, float] = {}
    rebuilt, real = RunningVariance(), RunningVariance()
    for _, x in run.shared_out(split):
        logits = network(x)
        rebuilt.add(logits.sigmoid())
        real.add(x)
        for name, value in reconstruction_loss(options.loss, logits, x).items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(x)
    means = {name: total / len(split) for name, total in run.totals(sums, rebuilt, real).items()}
    if len(split) > 1:  # a single image does not vary
        means["diversity"] = relative_spread(rebuilt.variance, real.variance).item()
    return means
