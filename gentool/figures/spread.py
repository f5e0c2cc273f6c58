"""Means with their standard deviations as lines, such as a score over an option."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gentool.files import replacing


def spread(series: Mapping[str, Sequence[tuple[Any, float, float]]], path: Path | str, *, axis: str,
           value: str) -> Path:  # fmt: skip
    """Draw a line for each series of (x, mean, sd), with error bars where the sd is a number, and write a PNG.

    x that are no numbers stand in the order in which they come; whole numbers have no fractions between them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = [x for points in series.values() for x, _, _ in points]
    numeric = all(isinstance(x, int | float) and not isinstance(x, bool) for x in shown)
    for name, points in series.items():
        xs = [x if numeric else str(x) for x, _, _ in points]
        sds = [0.0 if math.isnan(sd) else sd for _, _, sd in points]
        axes.errorbar(xs, [mean for _, mean, _ in points], sds, marker="o", markersize=4, capsize=3, label=name)
    if numeric:
        axes.xaxis.set_major_locator(MaxNLocator(integer=all(isinstance(x, int) for x in shown)))
    axes.set_xlabel(axis)
    axes.set_ylabel(value)
    axes.grid(alpha=0.3)
    if any(series):
        axes.legend(fontsize=9, frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return Path(path)
