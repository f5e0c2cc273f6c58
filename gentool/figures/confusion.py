"""A confusion matrix as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gentool.figures.style import new_axes, write_axes

MAX_NUMBERED = 20
"""Up to this many classes, every cell shows its count."""


def confusion(table: NDArray[np.int64], classes: Sequence[str], predicted: Sequence[str], path: Path | str, *,
              title: str | None = None) -> Path:  # fmt: skip
    """Draw a table (classes, predicted) of counts and write a PNG; the shade is the share of the row."""
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    side = max(5.0, 0.55 * max(table.shape) + 1.5)
    axes = new_axes(side, side, x="predicted", y="label", title=title)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(predicted)), predicted, rotation=45 if max(map(len, predicted)) > 3 else 0)
    axes.set_yticks(range(len(classes)), classes)
    if max(table.shape) <= MAX_NUMBERED:
        for (row, column), count in np.ndenumerate(table):
            shade = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, f"{count:,}" if count else "", ha="center", va="center", fontsize=8, color=shade)
    return write_axes(axes, path)
