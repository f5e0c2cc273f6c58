"""Whole numbers of two kinds, or of one, as bars side by side."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gentool.files import replacing

BINS = 60


def histogram(series: Mapping[str, NDArray[np.int64]], path: Path | str, *, axis: str, title: str | None = None,
              log: bool = False) -> Path:  # fmt: skip
    """Draw how often values occur, one outline for each named series, over the same bins; write a PNG.

    `log` makes the axis of counts logarithmic. A series may be empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    held = [values for values in series.values() if len(values)] or [np.zeros(1, np.int64)]
    low, high = min(int(values.min()) for values in held), max(int(values.max()) for values in held)
    width = max(1, -(-(high - low + 1) // BINS))
    edges = np.arange(low, high + 1 + width, width) - 0.5
    figure = Figure(figsize=(8, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (name, values) in enumerate(series.items()):
        counts, _ = np.histogram(values, edges)
        label, filled = f"{name} ({len(values):,})", number == 0
        axes.stairs(counts, edges, color=f"C{number}", label=label, fill=filled, alpha=0.45 if filled else 1)
    axes.set_xlabel(axis)
    axes.set_ylabel("queries")
    if log:
        axes.set_yscale("symlog")
    axes.set_title(title or "", fontsize=10)
    axes.legend(fontsize=9, frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return Path(path)
