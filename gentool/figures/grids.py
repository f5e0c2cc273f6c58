"""Many images as one picture, in straight rows and columns."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gentool.files import replacing
from gentool.memory import check_memory
from gentool.transparency import chequers, over, straight

Picture = NDArray[np.uint8]
"""One picture: (H, W) grey or (H, W, 3) RGB, 0 to 255; in a file also (H, W, 4), straight RGBA."""

Background = int | tuple[int, int, int]

CELL = 64
"""Smaller images are enlarged to at least this many pixels on their shorter side."""
PADDING = 2
"""Pixels around and between images."""
FONT_SIZE, SMALL_FONT_SIZE = 15, 13
MARGIN = 6
MAX_NAME_WIDTH = 220
SQUARE = 8
"""Pixels of a square of the chequered ground behind images with an alpha channel."""
GAP, HEADING = 14, FONT_SIZE + 2 * MARGIN
"""Pixels between grids side by side, and above them for their names."""


def to_pixels(images: Tensor | NDArray[np.generic]) -> Picture:
    """Images (N, C, H, W), float in [0, 1] or uint8, as uint8 (N, H, W, C).

    A float x becomes round(255 x) after clamping to [0, 1]; a half goes to the even neighbour. Raises ValueError for
    another shape or type, C other than 1, 3 or 4 (premultiplied RGBA), no images at all, or NaN.
    """
    if isinstance(images, Tensor):
        images = images.detach().cpu()
        images = (images.float() if images.is_floating_point() else images).numpy()
    array: NDArray[np.generic] = images
    if array.ndim != 4 or array.shape[1] not in (1, 3, 4):
        raise ValueError(f"expected images (N, C, H, W) with 1, 3 or 4 channels, got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"no images to show: shape {array.shape}")
    if np.issubdtype(array.dtype, np.floating):
        if np.isnan(array).any():
            raise ValueError("NaN among the pixels")
        array = np.round(np.clip(array, 0, 1) * 255)
    elif array.dtype != np.uint8:
        raise ValueError(f"expected float or uint8 images, got {array.dtype}")
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1), np.uint8)


def on_chequers(cells: Picture, square: int) -> Picture:
    """Premultiplied RGBA (N, H, W, 4) on a chequered ground with squares of this many pixels, (N, H, W, 3)."""
    _, height, width, _ = cells.shape
    return over(cells, chequers(height, width, square))


def to_picture(image: Tensor) -> Picture:
    """One image (C, H, W), float in [0, 1] or uint8, as it is written to a file: with straight colours where C is 4."""
    (pixels,) = to_pixels(image[None])
    if pixels.shape[2] == 4:
        return straight(pixels)
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def near_square(count: int) -> int:
    """The number of columns that makes a grid of `count` cells nearly square, and never taller than wide."""
    return math.ceil(math.sqrt(count))


def legible_scale(height: int, width: int) -> int:
    """The smallest whole factor that brings the shorter side to `CELL` pixels."""
    return math.ceil(CELL / min(height, width))


def grid(
    images: Tensor | NDArray[np.generic],
    columns: int | None = None,
    *,
    padding: int = PADDING,
    scale: int | None = None,
    background: Background = 255,
) -> Picture:
    """One picture of images (N, C, H, W), float in [0, 1] or uint8, filled row by row.

    `columns`: near-square when None. `scale`: whole-number enlargement without smoothing; None makes small images
    legible and leaves large ones alone. `padding`: pixels of `background` around and between the cells, not scaled.
    The result is grey for one channel and a grey background, else RGB; images with alpha stand on a chequered
    ground. Raises ValueError as `to_pixels` does.
    """
    cells = to_pixels(images)
    count, height, width, channels = cells.shape
    columns = near_square(count) if columns is None else min(columns, count)
    scale = legible_scale(height, width) if scale is None else scale
    if columns < 1 or scale < 1 or padding < 0:
        raise ValueError(f"columns {columns}, scale {scale} and padding {padding} make no grid")
    if channels == 1 and not isinstance(background, int):
        cells = cells.repeat(3, axis=3)
    down, across = height * scale + padding, width * scale + padding
    rows = math.ceil(count / columns)
    needed = 3 * rows * down * columns * across * cells.shape[3]  # enlarged twice, and put together
    check_memory(needed, f"a picture of {columns * across:,} x {rows * down:,} pixels", "show fewer images")
    cells = cells.repeat(scale, axis=1).repeat(scale, axis=2)
    if channels == 4:
        cells = on_chequers(cells, SQUARE)
    picture = np.empty((rows * down + padding, columns * across + padding, cells.shape[3]), np.uint8)
    picture[:] = background
    for index, cell in enumerate(cells):
        top, left = padding + index // columns * down, padding + index % columns * across
        picture[top : top + height * scale, left : left + width * scale] = cell
    return picture[:, :, 0] if picture.shape[2] == 1 else picture


def labelled_rows(
    images: Tensor | NDArray[np.generic],
    row_names: Sequence[str],
    columns: int | None = None,
    *,
    headings: Mapping[int, str] | None = None,
    corner: str = "",
    padding: int = PADDING,
    scale: int | None = None,
    background: Background = 255,
) -> Picture:
    """A grid with one row per name and the name at its left.

    Images (N, C, H, W) go row by row; N must be the number of names times `columns` (by default N / names). `headings`
    stand above columns, which are counted from 0; one that would touch the one before is left out. `corner` is at
    their left. Raises ValueError for another number of images, and as `grid` does.
    """
    columns = len(images) // max(len(row_names), 1) if columns is None else columns
    if not row_names or len(row_names) * columns != len(images):
        raise ValueError(f"{len(images)} images do not fill {len(row_names)} rows of {columns}")
    body = grid(images, columns, padding=padding, scale=scale, background=background)
    down = (len(body) - padding) / len(row_names)
    font = ImageFont.load_default(size=max(8, min(FONT_SIZE, int(down) - padding - 2)))
    names = [_shortened(name, font) for name in row_names]
    small = ImageFont.load_default(size=SMALL_FONT_SIZE)
    margin = math.ceil(max(small.getlength(corner), *(font.getlength(name) for name in names))) + 2 * MARGIN
    light = (background if isinstance(background, int) else sum(background) / 3) > 127
    sheet = np.empty((len(body), margin, *body.shape[2:]), np.uint8)
    sheet[:] = background
    written = Image.fromarray(sheet)
    draw = ImageDraw.Draw(written)
    for row, name in enumerate(names):
        middle = padding + (row + 0.5) * down - padding / 2
        draw.text((margin - MARGIN, middle), name, fill="black" if light else "white", font=font, anchor="rm")
    picture = np.concatenate([np.asarray(written), body], axis=1)
    if not headings:
        return picture
    band = np.empty((HEADING, *picture.shape[1:]), np.uint8)
    band[:] = background
    above = Image.fromarray(band)
    draw, ink, end = ImageDraw.Draw(above), "black" if light else "white", 0.0
    across = (body.shape[1] - padding) / columns
    draw.text((margin - MARGIN, HEADING / 2), corner, fill=ink, font=small, anchor="rm")
    for column, name in sorted(headings.items()):
        middle, width = margin + padding + (column + 0.5) * across - padding / 2, small.getlength(name)
        left = min(max(middle - width / 2, margin), picture.shape[1] - width)
        if left >= end:
            draw.text((left, HEADING / 2), name, fill=ink, font=small, anchor="lm")
            end = left + width + MARGIN / 2
    return np.concatenate([np.asarray(above), picture])


def _shortened(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """A name on one line, cut with an ellipsis where it would be wider than `MAX_NAME_WIDTH`."""
    name = " ".join(name.split())
    if font.getlength(name) <= MAX_NAME_WIDTH:
        return name
    while name and font.getlength(name + "…") > MAX_NAME_WIDTH:
        name = name[:-1]
    return name + "…"


def save_png(picture: Picture | Tensor, path: Path | str) -> Path:
    """Write one uint8 picture, (H, W), (H, W, 3) or (H, W, 4), and return its path. Raises GentoolError naming it."""
    array = np.asarray(picture)
    if array.dtype != np.uint8:
        raise ValueError(f"a picture is uint8, not {array.dtype}")
    with replacing(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG")
    return Path(path)


def side_by_side(images: Mapping[str, Tensor | NDArray[np.generic]], columns: int | None = None) -> Picture:
    """Grids side by side, each under its name, of sets of images (N, C, H, W), float in [0, 1] or uint8.

    All grids have the same layout; a smaller set leaves cells white. Raises ValueError for no set, or as `grid` does.
    """
    if not images:
        raise ValueError("no images to show")
    most = max(map(len, images.values()))
    across = columns or near_square(most)
    return captioned_rows([{name: grid(part, across) for name, part in images.items()}])


def captioned_rows(rows: Sequence[Mapping[str, Picture]], names: Sequence[str] = ()) -> Picture:
    """Rows of pictures (H, W) or (H, W, 3) of any sizes, each under its name; `names` of the rows stand at their left.

    Raises ValueError for no picture, or where there are names, but not one for each row.
    """
    if not any(rows) or (names and len(names) != len(rows)):
        raise ValueError(f"{len(rows)} rows of pictures with {len(names)} names")
    font = ImageFont.load_default(size=FONT_SIZE)
    labels = [_shortened(name, font) for name in names]
    margin = math.ceil(max(map(font.getlength, labels)) + 2 * MARGIN) if labels else 0
    heights = [max(picture.shape[0] for picture in row.values()) + HEADING for row in rows]
    widths = [[max(picture.shape[1], math.ceil(font.getlength(name))) for name, picture in row.items()] for row in rows]
    size = margin + max(sum(row) + GAP * (len(row) - 1) for row in widths), sum(heights)
    check_memory(3 * size[0] * size[1], f"a picture of {size[0]:,} x {size[1]:,} pixels", "show fewer")
    sheet = Image.new("RGB", size, "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for number, (row, across, height) in enumerate(zip(rows, widths, heights, strict=True)):
        if labels:
            middle = top + (HEADING + height) / 2
            draw.text((margin - MARGIN, middle), labels[number], fill="black", font=font, anchor="rm")
        left = margin
        for (name, picture), width in zip(row.items(), across, strict=True):
            draw.text((left + width / 2, top + HEADING / 2), name, fill="black", font=font, anchor="mm")
            sheet.paste(Image.fromarray(_coloured(picture)), (left + (width - picture.shape[1]) // 2, top + HEADING))
            left += width + GAP
        top += height
    return np.asarray(sheet)


def _coloured(picture: Picture) -> Picture:
    return picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
