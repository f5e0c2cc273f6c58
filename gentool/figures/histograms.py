"""Histograms: several distributions over the same bins."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.figures.style import COLOURS, Plot, figure_of, legend_beside, new_axes
from gentool.tables import Table

BINS = 60
TAIL = 99.5
"""`outlines` ends at this percentile of all values; larger ones count in the last bin."""
LEAST_RANGE = 4
LINEAR = 10
"""Counts up to this are never drawn on a logarithmic axis."""
DASHES = ("-", "--", ":", "-.")


def histogram(series: Mapping[str, NDArray[np.int64]], *, x: str, y: str = "count", title: str | None = None,
              log: bool = False) -> Plot:  # fmt: skip
    """Draw how often integers occur, one outline per named series.

    `x` and `y` label the axes; `log` makes large counts logarithmic. A series may be empty.
    """
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    filled = [values for values in series.values() if len(values)] or [np.zeros(1, np.int64)]
    low, high = min(int(values.min()) for values in filled), max(int(values.max()) for values in filled)
    if high - low < LEAST_RANGE:  # a single value is a bar, not a wall
        low, high = low - LEAST_RANGE // 2, high + LEAST_RANGE // 2
    width = max(1, -(-(high - low + 1) // BINS))
    edges = np.arange(low, high + 1 + width, width) - 0.5
    axes = new_axes(6.5, 3, x=x, y=y, title=title)
    counts = {name: np.histogram(values, edges)[0] for name, values in series.items()}
    for number, (name, heights) in enumerate(counts.items()):
        label, fill = f"{name} ({len(series[name]):,})", number == 0
        axes.stairs(
            heights, edges, color=COLOURS[number % len(COLOURS)], label=label, fill=fill, alpha=0.45 if fill else 1,
            linestyle=DASHES[number % len(DASHES)],
        )  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    if log and max(int(heights.max()) for heights in counts.values()) > LINEAR:
        axes.set_yscale("symlog")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    legend_beside(axes)
    return Plot(figure_of(axes), _bins(np.ceil(edges[:-1]).astype(int), np.floor(edges[1:]).astype(int), counts))


def outlines(values: Mapping[str, NDArray[np.generic]], *, x: str, title: str | None = None) -> Plot:
    """Draw the share of each set of values (N,) per bin; the legend has the number of values."""
    together = np.concatenate([np.asarray(part, np.float64) for part in values.values()])
    low, high = float(together.min()), float(np.percentile(together, TAIL))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    axes = new_axes(6.5, 3, x=x, y="share", title=title)
    shares = {
        name: np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0] / len(part) for name, part in values.items()
    }
    for number, (name, heights) in enumerate(shares.items()):
        colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        axes.stairs(heights, edges, color=colour, fill=True, alpha=0.25)
        label = f"{name} ({len(values[name]):,})"
        axes.stairs(heights, edges, color=colour, linewidth=1.4, linestyle=dashes, label=label)
    legend_beside(axes)
    return Plot(figure_of(axes), _bins(edges[:-1], edges[1:], shares))


def _bins(low: NDArray[Any], high: NDArray[Any], series: Mapping[str, NDArray[Any]]) -> Table:
    """A row per bin: its ends, and the height of each series."""
    columns = {"low": low, "high": high, **series}
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return Table(dict(zip(columns, row, strict=True)) for row in rows)
