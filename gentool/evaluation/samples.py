"""The samples that are judged: as many as asked for, as bytes, of the classes that the data have."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.randomness import generator
from gentool.errors import DataError
from gentool.latent.codes import CHUNK
from gentool.latent.sample import Prior, sample
from gentool.latent.trained import Trained

PART = 16 * CHUNK


@dataclass(frozen=True)
class Drawn:
    """Images uint8 (N, C, H, W), and the class (N,) that was asked for where the model is conditional."""

    images: Tensor
    labels: Tensor | None


def draw(
    trained: Trained,
    data: ImageData,
    count: int,
    seed: int,
    on_progress: Callable[[int], None] | None = None,
    prior: Prior | None = None,
) -> Drawn:
    """Samples of a model, rounded to bytes as a picture file has them.

    A conditional model is asked for classes as often as the training images have them. Raises DataError when its
    classes are others.
    """
    labels = None
    if getattr(trained.network, "classes", 0):
        if data.train.labels is None or data.classes != trained.header.classes:
            raise DataError(f"{data.name}: its classes are not those that this {trained.header.model} was trained on")
        labels = data.train.labels[shuffled(len(data.train), seed)[:count]]
    parts = []
    for start in range(0, count, PART):
        number = min(PART, count - start)
        asked = None if labels is None else labels[start : start + number]
        parts.append((sample(trained, number, seed, asked, start, prior) * 255).round().to(torch.uint8))
        if on_progress is not None:
            on_progress(start + number)
    return Drawn(torch.cat(parts), labels)


def shuffled(count: int, seed: int) -> Tensor:
    """0 .. count - 1 in an order of the seed's."""
    return torch.randperm(count, generator=generator(seed, "evaluation"))
