"""Lines with error bars: where the axis has its numbers."""

from collections.abc import Sequence
from typing import Any

import pytest

from gentool.figures.error_bars import error_bars


@pytest.mark.parametrize(
    ("xs", "whole"), [([1, 2], True), ([1, 2, 5], True), ([0.1, 0.5], False), ([64, 256], True)], ids=str
)
def test_whole_numbers_have_no_fractions_between(xs: Sequence[Any], whole: bool) -> None:
    plot = error_bars({"": [(x, 0.5, 0.1) for x in xs]}, x="layers", y="score")
    ticks = plot.figure.axes[0].get_xticks()
    assert all(float(tick).is_integer() for tick in ticks) == whole
    assert len(ticks) >= 2


def test_words_stand_in_their_order() -> None:
    plot = error_bars({"": [("repeat", 0.5, 0.1), ("autoregressive", 0.9, 0.0)]}, x="x", y="y")
    labels = [label.get_text() for label in plot.figure.axes[0].get_xticklabels()]
    assert labels == ["repeat", "autoregressive"]


@pytest.mark.parametrize(("sd", "bars"), [(float("nan"), 0), (0.1, 1)])
def test_single_runs_have_no_error_bars(sd: float, bars: int) -> None:
    plot = error_bars({"dropout 0.1": [(1, 0.5, sd), (2, 0.6, sd)]}, x="layers", y="score")
    assert len(plot.figure.axes[0].containers) == bars
