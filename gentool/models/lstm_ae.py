"""LSTM autoencoder over the rows of an image (Srivastava, Mansimov & Salakhutdinov 2015, arXiv:1502.04681).

The training loop is `gentool.models.reconstruction.train_autoencoder`.
"""

from dataclasses import dataclass
from typing import ClassVar

from gentool.data.images import ImageData
from gentool.engine.options import TrainOptions
from gentool.engine.run import Run
from gentool.models.reconstruction import Autoencoder, ReconstructionOptions, train_autoencoder
from gentool.networks.recurrent import LSTMDecoder, LSTMEncoder
from gentool.options import option, redefault


@dataclass(frozen=True, kw_only=True)
class Options(ReconstructionOptions):
    """The options of `gentool train lstm-ae`."""

    updates: ClassVar[int] = 10_000

    latent_dim: int = redefault(ReconstructionOptions, "latent_dim", 128)
    hidden: int = option(128, "Units of each LSTM layer.", min=1, max=4096)
    layers: int = option(2, "LSTM layers of the encoder, and of the decoder.", min=1, max=16)
    clip: float = option(0.1, "Clip the norm of the gradients to this value; 0: never.", min=0)
    batch_size: int = redefault(TrainOptions, "batch_size", 256)
    lr: float = redefault(TrainOptions, "lr", 6e-3)


def build(options: Options, shape: tuple[int, int, int], classes: int) -> Autoencoder:
    """The network that model.pt holds."""
    sizes = (options.latent_dim, options.hidden, options.layers)
    return Autoencoder(LSTMEncoder(shape, *sizes), LSTMDecoder(shape, *sizes), options.latent_dim)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Minimise the reconstruction error."""
    network = run.place(build(options, data.shape, len(data.classes)))
    train_autoencoder(options, network, data, run, clip=options.clip)
