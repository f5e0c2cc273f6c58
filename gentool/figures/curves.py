"""The columns of a training's table as curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gentool.figures.style import COLOURS, MARKERS, SMALL, Plot, dress, new_figure
from gentool.tables import Table

HELD_OUT_PREFIXES = ("validation_", "val_", "test_")
TERMS_PER_PANEL = 4
SCALE_RATIO = 8.0
"""Terms share a panel while the largest is at most this many times the smallest."""

Values = NDArray[np.float64]


@dataclass
class CurvePanel:
    """The terms drawn in one pair of axes: term → column → values."""

    low: float
    high: float
    terms: dict[str, dict[str, Values]] = field(default_factory=dict)


def term(column: str) -> str:
    """The loss term that a column holds: `validation_kl` and `train_kl` are both `kl`."""
    for prefix in ("train_", *HELD_OUT_PREFIXES):
        column = column.removeprefix(prefix)
    return column


def curve_panels(columns: Mapping[str, Sequence[float]]) -> list[CurvePanel]:
    """Columns grouped for drawing: training and validation of a term together, terms of similar size side by side."""
    terms: dict[str, dict[str, Values]] = {}
    for name, values in columns.items():
        terms.setdefault(term(name), {})[name] = np.asarray(values, np.float64)
    made: list[CurvePanel] = []
    for name, lines in terms.items():
        sizes = np.concatenate([np.abs(values[np.isfinite(values)]) for values in lines.values()])
        if not len(sizes):
            continue
        size = max(float(np.percentile(sizes, 90)), 1e-12)
        for panel in made:
            low, high = min(panel.low, size), max(panel.high, size)
            if len(panel.terms) < TERMS_PER_PANEL and high <= SCALE_RATIO * low:
                panel.low, panel.high = low, high
                break
        else:
            panel = CurvePanel(size, size)
            made.append(panel)
        panel.terms[name] = lines
    return made


def curves(
    columns: Mapping[str, Sequence[float]],
    *,
    epochs: Sequence[float] | None = None,
) -> Plot:
    """Draw one line per column over the epochs.

    `epochs` are the positions on the axis, by default 1, 2, ...; NaN leaves a gap. The legends name terms. Columns that
    start with `validation_`, `val_` or `test_` are dashed, in their term's colour. Raises ValueError when the columns'
    lengths differ or nothing finite is there to draw.
    """
    from matplotlib.ticker import MaxNLocator

    lengths = {len(values) for values in columns.values()} | ({len(epochs)} if epochs is not None else set())
    if len(lengths) > 1:
        raise ValueError(f"the columns have different lengths: {sorted(lengths)}")
    groups = curve_panels(columns)
    if not groups:
        raise ValueError("no finite value to draw")
    across = min(len(groups), 2 if len(groups) in (2, 4) else 3)
    down = math.ceil(len(groups) / across)
    figure = new_figure(max(3.2 * across, 4), 2.6 * down + 0.2)
    x = np.asarray(range(1, lengths.pop() + 1) if epochs is None else epochs, np.float64)
    for index, panel in enumerate(groups):
        axes = figure.add_subplot(down, across, index + 1)
        for number, (shown, lines) in enumerate(panel.terms.items()):
            for place, (name, values) in enumerate(lines.items()):
                held_out = name.startswith(HELD_OUT_PREFIXES)
                finite = np.where(np.isfinite(values), values, np.nan)
                axes.plot(
                    x, finite, "--" if held_out else "-", color=COLOURS[number], marker=MARKERS[number], markersize=3,
                    markevery=1 if np.isfinite(values).sum() <= 20 else math.ceil(len(x) / 8), linewidth=1.2,
                    label="" if place else shown.replace("_", " "), markerfacecolor="white" if held_out else None,
                )  # fmt: skip
        dress(axes, x="epoch", y="")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        # Above the axes, so that it hides no line.
        axes.legend(fontsize=SMALL, frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    if any(name.startswith(HELD_OUT_PREFIXES) for panel in groups for lines in panel.terms.values() for name in lines):
        figure.supxlabel("solid: training, dashed: held-out data", fontsize=SMALL)
    rows = [dict(zip(["epoch", *columns], row, strict=True)) for row in zip(x.tolist(), *columns.values(), strict=True)]
    return Plot(figure, Table(rows))
