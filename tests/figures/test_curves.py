"""Curves: terms grouped sensibly, the file whole and not blank."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.figures.curves import curve_panels, curves

NAN = float("nan")


def coloured(path: Path) -> int:
    """The number of pixels that are neither white, black nor grey."""
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    return int((pixels.max(axis=2) - pixels.min(axis=2) > 40).sum())


def test_training_and_validation_of_a_term_share_a_panel() -> None:
    grouped = curve_panels({"loss": [100, 90], "kl": [0.1, 0.2], "validation_loss": [110, 95], "val_kl": [0.1, 0.1]})
    assert [list(panel.terms) for panel in grouped] == [["loss"], ["kl"]]
    assert list(grouped[0].terms["loss"]) == ["loss", "validation_loss"]


def test_terms_of_similar_size_share_a_panel_and_others_do_not() -> None:
    grouped = curve_panels({"a": [1, 2], "b": [3, 1], "huge": [1e4, 1e5], "c": [0.9, 1]})
    assert [list(panel.terms) for panel in grouped] == [["a", "b", "c"], ["huge"]]


def test_no_panel_is_crowded() -> None:
    grouped = curve_panels({f"term{k}": [1.0, 2.0] for k in range(9)})
    assert [len(panel.terms) for panel in grouped] == [4, 4, 1]


@pytest.mark.parametrize(
    "columns",
    [
        {"loss": [3.0]},
        {"loss": [3.0, NAN, 2.0, float("inf"), 1.0]},
        {"loss": [0.0, 0.0], "never": [NAN, NAN]},
        {f"term{k}": [10.0**k, 2 * 10.0**k] for k in range(9)},
        {"loss": [1 / (k + 1) for k in range(500)], "validation_loss": [2 / (k + 1) for k in range(500)]},
    ],
    ids=["one epoch", "gaps", "zeros", "many terms", "many epochs"],
)
def test_the_file_opens_and_is_not_blank(tmp_path: Path, columns: dict[str, list[float]]) -> None:
    path = curves(columns).save(tmp_path / "new" / "losses")
    assert coloured(path) > 20
    assert sorted(file.name for file in path.parent.iterdir()) == ["losses.csv", "losses.png"]


def test_no_global_state_of_pyplot_is_touched(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    curves({"loss": [2.0, 1.0]}, epochs=[5, 6]).save(tmp_path / "losses")
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="no finite value"):
        curves({"loss": [NAN]})
    with pytest.raises(ValueError, match="no finite value"):
        curves({})


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        curves({"a": [1.0], "b": [1.0, 2.0]})


def test_the_legend_names_terms_and_the_figure_says_what_is_dashed() -> None:
    plot = curves({"loss": [2.0, 1.0], "validation_loss": [2.5, 1.5], "val_kl": [1.0, 0.9]}, epochs=[5, 6])
    (axes,) = plot.figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss", "kl"]
    assert [line.get_linestyle() for line in axes.get_lines()] == ["-", "--", "--"]
    assert plot.figure.get_supxlabel() == "solid: training, dashed: held-out data"
    assert plot.numbers is not None
    assert plot.numbers.to_csv().splitlines()[:2] == ["epoch,loss,validation_loss,val_kl", "5.0,2.0,2.5,1.0"]
    assert curves({"loss": [2.0]}).figure.get_supxlabel() == ""
