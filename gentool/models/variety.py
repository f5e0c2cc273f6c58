"""Training images mirrored, zoomed and shifted at random: what keeps few photographs from being learnt by heart.

What is common to the models of images: their options, and what their loops pass each batch through.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.networks.augment import augment, reframe
from gentool.options import TrainOptions, option


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """The flags of all models of images."""

    zoom_of_few: ClassVar[float] = 0.1
    """What --zoom is for few photographs when it is not given."""

    flip: bool | None = option(
        None,
        "Show a random half of the training images mirrored left-right. "
        "(default: for the photographs and paintings of cats, cifar10 and rijksmuseum, not for others)",
    )
    zoom: float | None = option(
        None,
        "Zoom and shift each training image at random by up to this share; edges are repeated; 0: never. "
        "(default: 0.1 for autoencoders on fewer than 2,000 images that are mirrored by default, else 0)",
        min=0,
        max=0.5,
    )


def changes(options: Options, data: ImageData, run: Run) -> Callable[[Tensor], Tensor]:
    """What a batch of training images (N, C, H, W) in [0, 1] is to be passed through; the run says what it does."""
    zoom = options.zoom_of_few if data.photographic and data.few else 0.0
    zoom = zoom if options.zoom is None else options.zoom
    flip = data.photographic if options.flip is None else options.flip
    said = ["mirrored"] * flip + [f"zoomed by up to {zoom:g}"] * (zoom > 0)
    if said:
        run.journal.say(f"{run.folder}: training images are {' and '.join(said)} at random")

    def vary(x: Tensor) -> Tensor:
        x = augment(x, ("flip",), run.generator("flip")) if flip else x
        return reframe(x, zoom, run.generator("zoom")) if zoom else x

    return vary
