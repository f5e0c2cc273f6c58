"""Histograms: outlines of several distributions over the same bins."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gentool.figures.style import LEGEND_SIZE, new_axes, write_axes

BINS = 60
TAIL = 99.5
"""`outlines` ends at this percentile of all values; larger ones count in the last bin."""


def histogram(series: Mapping[str, NDArray[np.int64]], path: Path | str, *, x: str, y: str = "count",
              title: str | None = None, log: bool = False) -> Path:  # fmt: skip
    """Draw how often integers occur, one outline per named series, and write a PNG.

    `x` and `y` label the axes; `log` makes the counts logarithmic. A series may be empty.
    """
    filled = [values for values in series.values() if len(values)] or [np.zeros(1, np.int64)]
    low, high = min(int(values.min()) for values in filled), max(int(values.max()) for values in filled)
    width = max(1, -(-(high - low + 1) // BINS))
    edges = np.arange(low, high + 1 + width, width) - 0.5
    axes = new_axes(8, 4, x=x, y=y, title=title)
    for number, (name, values) in enumerate(series.items()):
        counts, _ = np.histogram(values, edges)
        label, fill = f"{name} ({len(values):,})", number == 0
        axes.stairs(counts, edges, color=f"C{number}", label=label, fill=fill, alpha=0.45 if fill else 1)
    if log:
        axes.set_yscale("symlog")
    axes.legend(fontsize=LEGEND_SIZE, frameon=False)
    return write_axes(axes, path)


def outlines(values: Mapping[str, NDArray[np.generic]], path: Path | str, *, x: str, title: str | None = None) -> Path:
    """Draw the share of each set of values (N,) per bin and write a PNG; the legend has the number of values."""
    together = np.concatenate([np.asarray(part, np.float64) for part in values.values()])
    low, high = float(together.min()), float(np.percentile(together, TAIL))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    axes = new_axes(7, 4, x=x, y="share", title=title)
    for number, (name, part) in enumerate(values.items()):
        shares = np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0] / len(part)
        axes.stairs(shares, edges, color=f"C{number}", fill=True, alpha=0.25)
        axes.stairs(shares, edges, color=f"C{number}", linewidth=1.4, label=f"{name} ({len(part):,})")
    axes.legend(fontsize=LEGEND_SIZE, frameon=False)
    return write_axes(axes, path)
