"""Curves: terms grouped sensibly, the file whole and not blank."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.errors import GentoolError
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
    path = curves(columns, tmp_path / "new" / "losses.png", title="vae on digits")
    assert coloured(path) > 20
    assert [file.name for file in path.parent.iterdir()] == ["losses.png"]


def test_no_global_state_of_pyplot_is_touched(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    curves({"loss": [2.0, 1.0]}, tmp_path / "losses.png", epochs=[5, 6])
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no finite value"):
        curves({"loss": [NAN]}, tmp_path / "losses.png")
    with pytest.raises(ValueError, match="no finite value"):
        curves({}, tmp_path / "losses.png")


def test_columns_of_different_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="different lengths"):
        curves({"a": [1.0], "b": [1.0, 2.0]}, tmp_path / "losses.png")


def test_a_failed_write_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(GentoolError, match=r"losses\.png"):
        curves({"loss": [1.0]}, tmp_path / "file" / "losses.png")
