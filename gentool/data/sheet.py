"""One picture that holds many images as tiles of the same size, such as a sprite sheet."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.data.decode import Unreadable, pillow_warnings, read_picture, transparent
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw, Skipped, from_arrays
from gentool.errors import DataError


def read_sheet(path: Path, options: PrepareOptions) -> Raw:
    """The tiles of a sheet, row by row; tiles that are wholly transparent are skipped.

    Raises DataError when the file is no image or does not divide into tiles of `options.tile`.
    """
    assert options.tile is not None
    across, down = options.tile
    try:
        content = path.read_bytes()
        with pillow_warnings():
            pixels = read_picture(content, options.background_colour, channels=options.channels).pixels
            clear = transparent(content)
    except (Unreadable, OSError) as error:
        raise DataError(f"{path}: {error}; --tile needs one readable image") from None
    height, width, _ = pixels.shape
    if width % across or height % down or width < across or height < down:
        raise DataError(
            f"{path}: {width}x{height} pixels do not divide into tiles of {across}x{down}; give another --tile"
        )
    rows, columns = height // down, width // across

    def cut(sheet: NDArray[Any]) -> NDArray[Any]:
        tiles = sheet.reshape(rows, down, columns, across, -1).swapaxes(1, 2)
        return tiles.reshape(rows * columns, down, across, -1)

    tiles = cut(pixels)
    if clear is None:
        return from_arrays(f"sheet of {across}x{down} tiles", tiles)
    empty = cut(clear[..., None]).all(axis=(1, 2, 3))
    skipped = [Skipped(f"tile {i}", "wholly transparent") for i in np.flatnonzero(empty)]
    return from_arrays(f"sheet of {across}x{down} tiles", tiles[~empty], skipped=skipped)
