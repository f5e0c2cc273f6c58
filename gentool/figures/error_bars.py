"""Means with their standard deviations as lines, such as scores against an option."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gentool.figures.style import COLOURS, FONT_SIZE, MARKERS, Plot, dress, legend_beside, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[Any, float, float]
"""A place on the axis, the mean there, and its standard deviation, NaN for a single run."""


@dataclass(frozen=True)
class Lines:
    """The lines of one pair of axes by their names, over `x`."""

    x: str
    series: Mapping[str, Sequence[Point]]
    title: str = ""


def error_bars(rows: Mapping[str, Sequence[Lines]]) -> Plot:
    """Draw a row of axes for each label of a y axis, which those of the row share.

    There are error bars where the standard deviation is a number. Places that are not numbers stand in the order in
    which they come; integers have no fractions between them.
    """
    across = max(len(row) for row in rows.values())
    named = any(any(lines.series) for row in rows.values() for lines in row)
    figure = new_figure((5.5 if named else 4.5) if across == 1 else 3.2 * across, 0.6 + 2.6 * len(rows))
    for down, (y, row) in enumerate(rows.items()):
        first = None
        for place, lines in enumerate(row):
            axes = figure.add_subplot(len(rows), across, down * across + place + 1, sharey=first)
            dress(axes, x=lines.x if down == len(rows) - 1 else "", y="" if first else y)
            axes.set_title(lines.title if down == 0 else "", fontsize=FONT_SIZE)
            _draw(axes, lines.series)
            if any(lines.series) and down == 0 and place == len(row) - 1:
                legend_beside(axes)
            axes.tick_params(labelleft=first is None)
            first = first or axes
    return Plot(figure)


def _draw(axes: "Axes", series: Mapping[str, Sequence[Point]]) -> None:
    from matplotlib.ticker import MaxNLocator

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
        whole = all(isinstance(place, int) for place in places)
        axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=whole))
    axes.grid(alpha=0.3)
