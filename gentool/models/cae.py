"""Convolutional autoencoder (Hinton & Salakhutdinov 2006, doi:10.1126/science.1127647, with strided convolutions).

The loop is `gentool.models.reconstruction.descend`.
"""

from dataclasses import dataclass
from typing import Literal

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.models import reconstruction
from gentool.models.reconstruction import Autoencoder
from gentool.networks.autoencoder import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder
from gentool.options import TrainOptions, numbers, option, redefault


@dataclass(frozen=True, kw_only=True)
class Options(reconstruction.Options):
    """The autoencoder's flags."""

    arch: Literal["conv", "mlp"] = option("conv", "Strided convolutions, or fully connected layers.")
    channels: str = option("32,64,128,128", "Filters of the stride-2 convolutions (conv).", parse=numbers)
    kernel_size: Literal[3, 4, 5] = option(4, "Side of their kernels (conv).")
    hidden: str = option("512,512", "Units of the hidden layers (mlp); 400 is one layer.", parse=numbers)
    lr: float = redefault(TrainOptions, "lr", 2e-3)


def build(options: Options, shape: tuple[int, int, int], classes: int) -> Autoencoder:
    """The network that model.pt holds."""
    latent_dim = options.latent_dim
    if options.arch == "mlp":
        hidden = numbers(options.hidden)
        return Autoencoder(MLPEncoder(shape, latent_dim, hidden), MLPDecoder(shape, latent_dim, hidden), latent_dim)
    channels, kernel_size = numbers(options.channels), options.kernel_size
    encoder = ConvEncoder(shape, latent_dim, channels, kernel_size=kernel_size)
    return Autoencoder(encoder, ConvDecoder(shape, latent_dim, channels, kernel_size=kernel_size), latent_dim)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Descend the reconstruction error."""
    reconstruction.descend(options, run.place(build(options, data.shape, len(data.classes))), data, run)
