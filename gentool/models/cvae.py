"""Conditional VAE (Sohn et al. 2015): the class stands beside the code, which holds what the class leaves open.

The network and the training loop are those of `gentool.models.variational`, here with the class labels. The prior of
the code is N(0, I) for every class. The weight of the KL term does not rise from 0: a code that costs nothing would
hold the class, too, and the decoder would not learn to ask for it.
"""

from dataclasses import dataclass

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.errors import DataError
from gentool.models.variational import VAE, VariationalOptions, maximise
from gentool.networks.layers import Shape
from gentool.options import redefault


@dataclass(frozen=True, kw_only=True)
class Options(VariationalOptions):
    """The options of `gentool train cvae`."""

    kl_warmup: float = redefault(VariationalOptions, "kl_warmup", 0.0)


def build(options: Options, shape: Shape, classes: int) -> VAE:
    """The network that model.pt holds."""
    return VAE(options, shape, classes)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Maximise the ELBO given the labels. Raises DataError when the images have none."""
    if not data.labelled:
        raise DataError(f"{data.name}: has no labels, and cvae needs them; train vae, or sort the images into a folder "
                        "per class")  # fmt: skip
    maximise(options, data, run, build(options, data.shape, len(data.classes)))
