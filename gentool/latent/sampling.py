"""Classes to sample, palettes to snap samples to, and charts: grids of codes over the latent space."""

from collections.abc import Iterable

import torch
from torch import Tensor

from gentool.errors import OptionError

OUTERMOST = 0.02
"""Charts go from this quantile of N(0, 1) to the opposite one: from -2.05 to 2.05."""
ALL = "all"


def words(text: str) -> tuple[str, ...]:
    """Comma-separated words. Raises ValueError for an empty one."""
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise ValueError("expected names or numbers with commas, such as 3,7, or all")
    return parts


def class_numbers(labels: int | str | Iterable[int | str] | Tensor, classes: tuple[str, ...]) -> Tensor:
    """Classes by name or number, int64 (n,); `all` is every class. Raises OptionError for one that does not exist."""
    if isinstance(labels, Tensor):
        return labels.long()
    chosen: list[int] = []
    for word in [labels] if isinstance(labels, int | str) else list(labels):
        if word == ALL and ALL not in classes:
            chosen += range(len(classes))
        elif word in classes:
            chosen.append(classes.index(str(word)))
        elif str(word).isdecimal() and int(word) < len(classes):
            chosen.append(int(word))
        else:
            raise OptionError(f"--labels: no class {word!r}; there are {', '.join(classes)}")
    return torch.tensor(chosen, dtype=torch.long)


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


def normal_quantiles(count: int, outermost: float = OUTERMOST) -> Tensor:
    """`count` points of N(0, 1) with equal probability between them, from a quantile to its opposite: (count,)."""
    shares = torch.linspace(outermost, 1 - outermost, count, dtype=torch.float64)
    return torch.special.ndtri(shares).float()


def plane_codes(origin: Tensor, directions: Tensor, deviations: Tensor, side: int) -> Tensor:
    """Codes (side * side, D) on a plane through origin (D,), row by row from the top left.

    Along each of two directions (2, D) they stand at the quantiles of N(0, deviation^2), with deviations (2,). The
    first direction grows to the right and the second upwards, as in a plot (Kingma & Welling 2013, figure 4).
    """
    across, up = normal_quantiles(side) * deviations[0], normal_quantiles(side).flip(0) * deviations[1]
    return (origin + across[None, :, None] * directions[0] + up[:, None, None] * directions[1]).flatten(0, 1)


def traversal_codes(origin: Tensor, dimensions: list[int], steps: int) -> Tensor:
    """Codes (len(dimensions) * steps, D): in each row, one dimension of origin (D,) takes the quantiles of N(0, 1)."""
    codes = origin.repeat(len(dimensions), steps, 1)
    for row, dimension in enumerate(dimensions):
        codes[row, :, dimension] = normal_quantiles(steps)
    return codes.flatten(0, 1)
