"""Convolutional autoencoder (Hinton & Salakhutdinov 2006, doi:10.1126/science.1127647, with strided convolutions).

The training loop is `gentool.models.reconstruction.train_autoencoder`.
"""

from dataclasses import dataclass

from gentool.data.images import ImageData
from gentool.engine.options import TrainOptions
from gentool.engine.run import Run
from gentool.models.backbone import BackboneOptions, decoder, encoder
from gentool.models.reconstruction import Autoencoder, ReconstructionOptions, train_autoencoder
from gentool.networks.layers import Shape
from gentool.options import redefault


@dataclass(frozen=True, kw_only=True)
class Options(ReconstructionOptions, BackboneOptions):
    """The options of `gentool train cae`. Defaults of the first base class come first."""

    batch_size: int | None = redefault(BackboneOptions, "batch_size", None)  # type: ignore[assignment]
    lr: float = redefault(TrainOptions, "lr", 2e-3)


def build(options: Options, shape: Shape, classes: int) -> Autoencoder:
    """The network that model.pt holds."""
    return Autoencoder(encoder(options, shape, options.latent_dim), decoder(options, shape), options.latent_dim)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Minimise the reconstruction error."""
    train_autoencoder(options, run.place(build(options, data.shape, len(data.classes))), data, run)
