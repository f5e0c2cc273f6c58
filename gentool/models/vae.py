"""Variational autoencoder (Kingma & Welling 2013, arXiv:1312.6114).

The network and the training loop are those of `gentool.models.variational`, here without labels.
"""

from dataclasses import dataclass

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.models.variational import VAE, VariationalOptions, maximise
from gentool.networks.layers import Shape


@dataclass(frozen=True, kw_only=True)
class Options(VariationalOptions):
    """The options of `gentool train vae`."""


def build(options: Options, shape: Shape, classes: int) -> VAE:
    """The network that model.pt holds. It has no classes."""
    return VAE(options, shape, 0)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Maximise the ELBO without labels."""
    maximise(options, data, run, classes=0)
