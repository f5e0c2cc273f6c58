"""Curves: what belongs together in one pair of axes, the file whole and not blank."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.engine.charts import curve_panels
from gentool.figures.curves import draw_curves

NAN = float("nan")


def coloured(path: Path) -> int:
    """The number of pixels that are neither white, black nor grey."""
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    return int((pixels.max(axis=2) - pixels.min(axis=2) > 40).sum())


def test_what_belongs_together_shares_a_panel() -> None:
    columns = {
        "epoch": [1.0], "step": [5.0], "discriminator": [1.3], "real_logit": [0.1], "fake_logit": [-3.0], "r1": [0.5],
        "generator": [90.0], "diversity": [0.5], "class_entropy_ratio": [0.9], "discriminator_accuracy": [0.6],
        "lr": [0.1], "images_per_second": [10.0], "seconds": [1.0], "alarm_mode_collapse": [1.0],
    }  # fmt: skip
    panels = {
        panel.title: {name: curve.label for name, curve in panel.curves.items()} for panel in curve_panels(columns)
    }
    assert panels == {
        "Losses of the game": {"generator": "generator", "discriminator": "discriminator"},
        "Variety of the pictures": {"diversity": "diversity", "class_entropy_ratio": "entropy of classes"},
        "Accuracy of the discriminator": {"discriminator_accuracy": "accuracy"},
        "Logits of the discriminator": {"real_logit": "real images", "fake_logit": "samples"},
        "Gradient penalty": {"r1": "R1"},
    }


def test_validation_is_beside_training_in_its_colour_and_dashed() -> None:
    (panel,) = curve_panels({"negative_elbo": [3.0, 2.0], "validation_negative_elbo": [4.0, 3.0]})
    assert {name: (curve.label, curve.colour, curve.dashed) for name, curve in panel.curves.items()} == {
        "negative_elbo": ("training", 0, False),
        "validation_negative_elbo": ("validation", 0, True),
    }
    (panel,) = curve_panels(
        {
            f"{split}_{name}": [0.5]
            for split in ("train", "validation")
            for name in ("exact_match", "character_accuracy")
        }
    )
    assert [curve.label for curve in panel.curves.values()] == [
        "exact match, training", "exact match, validation", "character accuracy, training",
        "character accuracy, validation",
    ]  # fmt: skip
    assert [curve.colour for curve in panel.curves.values()] == [0, 0, 1, 1]


def test_a_column_of_another_model_has_a_panel_of_its_own() -> None:
    (panel,) = curve_panels({"my_term": [1.0], "validation_my_term": [2.0]})
    assert panel.title == "My term"
    assert [curve.label for curve in panel.curves.values()] == ["training", "validation"]


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
    epochs = range(1, len(next(iter(columns.values()))) + 1)
    path = draw_curves(curve_panels(columns), epochs).save(tmp_path / "new" / "losses")
    assert coloured(path) > 20
    assert sorted(file.name for file in path.parent.iterdir()) == ["losses.csv", "losses.png"]


def test_no_global_state_of_pyplot_is_touched(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    draw_curves(curve_panels({"loss": [2.0, 1.0]}), [5, 6]).save(tmp_path / "losses")
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="no finite value"):
        draw_curves(curve_panels({"loss": [NAN]}), [1])
    with pytest.raises(ValueError, match="no finite value"):
        draw_curves([], [])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        draw_curves(curve_panels({"a": [1.0], "b": [1.0, 2.0]}), [1])


def test_titles_units_and_legends() -> None:
    plot = draw_curves(curve_panels({"kl": [2.0, 1.0], "val_kl": [2.5, 1.5], "active_units": [3.0, math.nan]}), [5, 6])
    kl, units = plot.figure.axes
    assert [(axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) for axes in (kl, units)] == [
        ("KL divergence", "epoch", "nats per image"),
        ("Active dimensions", "epoch", "dimensions"),
    ]
    assert [text.get_text() for text in kl.get_legend().get_texts()] == ["training", "validation"]
    assert units.get_legend() is None
    assert [line.get_linestyle() for line in kl.get_lines()] == ["-", "--"]
    assert plot.numbers is not None
    assert plot.numbers.to_csv().splitlines()[:2] == ["epoch,kl,val_kl,active_units", "5,2.0,2.5,3.0"]


@pytest.mark.parametrize(
    "columns",
    [
        {"loss": [1e-6, 3e-6], "kl": [1e5, 5e7], "val_kl": [1e5, 2e5], "mine": [0.5, 0.5], "far": [1e9 + 1, 1e9 + 2],
         "low": [NAN, -0.00001234]},
        {f"{split}_{name}": [0.25, 0.5] for split in ("train", "validation")
         for name in ("exact_match", "character_accuracy")},
        {"generator": [-123.5, 4.0], "discriminator": [0.1, 0.2], "r1": [0.0, 0.0], "diversity": [0.1, 0.2]},
    ],
)  # fmt: skip
def test_nothing_is_cut_off_or_covered(columns: dict[str, list[float]]) -> None:
    figure = draw_curves(curve_panels(columns), [1, 2]).figure
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for index, box in enumerate(boxes):
        assert box is not None
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[index + 1 :] if other is not None)
    for axes in figure.axes:
        labels = [text.get_text() for text in axes.get_yticklabels()]
        assert not axes.yaxis.get_major_formatter().get_offset()  # type: ignore[attr-defined]
        assert len(set(labels)) > 1
        legend = axes.get_legend()
        assert legend is None or not legend.get_window_extent().overlaps(axes.xaxis.label.get_window_extent())
