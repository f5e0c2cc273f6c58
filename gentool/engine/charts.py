"""Which columns of metrics.csv are drawn, and which together: the same in losses.png and on the report page."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from gentool.engine.alarms import PREFIX
from gentool.engine.plan import SHORT
from gentool.figures.curves import Curve, CurvePanel
from gentool.metrics.glossary import charts, is_held_out, labels, term

NOT_DRAWN = ("epoch", "step", "lr", "seconds")
PER_SECOND = "_per_second"


def is_drawn(column: str) -> bool:
    """Whether a column of metrics.csv is a curve of its own."""
    return column not in NOT_DRAWN and not column.startswith(PREFIX) and not column.endswith(PER_SECOND)


def curve_panels(columns: Mapping[str, Sequence[float]]) -> list[CurvePanel]:
    """The columns that are drawn, in panels. What was measured on held-out examples is dashed, in its term's colour."""
    made = []
    for chart, shown in charts(filter(is_drawn, columns)):
        terms = list(dict.fromkeys(map(term, shown)))
        names = labels(shown)
        curves = {
            column: Curve(names[column], columns[column], terms.index(term(column)), is_held_out(column))
            for column in shown
        }
        made.append(CurvePanel(chart.title, curves, chart.unit))
    return made


def curves_of(
    columns: Mapping[str, Sequence[float]], noted: Mapping[str, Sequence[float]]
) -> tuple[list[CurvePanel], Sequence[float], str]:
    """The panels of metrics.csv, the places of its rows on their axis, and the axis' unit, `epoch` or `update`.

    A run of few epochs is drawn over its updates, at the places that updates.csv, if it has one, has in between.
    """
    panels, epochs = curve_panels(columns), columns.get("epoch", [])
    if noted and len(epochs) < SHORT:
        return finer(panels, noted), columns.get("step", []), "update"
    return panels, epochs, "epoch"


def finer(panels: Sequence[CurvePanel], noted: Mapping[str, Sequence[float]]) -> list[CurvePanel]:
    """The panels with the curves that updates.csv has at more places, its column `step`.

    A term that some updates lack, such as R1, has a point where there is one.
    """
    return [
        dataclasses.replace(
            panel,
            curves={name: _at_updates(curve, noted, name) if name in noted else curve
                    for name, curve in panel.curves.items()},
        )
        for panel in panels
    ]  # fmt: skip


def _at_updates(curve: Curve, noted: Mapping[str, Sequence[float]], name: str) -> Curve:
    points = [(step, value) for step, value in zip(noted["step"], noted[name], strict=True) if math.isfinite(value)]
    steps, values = zip(*points, strict=True) if points else ((), ())
    return dataclasses.replace(curve, values=values, x=steps)
