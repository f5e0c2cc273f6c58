"""Images changed at random.

`DiffAugment` is differentiable, for what a discriminator sees (Zhao et al. 2020, arXiv:2006.10738); `mirror` and
`reframe` are for the training images themselves.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

POLICIES = ("flip", "color", "translation", "cutout")
NONE = "none"


def policies(text: str) -> tuple[str, ...]:
    """The names in a comma-separated text; `none` is no name, `auto` is one only to GANs, alone.

    Raises ValueError for an unknown one.
    """
    names = () if text == NONE else tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in POLICIES:
            raise ValueError(f"expected auto, {NONE}, or some of {','.join(POLICIES)}")
    return names


def mirror(x: Tensor, chance: Tensor) -> Tensor:
    """Images (N, C, H, W), mirrored left-right where a number (N, 1, 1, 1) in [0, 1) is below a half."""
    return torch.where(chance < 0.5, x.flip(3), x)


def reframe(x: Tensor, reach: float, numbers: Tensor) -> Tensor:
    """Images (N, C, H, W), each zoomed by a factor in 1 - reach .. 1 + reach and shifted by up to reach / 2 of a side,
    as numbers (3, N) in [0, 1) say.

    Values between pixels are bilinear; what comes in from outside repeats the edge.
    """
    zoom, right, down = (numbers * 2 - 1) * reach
    zero = torch.zeros_like(zoom)
    frame = torch.stack([1 + zoom, zero, right, zero, 1 + zoom, down], dim=1).reshape(-1, 2, 3)
    grid = F.affine_grid(frame, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


@dataclass(frozen=True)
class DiffAugment:
    """Random changes of images in [-1, 1], by name, in this order. Gradients flow through them.

    flip: left-right, half of the images. color: brightness +-0.5, saturation times 0..2, contrast times 0.5..1.5; an
    alpha channel stays. translation: up to an eighth of a side, zeros moved in. cutout: a square of half the side set
    to zero.
    """

    names: tuple[str, ...]

    def draw(self, shape: torch.Size, generator: torch.Generator, device: torch.device) -> list[Tensor]:
        """The random numbers for one batch of images (N, C, H, W)."""
        numbers: list[Tensor] = []
        count, _, height, width = shape
        for name in self.names:
            if name in ("flip", "color"):
                numbers += [_uniform(shape, generator, device) for _ in range(1 if name == "flip" else 3)]
                continue
            for size in (height, width):
                reach = max(1, size // 8)
                low, high = (-reach, reach + 1) if name == "translation" else (0, size + 1)
                numbers.append(torch.randint(low, high, (count, 1), generator=generator, device=device))
        return numbers

    def __call__(self, x: Tensor, numbers: list[Tensor]) -> Tensor:
        """Images (N, C, H, W), changed as the numbers of `draw` say."""
        rest = iter(numbers)
        for name in self.names:
            if name == "flip":
                x = mirror(x, next(rest))
            elif name == "color":
                x = _color(x, next(rest), next(rest), next(rest))
            else:
                x = (_translation if name == "translation" else _cutout)(x, next(rest), next(rest))
        return x


def _uniform(shape: torch.Size, generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.rand((shape[0], 1, 1, 1), generator=generator, device=device)


def _color(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    if x.shape[1] == 4:  # an alpha channel is no colour
        return torch.cat([_color(x[:, :3], brightness, saturation, contrast), x[:, 3:]], dim=1)
    x = x + (brightness - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (saturation * 2) + grey
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - middle) * (contrast + 0.5) + middle


def _inside(positions: Tensor, size: int) -> Tensor:
    return (positions >= 0) & (positions < size)


def _translation(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    n, _, height, width = x.shape
    rows = torch.arange(height, device=x.device) + down
    columns = torch.arange(width, device=x.device) + right
    image = torch.arange(n, device=x.device)[:, None, None]
    moved = x.permute(0, 2, 3, 1)[image, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]]
    inside = _inside(rows, height)[:, :, None] & _inside(columns, width)[:, None, :]
    return (moved * inside[..., None]).permute(0, 3, 1, 2)


def _cutout(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    n, _, height, width = x.shape
    hidden = torch.ones((n, height, width), dtype=torch.bool, device=x.device)
    for axis, size, middle in ((1, height, row), (2, width, column)):
        near = (torch.arange(size, device=x.device) - middle + 0.5).abs() < size / 4
        hidden &= near.unsqueeze(3 - axis)
    return x * ~hidden.unsqueeze(1)
