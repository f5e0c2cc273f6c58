"""Training images mirrored, zoomed and shifted at random, which keeps a model from memorising a few photographs.

These are the options of all models of images; their loops pass each batch through what `augmentation` returns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gentool.data.catalog import CATALOG
from gentool.data.images import FEW, ImageData
from gentool.engine.options import TrainOptions
from gentool.engine.run import Run
from gentool.networks.augment import mirror, reframe
from gentool.options import option

PHOTOGRAPHIC = ", ".join(entry.name for entry in CATALOG.values() if entry.photographic)
ZOOM = 0.1
"""The default --zoom of autoencoders on few photographs."""


@dataclass(frozen=True, kw_only=True)
class AugmentationOptions(TrainOptions):
    """The options of all models of images."""

    default_zoom: ClassVar[float] = ZOOM
    """The default --zoom on few photographs."""

    flip: bool | None = option(
        None,
        "Mirror a random half of the training images left-right.",
        default_text=f"yes for {PHOTOGRAPHIC}, no for other data",
    )
    zoom: float | None = option(
        None,
        "Zoom and shift each training image at random by up to this share of its size, repeating edges; 0: never.",
        min=0,
        max=0.5,
        default_text=f"{ZOOM:g} on fewer than {FEW:,} photographs ({PHOTOGRAPHIC}), else 0",
    )

    def flips(self, data: ImageData) -> bool:
        """What --flip says, or its default for the data."""
        return data.photographic if self.flip is None else self.flip

    def zooms(self, data: ImageData) -> float:
        """What --zoom says, or its default for the data."""
        default = self.default_zoom if data.photographic and data.few else 0.0
        return default if self.zoom is None else self.zoom

    def resolved(self, data: ImageData) -> dict[str, Any]:  # type: ignore[override]
        """The values in force of options that leave the choice to gentool, for this data."""
        return super().resolved(data) | {"flip": self.flips(data), "zoom": self.zooms(data)}


def augmentation(options: AugmentationOptions, data: ImageData, run: Run) -> Callable[[Tensor], Tensor]:
    """A function that augments a batch of training images (N, C, H, W) in [0, 1]. The run announces what it does."""
    flip, zoom = options.flips(data), options.zooms(data)
    changes = ["mirrored"] * flip + [f"zoomed by up to {zoom:g}"] * (zoom > 0)
    if changes:
        run.journal.notice(f"training images are {' and '.join(changes)} at random")

    def augment(x: Tensor) -> Tensor:
        x = mirror(x, run.uniform("flip", 1, 1, 1)) if flip else x
        if zoom:
            numbers = torch.rand((3, run.rows), generator=run.rng("zoom"), device=run.device)
            x = reframe(x, zoom, run.own(numbers, dim=1))
        return x

    return augment
