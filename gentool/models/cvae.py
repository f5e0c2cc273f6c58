"""Conditional VAE (Sohn et al. 2015): the class stands beside the code, which holds what the class leaves open.

The network and the training loop are those of `gentool.models.variational`, here with the class labels. The encoder
does not see the label, so that it also encodes pictures without one; the prior of the code is N(0, I) for every class.
"""

from dataclasses import dataclass

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.errors import DataError
from gentool.models.variational import VAE, VariationalOptions, maximise
from gentool.networks.layers import Shape


@dataclass(frozen=True, kw_only=True)
class Options(VariationalOptions):
    """The options of `gentool train cvae`."""


def build(options: Options, shape: Shape, classes: int) -> VAE:
    """The network that model.pt holds."""
    return VAE(options, shape, classes)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Maximise the ELBO given the labels. Raises DataError when the images have none."""
    if not data.labelled:
        raise DataError(f"{data.name}: has no labels, and cvae needs them; train vae, or sort the images into a folder "
                        "per class")  # fmt: skip
    maximise(options, data, run, classes=len(data.classes))
