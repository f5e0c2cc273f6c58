"""Images changed at random.

`augment` is differentiable, for what a discriminator sees (Zhao et al. 2020, arXiv:2006.10738); `reframe` is for the
images themselves.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

POLICIES = ("flip", "color", "translation", "cutout")


def policies(text: str) -> tuple[str, ...]:
    """The names in a comma-separated text; `none` is no name. Raises ValueError for an unknown one."""
    names = () if text == "none" else tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in POLICIES:
            raise ValueError(f"expected none, or some of {','.join(POLICIES)}")
    return names


def augment(x: Tensor, names: tuple[str, ...], generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W) in [-1, 1], each changed at random in the ways named; gradients flow through.

    flip: left-right, half of them. color: brightness +-0.5, saturation and contrast times 0..2 and 0.5..1.5.
    translation: up to an eighth of a side, zeros moved in. cutout: a square of half the side set to zero.
    """
    for name in names:
        x = _CHANGES[name](x, generator)
    return x


def reframe(x: Tensor, reach: float, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W), each zoomed by 1 - reach .. 1 + reach and shifted by up to reach / 2 of a side.

    Between pixels it is bilinear; what comes in from outside repeats the edge.
    """
    zoom, right, down = (torch.rand((3, len(x)), generator=generator, device=x.device) * 2 - 1) * reach
    zero = torch.zeros_like(zoom)
    frame = torch.stack([1 + zoom, zero, right, zero, 1 + zoom, down], dim=1).reshape(-1, 2, 3)
    grid = F.affine_grid(frame, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _uniform(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand((len(x), 1, 1, 1), generator=generator, device=x.device)


def _flip(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.where(_uniform(x, generator) < 0.5, x.flip(3), x)


def _color(x: Tensor, generator: torch.Generator) -> Tensor:
    x = x + (_uniform(x, generator) - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (_uniform(x, generator) * 2) + grey
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - middle) * (_uniform(x, generator) + 0.5) + middle


def _inside(positions: Tensor, size: int) -> Tensor:
    return (positions >= 0) & (positions < size)


def _translation(x: Tensor, generator: torch.Generator) -> Tensor:
    n, _, height, width = x.shape
    shifts = []
    for size in (height, width):
        reach = max(1, size // 8)
        shifts.append(torch.randint(-reach, reach + 1, (n, 1), generator=generator, device=x.device))
    rows = torch.arange(height, device=x.device) + shifts[0]
    columns = torch.arange(width, device=x.device) + shifts[1]
    image = torch.arange(n, device=x.device)[:, None, None]
    moved = x.permute(0, 2, 3, 1)[image, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]]
    kept = _inside(rows, height)[:, :, None] & _inside(columns, width)[:, None, :]
    return (moved * kept[..., None]).permute(0, 3, 1, 2)


def _cutout(x: Tensor, generator: torch.Generator) -> Tensor:
    n, _, height, width = x.shape
    hidden = torch.ones((n, height, width), dtype=torch.bool, device=x.device)
    for axis, size in ((1, height), (2, width)):
        middle = torch.randint(0, size + 1, (n, 1), generator=generator, device=x.device)
        near = (torch.arange(size, device=x.device) - middle + 0.5).abs() < size / 4
        hidden &= near.unsqueeze(3 - axis)
    return x * ~hidden.unsqueeze(1)


_CHANGES = {"flip": _flip, "color": _color, "translation": _translation, "cutout": _cutout}
