"""The samples that are scored: as uint8 images, of the classes that the data have."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.randomness import rng
from gentool.errors import DataError
from gentool.latent.coder import DECODED
from gentool.latent.model import Model
from gentool.latent.prior import Density
from gentool.memory import joined
from gentool.progress import SILENT, Reporter

AT_ONCE = 16 * DECODED
SHOWN_CLASSES = 5


@dataclass(frozen=True)
class Samples:
    """Images uint8 (N, C, H, W), and the classes (N,) that a conditional model was asked for."""

    images: Tensor
    labels: Tensor | None


def check_classes(model: Model, data: ImageData) -> None:
    """Raises DataError for a conditional model whose classes are not those of the data."""
    if model.is_conditional and (data.train.labels is None or data.classes != model.classes):
        raise DataError(
            f"{data.name}: has {_some(data.classes)}; this {model.name} was trained on {model.header.data} with "
            f"{_some(model.classes)}"
        )


def _some(classes: tuple[str, ...]) -> str:
    """The first few classes."""
    more = ", …" if len(classes) > SHOWN_CLASSES else ""
    return f"the classes {', '.join(classes[:SHOWN_CLASSES])}{more}" if classes else "no classes"


def draw_samples(
    model: Model, data: ImageData, count: int, seed: int, *, prior: Density | None = None, reporter: Reporter = SILENT
) -> Samples:
    """Samples of a model, rounded to uint8 as in a picture file.

    A conditional model is asked for the classes as often as the training images have them. Raises DataError when its
    classes are not those of the data.
    """
    labels = None
    if model.is_conditional:
        check_classes(model, data)
        assert data.train.labels is not None
        labels = data.train.labels[shuffled(len(data.train), seed)[:count]]

    def parts() -> Iterator[Tensor]:
        for start in range(0, count, AT_ONCE):
            number = min(AT_ONCE, count - start)
            samples = model.sample(number, seed=seed, labels=labels, first=start, prior=prior)
            yield (samples * 255).round().to(torch.uint8)
            reporter.progress("drawing samples", start + number, count)

    return Samples(joined(parts(), count), labels)


def shuffled(count: int, seed: int) -> Tensor:
    """0 .. count - 1 in a random order."""
    return torch.randperm(count, generator=rng(seed, "evaluation"))
