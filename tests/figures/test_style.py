"""How plots are written: their format, their resolution, their numbers, and the same file each time."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from gentool.errors import GentoolError
from gentool.figures.confusion import confusion
from gentool.figures.curves import Curve, CurvePanel, draw_curves
from gentool.figures.scatter import scatter
from gentool.figures.style import COLOURS, MARKERS, FigureFormat, FigureOptions

HEADS = {"png": b"\x89PNG\r\n", "pdf": b"%PDF-1", "svg": b"<?xml"}
TABLE = np.array([[3, 1], [0, 2]])
LOSS = CurvePanel("Loss", {"loss": Curve("loss", [2.0, 1.0])})


@pytest.mark.parametrize("kind", HEADS)
def test_the_suffix_says_what_is_in_the_file(kind: FigureFormat, tmp_path: Path) -> None:
    options = FigureOptions(format=kind)
    path = confusion(TABLE, ["a", "b"], ["a", "b"]).save(tmp_path / "new" / "distances_0.5", options)
    assert path == tmp_path / "new" / f"distances_0.5.{kind}"
    assert path.read_bytes().startswith(HEADS[kind])
    again = confusion(TABLE, ["a", "b"], ["a", "b"]).save(tmp_path / "again", options)
    assert again.read_bytes() == path.read_bytes()


def test_the_numbers_are_beside_the_figure(tmp_path: Path) -> None:
    confusion(TABLE, ["cat", "dog"], ["cat", "cluster 7"]).save(tmp_path / "a")
    assert (tmp_path / "a.csv").read_text() == "label,predicted cat,predicted cluster 7\ncat,3,1\ndog,0,2\n"


def test_the_resolution(tmp_path: Path) -> None:
    sizes = []
    for dpi in (100, 200):
        path = draw_curves([LOSS], [1, 2]).save(tmp_path / str(dpi), FigureOptions(dpi=dpi))
        with Image.open(path) as picture:
            sizes.append(picture.size)
    assert sizes[1] == (2 * sizes[0][0], 2 * sizes[0][1])


def test_titles_are_left_out(tmp_path: Path) -> None:
    plot = confusion(TABLE, ["a", "b"], ["a", "b"], title="one mixture per class")
    assert plot.figure.axes[0].get_title() == "one mixture per class"
    plot.save(tmp_path / "b", FigureOptions(no_titles=True))
    assert [axes.get_title() for axes in plot.figure.axes] == [""]
    panels = draw_curves([LOSS, LOSS], [1, 2])  # the name of a panel says what it shows, and stays
    panels.save(tmp_path / "losses", FigureOptions(no_titles=True))
    assert [axes.get_title(loc="left") for axes in panels.figure.axes] == ["Loss", "Loss"]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_classes_differ_in_colour_and_in_shape() -> None:
    points, labels = np.random.default_rng(0).normal(size=(130, 2)), np.repeat(np.arange(13), 10)
    plot = scatter(points, labels=labels, classes=[f"class {number}" for number in range(13)])
    handles, names = plot.figure.axes[0].get_legend_handles_labels()
    looks = {(handle.get_paths()[0].vertices.tobytes(), handle.get_facecolor().tobytes()) for handle in handles}
    assert len(names) == len(looks) == 13
    assert len(set(MARKERS)) == 13
    assert all((1.05 / (luminance(colour) + 0.05)) > 1.9 for colour in COLOURS)  # visible on white


def test_a_failed_write_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(GentoolError, match=r"losses"):
        draw_curves([LOSS], [1, 2]).save(tmp_path / "file" / "losses")
