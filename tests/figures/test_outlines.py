"""Outlines are drawn whatever the values."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.figures.outlines import outlines


@pytest.mark.parametrize(
    "values",
    [
        {"samples": np.random.default_rng(0).normal(size=1000), "real": np.random.default_rng(1).normal(2, 1, 500)},
        {"all the same": np.zeros(7)},
    ],
    ids=["two", "constant"],
)
def test_outlines_are_drawn(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    path = outlines(values, tmp_path / "spread.png", x="distance")
    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**20)}
    assert (31, 119, 180) in colours  # the first outline
    assert ((255, 127, 14) in colours) == (len(values) == 2)
