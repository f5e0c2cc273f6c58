"""Scatter plots: every class can be seen, also among very many points."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.figures.scatter import scatter


@pytest.mark.parametrize("count", [200, 20_000])
def test_every_class_is_drawn(tmp_path: Path, count: int) -> None:
    """A class in each tenth of the plane, from left to right: none is missing, none much fainter than others."""
    labels = np.arange(count) % 10
    across = labels + np.random.default_rng(0).uniform(0.1, 0.9, count)
    points = np.stack([across, np.random.default_rng(1).uniform(0, 1, count)], axis=1)
    plot = scatter(points, labels=labels, classes=[str(number) for number in range(10)])
    (axes,) = plot.figure.axes
    axes.set(xlim=(0, 10), ylim=(0, 1))
    plot.save(tmp_path / "plot")
    picture = np.asarray(Image.open(tmp_path / "plot.png").convert("L"), np.float64)
    box = axes.get_window_extent()
    scale = picture.shape[1] / plot.figure.bbox.width
    inked = []
    for label in range(10):
        left, right = (round(scale * (box.x0 + box.width * (label + share) / 10)) for share in (0.08, 0.92))
        inked.append((picture[40:-40, left:right] < 250).mean())
    assert min(inked) > 0.3 * float(np.median(inked)), inked
