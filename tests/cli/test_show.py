"""Pictures in a terminal: the pixels of half blocks, and what is shown where there is no such terminal."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from gentool.engine.blocks import draw, draw_images, first_images, layout, shows_pictures
from gentool.figures.grids import grid
from tests.terminals import in_terminal

BLOCK = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▄\x1b\[0m")


def screen(lines: int = 24, columns: int = 80, colours: str | None = "truecolor") -> Console:
    return Console(
        file=io.TextIOWrapper(io.BytesIO(), "utf-8"), force_terminal=True, color_system=colours, width=columns,
        height=lines, soft_wrap=True, _environ={},
    )  # fmt: skip


def pixels_of(text: str) -> np.ndarray:
    """The pixels (H, W, 3) of the half blocks in a text: each has the lower one in front of the upper one."""
    rows = []
    for line in text.split("\n"):
        blocks = np.array(BLOCK.findall(line), np.uint8).reshape(-1, 2, 3)
        if len(blocks):
            rows += [blocks[:, 1], blocks[:, 0]]
    return np.stack(rows)


def drawn_on(console: Console) -> np.ndarray:
    file = console.file
    assert isinstance(file, io.TextIOWrapper)
    file.flush()
    return pixels_of(file.buffer.getvalue().decode())  # type: ignore[attr-defined]


def gentool_in_terminal(words: list[object], folder: Path, **environment: str) -> tuple[int, str]:
    """Exit code and output of a command in a terminal of 100 columns and 40 lines, in all colours."""
    colours = {"COLORTERM": "truecolor", "PYTHONUTF8": "1"}
    code, text = in_terminal(folder, [str(word) for word in words], columns=100, lines=40, **colours, **environment)
    return code, text.replace("\r\n", "\n")


def test_a_picture_that_fits_is_drawn_pixel_by_pixel() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (10, 30, 3), np.uint8)
    console = screen()
    draw(Image.fromarray(picture), console)
    assert (drawn_on(console) == picture).all()


def test_an_odd_height_ends_in_white_and_grey_becomes_colour() -> None:
    picture = np.arange(15, dtype=np.uint8).reshape(3, 5)
    console = screen()
    draw(Image.fromarray(picture), console)
    shown = drawn_on(console)
    assert (shown[:3] == picture[..., None]).all()
    assert (shown[3] == 255).all()


def test_transparent_pixels_are_chequered() -> None:
    console = screen()
    draw(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), console)
    assert {tuple(pixel) for row in drawn_on(console) for pixel in row} == {(255, 255, 255), (204, 204, 204)}


def test_a_large_picture_is_shrunk_to_the_screen() -> None:
    console = screen(lines=24, columns=80)
    draw(Image.new("RGB", (1000, 500), (1, 2, 3)), console)
    assert drawn_on(console).shape == (40, 79, 3)
    console = screen(lines=10, columns=200)
    draw(Image.new("RGB", (500, 1000), (1, 2, 3)), console)
    assert drawn_on(console).shape == (12, 6, 3)


@pytest.mark.parametrize(
    ("height", "width", "lines", "expected"),
    [
        (8, 8, 24, (4, 8, 8, 8)),
        (16, 16, 24, (2, 4, 16, 16)),
        (28, 28, 24, (2, 4, 18, 18)),
        (64, 64, 50, (4, 4, 18, 18)),
        (16, 64, 24, (7, 4, 4, 18)),
        (8, 8, 3, (1, 26, 2, 2)),
    ],
)  # fmt: skip
def test_as_many_images_as_fit_are_drawn(
    height: int, width: int, lines: int, expected: tuple[int, int, int, int]
) -> None:
    console = screen(lines)
    assert layout(height, width, console) == expected
    draw_images(torch.rand(200, 1, height, width), console)
    rows, columns, down, across = expected
    shown = drawn_on(console)
    assert shown.shape[1] == columns * (across + 1) + 1
    assert shown.shape[0] in (rows * (down + 1) + 1, rows * (down + 1) + 2)


def test_images_are_drawn_at_their_own_size_where_they_fit() -> None:
    images = torch.rand(5, 3, 16, 16)
    console = screen()
    draw_images(images, console)
    expected = grid(images, 4, padding=1, scale=1)
    assert (drawn_on(console)[: len(expected)] == expected).all()


def test_the_first_images_of_a_grid_are_as_large_as_images_drawn_by_themselves() -> None:
    images = torch.rand(64, 3, 16, 16)
    picture = Image.fromarray(grid(images))
    shown = first_images(picture, (3, 16, 16), screen())
    assert shown.size == (4 * 66 + 2, 2 * 66 + 2)
    assert (np.asarray(shown) == np.asarray(picture)[: shown.height, : shown.width]).all()
    few = Image.fromarray(grid(images[:2]))
    assert first_images(few, (3, 16, 16), screen()).size == few.size


@pytest.mark.parametrize("colours", [None, "standard"])
def test_few_colours_are_not_enough(colours: str | None) -> None:
    assert shows_pictures(screen())
    assert not shows_pictures(screen(colours=colours))
    latin = Console(file=io.TextIOWrapper(io.BytesIO(), "latin-1"), force_terminal=True, color_system="truecolor")
    assert not shows_pictures(latin)


def test_show_draws_a_file_and_the_last_samples_of_a_run(runs: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (10, 30, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    code, text = gentool_in_terminal(["show", "a.png", runs / "gan"], tmp_path)
    assert code == 0
    first, second = re.split(r"epoch-0001\.png: 530 x 530 pixels,\s+the\s+first\s+of\s+its\s+images", text)
    assert first.startswith("a.png: 30 x 10 pixels\n")
    assert (pixels_of(first) == picture).all()
    assert pixels_of(second).shape == (72, 82, 3)  # 7 of its 8 rows


def test_show_needs_a_terminal_and_a_picture(cli: Callable, runs: Path, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    done = cli("show", "a.png")
    assert (done.code, done.out) == (2, "")
    wanted = "a terminal with UTF-8 and at least 256 colours"
    assert done.err == f"gentool: stdout is not {wanted}; open the file in a viewer\n"
    (tmp_path / "empty").mkdir()
    for name, code, message in [
        ("b.png", 3, "gentool: b.png: not a readable picture: "),
        ("absent.png", 3, "gentool: absent.png: no such file"),
        ("empty", 3, "gentool: empty: no pictures from a run; give a picture file"),
    ]:
        result = gentool_in_terminal(["show", name], tmp_path)
        assert result[0] == code
        assert message in result[1].replace("\n", " ")


def test_samples_are_drawn_in_a_terminal_only(cli: Callable, runs: Path, tmp_path: Path) -> None:
    code, text = gentool_in_terminal(["sample", runs / "gan", "--out", "s.png"], tmp_path)
    assert code == 0
    shown = pixels_of(text)
    with Image.open(tmp_path / "s.png") as picture:
        assert (shown[1:9, 1:9] == np.asarray(picture)[2:66:8, 2:66:8, None]).all()
    assert "▄" not in gentool_in_terminal(["sample", runs / "gan", "--out", "t.png", "--quiet"], tmp_path)[1]
    assert "▄" not in gentool_in_terminal(["sample", runs / "gan", "--out", "u.png"], tmp_path, NO_COLOR="1")[1]
    assert "▄" not in cli("sample", runs / "gan", "--out", "v.png").err
