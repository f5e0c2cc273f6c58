"""DCGAN: a convolutional generative adversarial network (Goodfellow et al. 2014, arXiv:1406.2661).

The networks are those of Radford et al. (2015, arXiv:1511.06434). The training loop is
`gentool.models.adversarial.play`, here without labels.
"""

from dataclasses import dataclass

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.models import adversarial
from gentool.models.adversarial import GAN, AdversarialOptions, play
from gentool.networks.layers import Shape


@dataclass(frozen=True, kw_only=True)
class Options(AdversarialOptions):
    """The options of `gentool train gan`."""


def build(options: Options, shape: Shape, classes: int) -> GAN:
    """The network that model.pt holds. It has no classes."""
    return adversarial.build(options, shape, 0)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Play the game without labels."""
    play(options, data, run, classes=0)
