"""Lines with error bars: where the axis has its numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from gentool.figures.error_bars import error_bars


@pytest.mark.parametrize(
    ("xs", "whole"), [([1, 2], True), ([1, 2, 5], True), ([0.1, 0.5], False), ([64, 256], True)], ids=str
)
def test_whole_numbers_have_no_fractions_between(
    xs: Sequence[Any], whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **more: (figures.append(figure), path.touch()))
    error_bars({"": [(x, 0.5, float("nan")) for x in xs]}, tmp_path / "a.png", x="layers", y="score")
    ticks = figures[0].axes[0].get_xticks()
    assert all(float(tick).is_integer() for tick in ticks) == whole
    assert len(ticks) >= 2


def test_words_stand_in_their_order(tmp_path: Path) -> None:
    points = [("repeat", 0.5, 0.1), ("autoregressive", 0.9, 0.0)]
    path = error_bars({"": points}, tmp_path / "a.png", x="x", y="y")
    with Image.open(path) as picture:
        assert picture.size == (770, 495)
