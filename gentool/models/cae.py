"""Convolutional autoencoder (Hinton & Salakhutdinov 2006, doi:10.1126/science.1127647, with strided convolutions)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.images import ImageData, Split
from gentool.engine.ema import EMA
from gentool.engine.run import Run
from gentool.figures.grids import grid, labelled_rows
from gentool.networks.autoencoder import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder
from gentool.options import TrainOptions, numbers, option, redefault

MEASURED = 4096
"""The latents' mean and spread are measured on so many training images."""


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """The autoencoder's flags."""

    arch: Literal["conv", "mlp"] = option("conv", "Strided convolutions, or fully connected layers.")
    loss: Literal["mse", "bce"] = option("mse", "Squared error, or cross-entropy with the pixels as means.")
    latent_dim: int = option(64, "Size of the latent vector.", min=1, max=4096)
    channels: str = option("32,64,128,128", "Filters of the stride-2 convolutions (conv).", parse=numbers)
    kernel_size: Literal[3, 4, 5] = option(4, "Side of their kernels (conv).")
    hidden: str = option("512,512", "Units of the hidden layers (mlp); 400 is one layer.", parse=numbers)
    lr: float = redefault(TrainOptions, "lr", 2e-3)
    schedule: Literal["constant", "linear", "cosine", "onecycle"] = redefault(TrainOptions, "schedule", "onecycle")
    ema: float = redefault(TrainOptions, "ema", 0.999)


class CAE(nn.Module):
    """x -> z -> logits. `latent_mean` and `latent_sd` (D,) are those of the training images' z: to sample from."""

    latent_mean: Tensor
    latent_sd: Tensor

    def __init__(self, options: Options, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.latent_dim = options.latent_dim
        if options.arch == "conv":
            channels = numbers(options.channels)
            self.encoder: nn.Module = ConvEncoder(shape, options.latent_dim, channels, kernel_size=options.kernel_size)
            self.decoder: nn.Module = ConvDecoder(shape, options.latent_dim, channels, kernel_size=options.kernel_size)
        else:
            self.encoder = MLPEncoder(shape, options.latent_dim, numbers(options.hidden))
            self.decoder = MLPDecoder(shape, options.latent_dim, numbers(options.hidden))
        self.register_buffer("latent_mean", torch.zeros(options.latent_dim))
        self.register_buffer("latent_sd", torch.ones(options.latent_dim))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) in [0, 1] -> logits (N, C, H, W)."""
        return self.decoder(self.encoder(x))

    def encode(self, x: Tensor) -> Tensor:
        """z (N, D), in units of the training latents' spread around their mean."""
        return (self.encoder(x) - self.latent_mean) / self.latent_sd

    def decode(self, z: Tensor) -> Tensor:
        """z (N, D), in those units -> pixels (N, C, H, W) in [0, 1]."""
        return self.decoder(z * self.latent_sd + self.latent_mean).float().sigmoid()


def build(options: Options, shape: tuple[int, int, int], classes: int) -> CAE:
    """The network that model.pt holds."""
    return CAE(options, shape)


def reconstruction_loss(kind: str, logits: Tensor, x: Tensor) -> dict[str, Tensor]:
    """`loss`, the mean over pixels of the squared error or of the cross-entropy in nats; `mse` beside the latter."""
    mse = F.mse_loss(logits.sigmoid(), x)
    if kind == "mse":
        return {"loss": mse}
    return {"loss": F.binary_cross_entropy_with_logits(logits, x), "mse": mse.detach()}


def train(options: Options, data: ImageData, run: Run) -> None:
    """Descend the reconstruction error."""
    cae = run.place(build(options, data.shape, len(data.classes)))
    optimizer = run.adam(cae, options.lr)
    ema = EMA(cae, options.ema)
    z = run.fixed_noise("samples", 64, options.latent_dim)
    shown = run.examples(10)
    run.resume(cae=cae, ema=ema, optimizer=optimizer)

    for _ in run.epochs():
        cae.train()
        for x, _ in run.batches():
            with run.autocast():
                logits = cae(x)
            losses = reconstruction_loss(options.loss, logits.float(), x)
            run.descend(optimizer, losses["loss"])
            ema.update()
            run.record(losses)
        network = ema.network.eval()
        measure_latents(network, data.train, run)
        run.record_validation(evaluate(network, data.validation, options, run))
        if run.pictures_due:
            with torch.no_grad():
                stack = torch.cat([shown, network.decode(network.encode(shown))])
                run.save_picture("samples", grid(network.decode(z)))
                run.save_picture("reconstructions", labelled_rows(stack, ["original", "rebuilt"]))
        run.save(network)
    run.finish(evaluate(ema.network.eval(), data.test, options, run))


@torch.no_grad()
def measure_latents(cae: CAE, split: Split, run: Run) -> None:
    """Set `latent_mean` and `latent_sd` from the first training images."""
    latents = []
    for x, _ in run.in_order(split):
        latents.append(cae.encoder(x))
        if sum(map(len, latents)) >= MEASURED:
            break
    z = torch.cat(latents)
    cae.latent_mean.copy_(z.mean(0))
    cae.latent_sd.copy_(z.std(0, correction=0).clamp_min(1e-6))


@torch.no_grad()
def evaluate(cae: CAE, split: Split, options: Options, run: Run) -> dict[str, float]:
    """The losses over a split, in f32."""
    totals: dict[str, float] = {}
    seen = 0
    for x, _ in run.in_order(split):
        for name, value in reconstruction_loss(options.loss, cae(x), x).items():
            totals[name] = totals.get(name, 0.0) + value.item() * len(x)
        seen += len(x)
    return {name: total / seen for name, total in totals.items()}
