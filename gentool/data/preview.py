"""preview.png: some training images, a row for each class where there are few."""

import numpy as np
from numpy.typing import NDArray

from gentool.data.convert import Again
from gentool.data.raw import Pixels
from gentool.figures.grids import Picture, grid, labelled_rows

_COLUMNS, _ROWS, _MOST_CLASSES = 12, 8, 20


def preview(
    images: Pixels | Again, rows: NDArray[np.int64], labels: NDArray[np.int64] | None, classes: tuple[str, ...]
) -> Picture:
    """A grid of some of `images[rows]`, spread over them. `labels` goes with `rows`."""
    if labels is not None and 1 < len(classes) <= _MOST_CLASSES:
        of_class = [rows[labels == number] for number in range(len(classes))]
        columns = min(_COLUMNS, *map(len, of_class))
        if columns:
            chosen = np.concatenate([_spread(members, columns) for members in of_class])
            return labelled_rows(images[chosen], classes)
    return grid(images[_spread(rows, min(len(rows), _COLUMNS * _ROWS))], _COLUMNS)


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
