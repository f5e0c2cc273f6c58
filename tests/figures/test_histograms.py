"""Histograms: counts and shares by hand, and a picture whatever the values."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.figures.histograms import BINS, histogram, outlines


def test_integers_are_counted_in_bins_of_their_own() -> None:
    series = {"right": np.array([3, 5, 5, 5, 7]), "wrong": np.array([4]), "none": np.array([], np.int64)}
    plot = histogram(series, x="length", y="queries", title="answers")
    (axes,) = plot.figure.axes
    first, second, third = (patch.get_data() for patch in axes.patches)
    assert first.edges.tolist() == second.edges.tolist() == [2.5, 3.5, 4.5, 5.5, 6.5, 7.5]
    assert [data.values.tolist() for data in (first, second, third)] == [[1, 0, 3, 0, 1], [0, 1, 0, 0, 0], [0] * 5]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["right (5)", "wrong (1)", "none (0)"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("length", "queries", "answers")
    assert axes.get_yscale() == "linear"
    assert plot.numbers is not None
    assert plot.numbers.rows[2] == {"low": 5, "high": 5, "right": 3, "wrong": 0, "none": 0}


def test_a_single_value_is_a_bar_and_not_a_wall() -> None:
    data = histogram({"predicted - right": np.zeros(40, np.int64)}, x="x").figure.axes[0].patches[0].get_data()
    assert data.values.tolist() == [0, 0, 40, 0, 0]
    assert data.edges.tolist() == [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]


def test_a_wide_range_of_integers_shares_bins() -> None:
    (axes,) = histogram({"all": np.arange(-500, 500)}, x="x", log=True).figure.axes
    data = axes.patches[0].get_data()
    assert len(data.values) <= BINS
    assert data.values.sum() == 1000
    assert set(np.diff(data.edges)) == {17}
    assert axes.get_yscale() == "symlog"


def test_outlines_are_shares_and_the_last_bin_holds_the_tail() -> None:
    (axes,) = outlines({"near": np.arange(995.0), "far": np.full(5, 1e6)}, x="distance").figure.axes
    near, _, far, _ = (patch.get_data() for patch in axes.patches)
    assert near.edges[0] == 0
    assert near.edges[-1] < 1e5
    assert near.values.sum() == pytest.approx(1)
    assert far.values.tolist() == [0] * (BINS - 1) + [1]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["near (995)", "far (5)"]
    assert axes.get_ylabel() == "share"


@pytest.mark.parametrize(
    "values",
    [
        {"samples": np.random.default_rng(0).normal(size=1000), "real": np.random.default_rng(1).normal(2, 1, 500)},
        {"all the same": np.zeros(7)},
    ],
    ids=["two", "constant"],
)
def test_outlines_are_drawn(tmp_path: Path, values: dict[str, np.ndarray]) -> None:
    path = outlines(values, x="distance").save(tmp_path / "outlines")
    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**20)}
    assert (0, 114, 178) in colours  # the first outline
    assert ((213, 94, 0) in colours) == (len(values) == 2)
