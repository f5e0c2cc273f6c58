"""Curves over the epochs of a training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gentool.figures.style import COLOURS, FONT_SIZE, MARKERS, SMALL, Plot, dress, new_figure
from gentool.tables import Table

BELOW = 0.45
"""Inches from the axes to the legend below: room for numbers and a label."""


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
    from matplotlib.transforms import ScaledTranslation

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
    figure = new_figure(max(3.2 * across, 4), 2.8 * down)
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
        axes.set_title(panel.title, fontsize=FONT_SIZE, loc="left")
        if len(panel.curves) > 1:
            across_legend = 1 if max(len(curve.label) for curve in panel.curves.values()) > 20 else 2
            axes.legend(  # below the axes, so that it hides no line
                fontsize=SMALL, frameon=False, ncols=across_legend, loc="upper left", bbox_to_anchor=(-0.05, 0),
                bbox_transform=axes.transAxes + ScaledTranslation(0, -BELOW, figure.dpi_scale_trans), borderaxespad=0,
            )  # fmt: skip
    if len(columns) < len(curves):
        return Plot(figure)
    rows = [dict(zip([unit, *columns], row, strict=True)) for row in zip(x, *columns.values(), strict=True)]
    return Plot(figure, Table(rows))
