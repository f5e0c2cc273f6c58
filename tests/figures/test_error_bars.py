"""Lines with error bars: where the axis has its numbers."""

from collections.abc import Sequence
from typing import Any

import pytest

from gentool.figures.error_bars import Lines, error_bars


@pytest.mark.parametrize(
    ("xs", "whole"), [([1, 2], True), ([1, 2, 5], True), ([0.1, 0.5], False), ([64, 256], True)], ids=str
)
def test_whole_numbers_have_no_fractions_between(xs: Sequence[Any], whole: bool) -> None:
    plot = error_bars({"score": [Lines("layers", {"": [(x, 0.5, 0.1) for x in xs]})]})
    ticks = plot.figure.axes[0].get_xticks()
    assert all(float(tick).is_integer() for tick in ticks) == whole
    assert len(ticks) >= 2


def test_words_stand_in_their_order() -> None:
    plot = error_bars({"y": [Lines("x", {"": [("repeat", 0.5, 0.1), ("autoregressive", 0.9, 0.0)]})]})
    labels = [label.get_text() for label in plot.figure.axes[0].get_xticklabels()]
    assert labels == ["repeat", "autoregressive"]


@pytest.mark.parametrize(("sd", "bars"), [(float("nan"), 0), (0.1, 1)])
def test_single_runs_have_no_error_bars(sd: float, bars: int) -> None:
    plot = error_bars({"score": [Lines("layers", {"dropout 0.1": [(1, 0.5, sd), (2, 0.6, sd)]})]})
    assert len(plot.figure.axes[0].containers) == bars


def test_a_row_for_each_score_and_axes_for_each_option() -> None:
    points = [(1, 0.5, 0.1), (2, 0.6, 0.1)]
    row = [Lines("encoder layers", {"": points}, "decoder layers 1"), Lines("decoder layers", {"": points})]
    axes = error_bars({"exact match": row, "accuracy": row}).figure.axes
    assert [one.get_ylabel() for one in axes] == ["exact match", "", "accuracy", ""]
    assert [one.get_xlabel() for one in axes] == ["", "", "encoder layers", "decoder layers"]
    assert [one.get_title() for one in axes] == ["decoder layers 1", "", "", ""]
    axes[0].set_ylim(0, 7)
    assert axes[1].get_ylim() == (0, 7)
    assert axes[2].get_ylim() != (0, 7)
