"""Conditional GAN (Mirza & Osindero 2014, arXiv:1411.1784).

The discriminator is the projection kind of Miyato & Koyama (2018, arXiv:1802.05637).

The loop is `gentool.models.adversarial.play`, here with the class labels.
"""

from dataclasses import dataclass
from typing import Literal

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.errors import DataError
from gentool.models import adversarial
from gentool.options import redefault


@dataclass(frozen=True, kw_only=True)
class Options(adversarial.Options):
    """The conditional GAN's flags."""

    width: int = redefault(adversarial.Options, "width", 128)
    norm: Literal["auto", "batch", "spectral", "none"] = redefault(adversarial.Options, "norm", "batch")
    lr: float = redefault(adversarial.Options, "lr", 2e-4)


def build(options: Options, shape: tuple[int, int, int], classes: int) -> adversarial.GAN:
    """The network that model.pt holds."""
    return adversarial.build(options, shape, classes)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Play the game with labels. Raises DataError when the images have none."""
    if not data.labelled:
        raise DataError(
            f"{data.name}: has no labels, and cgan needs them; train gan, or sort the images into a folder per class"
        )
    adversarial.play(options, data, run, classes=len(data.classes))
