"""Samples of a trained model, and the pictures made of them."""

from collections.abc import Callable

import torch
from torch import Tensor

from gentool.engine.randomness import indexed_noise
from gentool.errors import OptionError
from gentool.latent.codes import CHUNK, decode
from gentool.latent.trained import Trained

Prior = Callable[[int, int, int], Tensor]
"""(seed, first, count) -> codes (count, D); code i is a function of the seed and first + i alone."""


def sample(
    trained: Trained, count: int, seed: int, labels: Tensor | None = None, start: int = 0, prior: Prior | None = None
) -> Tensor:
    """Samples start .. start + count - 1, (count, C, H, W) in [0, 1] on the CPU; sample i depends on (seed, i) alone.

    `labels` (count,) chooses the classes of a conditional model; `prior` draws the codes, N(0, I) when None.
    """
    # From the start of a part, so that every sample has the place in it that its number gives it.
    before = start % CHUNK
    first, number = start - before, before + count
    draw = prior or (lambda seed, first, count: indexed_noise(seed, first, count, trained.network.latent_dim))
    chosen = None if labels is None else torch.cat([labels[:1].expand(before), labels])
    return decode(trained, draw(seed, first, number), chosen)[before:]


def parse_labels(text: str, classes: tuple[str, ...]) -> list[int]:
    """Class numbers from `all`, or names or numbers with commas. Raises OptionError for one that does not exist."""
    if text == "all":
        return list(range(len(classes)))
    chosen = []
    for word in text.split(","):
        word = word.strip()
        if word in classes:
            chosen.append(classes.index(word))
        elif word.isdecimal() and int(word) < len(classes):
            chosen.append(int(word))
        else:
            raise OptionError(f"--labels: no class {word!r}; there are {', '.join(classes)}")
    return chosen


def commonest_colours(images: Tensor, count: int) -> Tensor:
    """The `count` commonest colours of uint8 images (N, C, H, W): (count or fewer, C) uint8, commonest first."""
    pixels = images.permute(0, 2, 3, 1).reshape(-1, images.shape[1]).int()
    packed = torch.zeros(len(pixels), dtype=torch.int32)
    for channel in range(images.shape[1]):
        packed = packed * 256 + pixels[:, channel]
    values, counts = packed.unique(return_counts=True)
    best = values[counts.argsort(descending=True, stable=True)[:count]]
    return torch.stack([best >> 8 * shift & 255 for shift in reversed(range(images.shape[1]))], dim=1).to(torch.uint8)


def snap(images: Tensor, palette: Tensor) -> Tensor:
    """Images (N, C, H, W) in [0, 1] with every pixel replaced by the nearest colour of a uint8 palette (K, C)."""
    colours = palette.float() / 255
    pixels = images.permute(0, 2, 3, 1)
    snapped = torch.stack(
        [colours[torch.cdist(picture.reshape(-1, colours.shape[1]), colours).argmin(1)] for picture in pixels]
    )
    return snapped.reshape(pixels.shape).permute(0, 3, 1, 2)
