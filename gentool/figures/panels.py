"""Grids side by side, each under its name."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gentool.figures.grids import FONT_SIZE, MARGIN, Picture, grid

GAP = 14
HEAD = FONT_SIZE + 2 * MARGIN


def panels(images: Mapping[str, Tensor | NDArray[np.generic]], columns: int | None = None) -> Picture:
    """One picture of several sets of images (N, C, H, W), float in [0, 1] or uint8, in grids of the same layout.

    Raises ValueError for no set, or as `grid` does; what has fewer images leaves cells white.
    """
    if not images:
        raise ValueError("no images to show")
    most = max(map(len, images.values()))
    across = columns or math.ceil(math.sqrt(most))
    bodies = [_coloured(grid(part, across)) for part in images.values()]
    font = ImageFont.load_default(size=FONT_SIZE)
    widths = [max(body.shape[1], math.ceil(font.getlength(name))) for name, body in zip(images, bodies, strict=True)]
    sheet = Image.new("RGB", (sum(widths) + GAP * (len(bodies) - 1), HEAD + max(map(len, bodies))), "white")
    draw = ImageDraw.Draw(sheet)
    left = 0
    for name, body, width in zip(images, bodies, widths, strict=True):
        draw.text((left + width / 2, HEAD / 2), name, fill="black", font=font, anchor="mm")
        sheet.paste(Image.fromarray(body), (left + (width - body.shape[1]) // 2, HEAD))
        left += width + GAP
    return np.asarray(sheet)


def _coloured(picture: Picture) -> Picture:
    return picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
