"""Samples of a trained model, and the pictures made of them."""

import torch
from torch import Tensor

from gentool.engine.randomness import indexed_noise
from gentool.errors import OptionError
from gentool.latent.trained import Trained

CHUNK = 64
"""Samples are always computed so many at a time, each in the place that its number gives it: sample i is so the same
to the last bit however many are asked for."""


@torch.inference_mode()
def sample(trained: Trained, count: int, seed: int, labels: Tensor | None = None, start: int = 0) -> Tensor:
    """Samples start .. start + count - 1, (count, C, H, W) in [0, 1] on the CPU; sample i depends on (seed, i) alone.

    `labels` (count,) chooses the classes of a conditional model.
    """
    network, device = trained.network, trained.device
    pictures = []
    for first in range(start // CHUNK * CHUNK, start + count, CHUNK):
        z = indexed_noise(seed, first, CHUNK, network.latent_dim).to(device)
        if labels is None:
            chunk = network.decode(z)
        else:
            index = (torch.arange(first, first + CHUNK) - start).clamp(0, count - 1)
            chunk = network.decode(z, labels[index].to(device))
        pictures.append(chunk[max(start - first, 0) : start + count - first].cpu())
    return torch.cat(pictures)


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
