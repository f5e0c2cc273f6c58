"""Conditional GAN (Mirza & Osindero 2014, arXiv:1411.1784), with a projection discriminator (Miyato & Koyama 2018,
arXiv:1802.05637).

The training loop is `gentool.models.adversarial.play`, here with the class labels.
"""

from dataclasses import dataclass
from typing import Literal

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.errors import DataError
from gentool.models import adversarial
from gentool.models.adversarial import GAN, AdversarialOptions, play
from gentool.networks.layers import Shape
from gentool.options import redefault


@dataclass(frozen=True, kw_only=True)
class Options(AdversarialOptions):
    """The options of `gentool train cgan`."""

    width: int = redefault(AdversarialOptions, "width", 128)
    norm: Literal["auto", "batch", "spectral", "none"] = redefault(AdversarialOptions, "norm", "batch")
    lr: float = redefault(AdversarialOptions, "lr", 2e-4)


def build(options: Options, shape: Shape, classes: int) -> GAN:
    """The network that model.pt holds."""
    return adversarial.build(options, shape, classes)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Play the game with labels. Raises DataError when the images have none."""
    if not data.labelled:
        raise DataError(f"{data.name}: has no labels, and cgan needs them; train gan, or sort the images into a folder "
                        "per class")  # fmt: skip
    play(options, data, run, classes=len(data.classes))
