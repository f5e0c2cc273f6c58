"""LSTM autoencoder over the rows of an image (Srivastava, Mansimov & Salakhutdinov 2015, arXiv:1502.04681).

The loop is `gentool.models.reconstruction.descend`.
"""

from dataclasses import dataclass

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.models import reconstruction
from gentool.models.reconstruction import Autoencoder
from gentool.networks.recurrent import LSTMDecoder, LSTMEncoder
from gentool.options import TrainOptions, option, redefault


@dataclass(frozen=True, kw_only=True)
class Options(reconstruction.Options):
    """The LSTM autoencoder's flags."""

    @property
    def updates(self) -> int:
        """How many updates are made by default."""
        return 10_000

    latent_dim: int = redefault(reconstruction.Options, "latent_dim", 128)
    hidden: int = option(128, "Units of each LSTM layer.", min=1, max=4096)
    layers: int = option(2, "LSTM layers of the encoder, and of the decoder.", min=1, max=16)
    clip: float = option(0.1, "Gradients with a larger norm are scaled down to this one; 0: never.", min=0)
    batch_size: int = redefault(TrainOptions, "batch_size", 256)
    lr: float = redefault(TrainOptions, "lr", 6e-3)


def build(options: Options, shape: tuple[int, int, int], classes: int) -> Autoencoder:
    """The network that model.pt holds."""
    sizes = (options.latent_dim, options.hidden, options.layers)
    return Autoencoder(LSTMEncoder(shape, *sizes), LSTMDecoder(shape, *sizes), options.latent_dim)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Descend the reconstruction error."""
    network = run.place(build(options, data.shape, len(data.classes)))
    reconstruction.descend(options, network, data, run, clip=options.clip)
