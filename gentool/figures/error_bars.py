"""Means with their standard deviations as lines, such as a score against an option."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gentool.figures.style import COLOURS, MARKERS, Plot, figure_of, legend_beside, new_axes


def error_bars(series: Mapping[str, Sequence[tuple[Any, float, float]]], *, x: str, y: str) -> Plot:
    """Draw a line per series of (place, mean, sd), with error bars where the sd is a number.

    `x` and `y` label the axes. Places that are not numbers stand in the order in which they come; integers have no
    fractions between them.
    """
    from matplotlib.ticker import MaxNLocator

    axes = new_axes(5.5 if any(series) else 4.5, 3.2, x=x, y=y)
    places = [place for points in series.values() for place, _, _ in points]
    numeric = all(isinstance(place, int | float) and not isinstance(place, bool) for place in places)
    for number, (name, points) in enumerate(series.items()):
        along = [place if numeric else str(place) for place, _, _ in points]
        means, sds = [mean for _, mean, _ in points], [sd for _, _, sd in points]
        look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        if all(map(math.isnan, sds)):  # single runs
            axes.plot(along, means, markersize=4, label=name, **look)
        else:
            axes.errorbar(along, means, sds, markersize=4, capsize=3, label=name, **look)
    if numeric:
        axes.xaxis.set_major_locator(MaxNLocator(integer=all(isinstance(place, int) for place in places)))
    axes.grid(alpha=0.3)
    if any(series):
        legend_beside(axes)
    return Plot(figure_of(axes))
