"""Means with their standard deviations as lines, such as a score against an option."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gentool.figures.style import LEGEND_SIZE, new_axes, write_axes


def error_bars(series: Mapping[str, Sequence[tuple[Any, float, float]]], path: Path | str, *, x: str,
               y: str) -> Path:  # fmt: skip
    """Draw a line per series of (place, mean, sd), with error bars where the sd is a number, and write a PNG.

    `x` and `y` label the axes. Places that are not numbers stand in the order in which they come; integers have no
    fractions between them.
    """
    from matplotlib.ticker import MaxNLocator

    axes = new_axes(7, 4.5, x=x, y=y)
    places = [place for points in series.values() for place, _, _ in points]
    numeric = all(isinstance(place, int | float) and not isinstance(place, bool) for place in places)
    for name, points in series.items():
        along = [place if numeric else str(place) for place, _, _ in points]
        sds = [0.0 if math.isnan(sd) else sd for _, _, sd in points]
        axes.errorbar(along, [mean for _, mean, _ in points], sds, marker="o", markersize=4, capsize=3, label=name)
    if numeric:
        axes.xaxis.set_major_locator(MaxNLocator(integer=all(isinstance(place, int) for place in places)))
    axes.grid(alpha=0.3)
    if any(series):
        axes.legend(fontsize=LEGEND_SIZE, frameon=False)
    return write_axes(axes, path)
