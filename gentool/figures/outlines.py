"""How values are spread: outlines of histograms over one another."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gentool.files import replacing

BINS = 60
TAIL = 99.5
"""The axis ends at this percentile of all values; what lies beyond counts in the last bin."""


def outlines(values: Mapping[str, NDArray[np.generic]], path: Path | str, *, x: str, title: str | None = None) -> Path:
    """Draw the share of each set of values (N,) by bin and write a PNG; every outline has its number of values."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    together = np.concatenate([np.asarray(part, np.float64) for part in values.values()])
    low, high = float(together.min()), float(np.percentile(together, TAIL))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (name, part) in enumerate(values.items()):
        shares = np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0] / len(part)
        label = f"{name} ({len(part):,})"
        axes.stairs(shares, edges, color=f"C{number}", fill=True, alpha=0.25)
        axes.stairs(shares, edges, color=f"C{number}", linewidth=1.4, label=label)
    axes.set_xlabel(x)
    axes.set_ylabel("share")
    axes.set_title(title or "", fontsize=10)
    axes.legend(fontsize=9, frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return Path(path)
