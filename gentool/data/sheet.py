"""One picture that holds many images as tiles of the same size, such as a sprite sheet."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gentool.data.decode import FLATTENED, Unreadable, pillow_warnings, read_picture, transparent
from gentool.data.folders import LARGEST_FILE
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw, Skipped, from_arrays
from gentool.errors import DataError
from gentool.reading import read_bytes

MOST_PIXELS = 2**30
"""The most pixels of a sheet; Pillow's own limit, of a twelfth, is for single images."""
BUDGET = 16 * MOST_PIXELS


def read_sheet(path: Path, options: PrepareOptions) -> Raw:
    """The tiles of a sheet, row by row, with `options.gap` pixels between them; tiles of one colour are skipped.

    Raises DataError when the file is no image or does not divide into tiles of `options.tile`.
    """
    assert options.tile is not None
    (across, down), gap = options.tile, options.gap
    try:
        content = read_bytes(path, LARGEST_FILE)
        with pillow_warnings(), _giant_pictures():
            sheet = read_picture(content, options.background_colour, channels=options.channels, budget=BUDGET)
            clear = transparent(content)
    except (Unreadable, OSError) as error:
        raise DataError(f"{path}: {error}; --tile needs one readable image") from None
    height, width, _ = sheet.pixels.shape
    columns, left = _division(width, across, gap)
    rows, top = _division(height, down, gap)
    if not columns or not rows:
        between = (
            f" with {gap} between them" if gap else "; if lines separate the tiles, give --gap; crop a margin off first"
        )
        raise DataError(
            f"{path}: {width}x{height} pixels do not divide into tiles of {across}x{down}{between}; give another --tile"
        )

    def cut(pixels: NDArray[Any]) -> NDArray[Any]:
        right, below = left + columns * (across + gap), top + rows * (down + gap)
        inside = np.pad(pixels[top:below, left:right], [(0, gap), (0, gap), (0, 0)])[: below - top, : right - left]
        tiles = inside.reshape(rows, down + gap, columns, across + gap, -1).swapaxes(1, 2)
        return tiles[:, :, :down, :across].reshape(rows * columns, down, across, -1)

    tiles = cut(sheet.pixels)
    blank: NDArray[np.bool_] = np.all(tiles == tiles[:, :1, :1], axis=(1, 2, 3))
    hidden: NDArray[np.bool_] = np.zeros(len(tiles), bool)
    if clear is not None:
        hidden = np.all(cut(clear[..., None]), axis=(1, 2, 3))
    if blank.all():
        blank = hidden
    skipped = [
        Skipped(f"tile {i}", "wholly transparent" if hidden[i] else "of one colour")
        for i in np.flatnonzero(blank | hidden)
    ]
    tiles = tiles[~(blank | hidden)]
    flattened = clear is not None and bool(cut(clear[..., None])[~(blank | hidden)].any())
    notes = (
        [f"transparent parts, {FLATTENED}"] if flattened and not (options.channels == 4 or options.background) else []
    )
    return from_arrays(f"sheet of {across}x{down} tiles", tiles, skipped=skipped, notes=notes)


def _division(length: int, tile: int, gap: int) -> tuple[int, int]:
    """How many tiles a side has, with lines of `gap` pixels between them, and where the first begins.

    There may be lines at the edges too. 0 tiles where it does not divide.
    """
    for border in (0, gap):
        inside = length - 2 * border + gap
        if inside >= tile + gap and inside % (tile + gap) == 0:
            return inside // (tile + gap), border
    return 0, 0


@contextlib.contextmanager
def _giant_pictures() -> Iterator[None]:
    """A sheet may have many more pixels than one image."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
