"""Curves over the epochs of a training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gentool.figures.style import COLOURS, FONT_SIZE, MARKERS, SMALL, Plot, dress, new_figure
from gentool.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 3.2, 2.8
"""Inches of a panel."""
ABOVE, BELOW, BESIDE, LINE = 0.28, 0.45, 0.1, 0.17
"""Inches above the axes, from the axes to the legend below, beside a panel, and of a line of the legend."""
LETTER, HANDLE = 0.07, 0.55
"""Inches of a small letter, and of the line before a label of a legend with the gaps around it."""


@dataclass(frozen=True)
class Curve:
    """A line: its label, its values, of which those that are not finite leave gaps, and its style.

    Curves of one `colour`, a number from 0, belong together. `x` has places of its own in place of the common ones.
    """

    label: str
    values: Sequence[float]
    colour: int = 0
    dashed: bool = False
    x: Sequence[float] | None = None


@dataclass(frozen=True)
class CurvePanel:
    """A pair of axes, and the curves in it by the column that holds their values."""

    title: str
    curves: Mapping[str, Curve]
    unit: str = ""


def draw_curves(panels: Sequence[CurvePanel], x: Sequence[float], *, unit: str = "epoch") -> Plot:
    """Draw panels over positions on the axis, which curves without positions of their own have in common.

    Raises ValueError when the numbers of values differ or nothing finite is there to draw.
    """
    from matplotlib.ticker import MaxNLocator

    curves = {name: curve for panel in panels for name, curve in panel.curves.items()}
    columns = {name: curve.values for name, curve in curves.items() if curve.x is None}
    places = [curve.x for curve in curves.values() if curve.x] + ([x] if len(x) else [])
    lengths = {len(values) for values in columns.values()} | {len(x)}
    if len(lengths) > 1:
        raise ValueError(f"the curves have different lengths: {sorted(lengths)}")
    panels = [panel for panel in panels if any(np.isfinite(curve.values).any() for curve in panel.curves.values())]
    if not panels:
        raise ValueError("no finite value to draw")
    across = min(len(panels), 2 if len(panels) in (2, 4) else 3)
    down = math.ceil(len(panels) / across)
    first, last = min(map(min, places)), max(map(max, places))
    figure = new_figure(max(WIDTH * across, 4), HEIGHT * down, layout=None)
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(down, across, index + 1)
        for curve in panel.curves.values():
            values = np.asarray(curve.values, np.float64)
            finite = np.where(np.isfinite(values), values, np.nan)
            axes.plot(
                np.asarray(x if curve.x is None else curve.x), finite, "--" if curve.dashed else "-",
                color=COLOURS[curve.colour], marker=MARKERS[curve.colour], markersize=3,
                markevery=1 if np.isfinite(values).sum() <= 20 else math.ceil(len(values) / 8), linewidth=1.2,
                label=curve.label, markerfacecolor="white" if curve.dashed else None,
            )  # fmt: skip
        dress(axes, x=unit, y=panel.unit)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        if last > first:
            axes.set_xlim(first - 0.05 * (last - first), last + 0.05 * (last - first))
        axes.grid(alpha=0.3)
        axes.set_title(panel.title, fontsize=FONT_SIZE, loc="left", y=1)
    arrange(figure, across)
    if len(columns) < len(curves):
        return Plot(figure)
    rows = [dict(zip([unit, *columns], row, strict=True)) for row in zip(x, *columns.values(), strict=True)]
    return Plot(figure, Table(rows))


def arrange(figure: "Figure", across: int) -> None:
    """Place the axes of a figure in rows, with room for their numbers and labels, and legends below that hide no line.

    The room follows from the number of letters: matplotlib's own layout measures all texts four times.
    """
    from matplotlib.ticker import StrMethodFormatter
    from matplotlib.transforms import ScaledTranslation

    down = math.ceil(len(figure.axes) / across)
    whole_width, whole_height = figure.get_size_inches()
    width, height = whole_width / across, whole_height / down
    rooms, lines, legends = [0.0] * across, [0] * down, [0] * len(figure.axes)
    for index, axes in enumerate(figure.axes):
        numbers = axes.yaxis.get_major_formatter().format_ticks(axes.get_yticks().tolist())
        if axes.yaxis.get_major_formatter().get_offset():  # a power of ten that would stand in the title
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.10g}"))
            numbers = axes.yaxis.get_major_formatter().format_ticks(axes.get_yticks().tolist())
        room = 2 * BESIDE + LETTER * max(map(len, numbers)) + (LINE if axes.get_ylabel() else 0)
        rooms[index % across] = max(rooms[index % across], room)
        labels = [str(line.get_label()) for line in axes.get_lines()]
        if len(labels) > 1:
            two = 2 * (HANDLE + LETTER * max(map(len, labels))) <= width - BESIDE
            legends[index] = 2 if two else 1
            lines[index // across] = max(lines[index // across], math.ceil(len(labels) / legends[index]))
    for index, (axes, columns) in enumerate(zip(figure.axes, legends, strict=True)):
        row, column = divmod(index, across)
        left, bottom = column * width + rooms[column], (down - 1 - row) * height + BELOW + LINE * lines[row] + BESIDE
        right, top = (column + 1) * width - BESIDE, (down - row) * height - ABOVE
        axes.set_position(
            (left / whole_width, bottom / whole_height, (right - left) / whole_width, (top - bottom) / whole_height)
        )
        if columns:
            corner = ScaledTranslation(BESIDE - rooms[column], -BELOW, figure.dpi_scale_trans)
            axes.legend(
                fontsize=SMALL, frameon=False, ncols=columns, loc="upper left", bbox_to_anchor=(0, 0),
                bbox_transform=axes.transAxes + corner, borderaxespad=0,
            )  # fmt: skip
