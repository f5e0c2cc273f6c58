"""Points in the plane, coloured by class, with thumbnails and ellipses where they are wanted."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.figures.grids import Picture
from gentool.figures.style import COLOURS, MARKERS, Plot, figure_of, legend_beside, new_axes

Points = NDArray[np.float64]

LAYERS = 8
CELLS = 24
"""Thumbnails stand on a grid of this many cells a side, at most one in each."""
SIDE, LEGEND_WIDTH = 5.5, 1.0
"""Inches."""
MOST_VECTORS = 2_000
"""More points than these are pixels in a PDF or SVG."""


@dataclass(frozen=True)
class Ellipse:
    """A Gaussian in the plane: its mean (2,) and covariance (2, 2)."""

    mean: Points
    covariance: Points


def scatter(
    points: Points,
    *,
    labels: NDArray[np.int64] | None = None,
    classes: Sequence[str] = (),
    thumbnails: Picture | None = None,
    ellipses: Sequence[Ellipse] = (),
    axes_names: tuple[str, str] = ("", ""),
    title: str | None = None,
) -> Plot:
    """Draw points (N, 2).

    `labels` (N,) give them colours and markers, named by `classes`. `thumbnails`, uint8 (N, H, W) or (N, H, W, 3),
    stand in place of points where there is room. Each ellipse is drawn at two standard deviations, with its mean as a
    cross.
    """
    width = SIDE + (LEGEND_WIDTH if labels is not None else 0)
    axes = new_axes(width, SIDE, x=axes_names[0], y=axes_names[1], title=title)
    look: dict[str, Any] = {
        "s": float(np.clip(2e4 / max(len(points), 1), 1.5, 16)), "linewidths": 0,
        "rasterized": len(points) > MOST_VECTORS, "snap": False,  # a small + on whole pixels has no area
    }  # fmt: skip
    # More classes than colours take the same colours with other markers.
    shades = [COLOURS[label % len(COLOURS)] for label in range(max(len(classes), 1))]
    if labels is None:
        axes.scatter(points[:, 0], points[:, 1], color=shades[0], alpha=0.5, **look)
    else:
        # In parts in random order, so that no class lies on top of another.
        parts = np.random.default_rng(0).integers(0, LAYERS, len(points))
        for part, label in itertools.product(range(LAYERS), range(len(classes))):
            some = points[(parts == part) & (labels == label)]
            marker = MARKERS[label % len(MARKERS)]
            axes.scatter(some[:, 0], some[:, 1], color=shades[label], marker=marker, alpha=0.6, **look)
        for label, name in enumerate(classes):
            axes.scatter([], [], s=24, color=shades[label], marker=MARKERS[label % len(MARKERS)], label=name)
    if ellipses:
        axes.plot([], [], "x-", color="black", markersize=5, lw=1, label="component,\nmean ± 2 sd")
    if labels is not None or ellipses:
        legend_beside(axes, columns=math.ceil(len(classes) / 30))
    # The frame leaves out the outermost points of every thousand, which would squeeze the rest.
    low, high = np.percentile(points, [0.1, 99.9], axis=0)
    margin = 0.05 * np.maximum(high - low, 1e-9)
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
    if thumbnails is not None:
        _place(axes, points, thumbnails, None if labels is None else [shades[label] for label in labels])
    for ellipse in ellipses:
        _outline(axes, ellipse)
    return Plot(figure_of(axes))


def _place(axes: Any, points: Points, thumbnails: Picture, frames: Sequence[Any] | None) -> None:
    """Draw in each cell the thumbnail nearest to its middle, as large as the cell, framed in its colour."""
    from matplotlib.patches import Rectangle

    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    corner, extent = np.array([left, bottom]), np.array([right - left, top - bottom])
    places = (points - corner) / extent * CELLS
    cells = np.floor(places).astype(int)
    away = np.square(places - cells - 0.5).sum(1)
    best: dict[tuple[int, int], int] = {}
    for index in np.argsort(away, kind="stable"):
        cell = (int(cells[index, 0]), int(cells[index, 1]))
        if min(cell) >= 0 and max(cell) < CELLS:
            best.setdefault(cell, int(index))
    step = extent / CELLS
    for cell, index in best.items():
        start = corner + np.array(cell) * step
        axes.imshow(
            thumbnails[index],
            extent=(start[0], start[0] + step[0], start[1], start[1] + step[1]),
            cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="nearest", zorder=3,
        )  # fmt: skip
        if frames is not None:
            axes.add_patch(Rectangle(tuple(start), *step, fill=False, color=frames[index], lw=1.4, zorder=3))
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _outline(axes: Any, ellipse: Ellipse) -> None:
    from matplotlib.patches import Ellipse as Outline

    values, vectors = np.linalg.eigh(ellipse.covariance)
    width, height = 4 * np.sqrt(np.maximum(values[::-1], 0))
    angle = math.degrees(math.atan2(vectors[1, -1], vectors[0, -1]))
    axes.add_patch(
        Outline(tuple(ellipse.mean), width, height, angle=angle, fill=False, color="black", lw=1.2, zorder=4)
    )
    axes.plot(*ellipse.mean, "x", color="black", markersize=7, mew=1.8, zorder=4)
