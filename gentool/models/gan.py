"""DCGAN: a generative adversarial network (Goodfellow et al. 2014, arXiv:1406.2661) of convolutions.

The networks are those of Radford et al. (2015, arXiv:1511.06434).

The loop is `gentool.models.adversarial.play`, here without labels.
"""

from dataclasses import dataclass

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.models import adversarial


@dataclass(frozen=True, kw_only=True)
class Options(adversarial.Options):
    """The GAN's flags."""


def build(options: Options, shape: tuple[int, int, int], classes: int) -> adversarial.GAN:
    """The network that model.pt holds; it has no use for classes."""
    return adversarial.build(options, shape, 0)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Play the game without labels."""
    adversarial.play(options, data, run, classes=0)
