"""Conditional GAN (Mirza & Osindero 2014, arXiv:1411.1784), with a projection discriminator (Miyato & Koyama 2018,
arXiv:1802.05637).

The training loop is `gentool.models.adversarial.play`, here with the class labels.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Self

from gentool.data.images import ImageData
from gentool.data.sources.faces import is_faces
from gentool.engine.run import Run
from gentool.errors import DataError
from gentool.models import adversarial
from gentool.models.adversarial import FACES, GAN, PENALISED, AdversarialOptions, play
from gentool.networks.layers import Shape
from gentool.options import redefault

LR = 2e-4
"""The default learning rate on all data but faces."""


@dataclass(frozen=True, kw_only=True)
class Options(AdversarialOptions):
    """The options of `gentool train cgan`."""

    width: int = redefault(AdversarialOptions, "width", 128)
    norm: Literal["auto", "batch", "spectral", "none"] | None = redefault(
        AdversarialOptions, "norm", None, default_text="auto for faces, relativistic, wgan-gp, else batch"
    )
    lr: float | None = redefault(AdversarialOptions, "lr", None, default_text=f"{FACES['lr']:g} for faces, else {LR:g}")

    def for_data(self, data: ImageData) -> Self:
        """On faces, the recipe of `gan`; elsewhere batch norm and a low learning rate, unless they are given.

        Losses that come with penalties leave the norm open, which is none then: batch norm would mix the images that a
        penalty takes one by one.
        """
        recipe: dict[str, Any] = {"norm": "auto"} if is_faces(data.info) else {"norm": "batch", "lr": LR}
        if self.loss in PENALISED:
            del recipe["norm"]
        left_open = {name: value for name, value in recipe.items() if getattr(self, name) is None}
        return super(Options, dataclasses.replace(self, **left_open)).for_data(data)


def build(options: Options, shape: Shape, classes: int) -> GAN:
    """The network that model.pt holds."""
    return adversarial.build(options, shape, classes)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Play the game with labels. Raises DataError when the images have none."""
    if not data.labelled:
        raise DataError(f"{data.name}: has no labels, and cgan needs them; train gan, or sort the images into a folder "
                        "per class")  # fmt: skip
    play(options, data, run, classes=len(data.classes))
