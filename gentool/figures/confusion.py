"""A confusion matrix as a picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gentool.figures.style import FONT_SIZE, SMALL, Plot, figure_of, new_axes
from gentool.tables import Table

MAX_NUMBERED = 20
"""Up to this many classes, every cell shows its count."""


def confusion(table: NDArray[np.int64], classes: Sequence[str], columns: Sequence[str], *, x: str = "predicted",
              title: str | None = None) -> Plot:  # fmt: skip
    """Draw a table (classes, columns) of counts; the shade is the share of the row. `x` says what the columns are."""
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    side = max(4.0, 0.36 * max(table.shape) + 1.2)
    axes = new_axes(side, side * len(classes) / len(columns) if len(columns) > len(classes) else side, x=x, y="label",
                    title=title)  # fmt: skip
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(columns)), columns, rotation=90 if max(map(len, columns)) > 3 else 0)
    axes.set_yticks(range(len(classes)), classes)
    if max(table.shape) <= MAX_NUMBERED:
        for (row, column), count in np.ndenumerate(table):
            shade = "white" if share[row, column] > 0.5 else "black"
            size = FONT_SIZE if count < 1_000 else SMALL - 1
            axes.text(column, row, f"{count}" if count else "", ha="center", va="center", fontsize=size, color=shade)
    rows = [
        {"label": name} | dict(zip((f"predicted {column}" for column in columns), map(int, counts), strict=True))
        for name, counts in zip(classes, table, strict=True)
    ]
    return Plot(figure_of(axes), Table(rows))
