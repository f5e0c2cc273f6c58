"""Grids, alone and side by side: every pixel where it belongs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gentool.errors import GentoolError
from gentool.figures.grids import (
    GAP,
    HEADING,
    grid,
    labelled_rows,
    legible_scale,
    near_square,
    save_png,
    side_by_side,
    to_pixels,
)


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(1, 13),
    columns=st.integers(1, 15),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    scale=st.integers(1, 3),
    padding=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_every_image_is_in_its_cell_and_the_rest_is_background(
    count: int, columns: int, channels: int, height: int, width: int, scale: int, padding: int, seed: int
) -> None:
    shape = (count, channels, height, width)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    picture = grid(images, columns, padding=padding, scale=scale, background=7)
    columns = min(columns, count)
    rows = -(-count // columns)
    across, down = width * scale + padding, height * scale + padding
    assert picture.dtype == np.uint8
    assert picture.shape[:2] == (rows * down + padding, columns * across + padding)
    assert picture.ndim == (2 if channels == 1 else 3)
    covered = np.zeros(picture.shape[:2], bool)
    for index in range(count):
        for y in range(height * scale):
            for x in range(width * scale):
                top, left = padding + index // columns * down + y, padding + index % columns * across + x
                expected = images[index, :, y // scale, x // scale].numpy()
                assert np.array_equal(np.atleast_1d(picture[top, left]), expected)
                covered[top, left] = True
    assert (picture[~covered] == 7).all()


def test_floats_are_rounded_after_clamping() -> None:
    x = torch.tensor([-1.0, 0.0, 0.4 / 255, 0.6 / 255, 127.4 / 255, 127.6 / 255, 1.0, 7.0]).reshape(1, 1, 1, 8)
    assert to_pixels(x).ravel().tolist() == [0, 0, 0, 1, 127, 128, 255, 255]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uint8_and_float_give_the_same_picture(dtype: torch.dtype) -> None:
    images = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)
    assert np.array_equal(grid(images), grid(images.to(dtype) / 255))
    assert np.array_equal(grid(images), grid(images.numpy()))


def test_bfloat16_images_are_accepted() -> None:
    assert to_pixels(torch.ones(1, 1, 2, 2, dtype=torch.bfloat16)).max() == 255


def test_the_input_is_left_alone() -> None:
    images = torch.full((1, 1, 2, 2), 3.0)
    grid(images)
    assert (images == 3.0).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.tensor([[[[float("nan")]]]]), "NaN"),
        (torch.zeros(1, 2, 4, 4), "1, 3 or 4 channels"),
        (torch.zeros(4, 4), "N, C, H, W"),
        (torch.zeros(0, 1, 4, 4), "no images"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.int64), "int64"),
    ],
)
def test_what_is_no_image_is_refused(images: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grid(images)


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"scale": 0}, {"padding": -1}])
def test_an_impossible_layout_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="make no grid"):
        grid(torch.zeros(1, 1, 4, 4), **wrong)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (10, 4), (25, 5), (64, 8)])
def test_the_default_layout_is_nearly_square(count: int, columns: int) -> None:
    assert near_square(count) == columns


@pytest.mark.parametrize(("side", "scale"), [(8, 8), (24, 3), (28, 3), (32, 2), (64, 1), (256, 1)])
def test_small_images_become_legible(side: int, scale: int) -> None:
    assert legible_scale(side, side * 2) == scale


def test_a_coloured_background_makes_grey_images_rgb() -> None:
    picture = grid(torch.zeros(1, 1, 4, 4), scale=1, padding=1, background=(99, 133, 150))
    assert picture.shape == (6, 6, 3)
    assert picture[0, 0].tolist() == [99, 133, 150]
    assert (picture[1:-1, 1:-1] == 0).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("background", [0, 255])
def test_names_stand_left_of_their_rows_and_never_on_an_image(channels: int, background: int) -> None:
    images = torch.rand(6, channels, 24, 24)
    names = ["original", "reconstruction", "untrained"]
    picture = labelled_rows(images, names, 2, background=background)
    body = grid(images, 2, background=background)
    margin = picture.shape[1] - body.shape[1]
    assert np.array_equal(picture[:, margin:], body)
    written = (picture[:, :margin] != background).reshape(len(picture), margin, -1).any(axis=2)
    down = (len(body) - 2) // 3
    for row in range(3):
        ink = np.flatnonzero(written[row * down : (row + 1) * down + 2].any(axis=1))
        assert len(ink) >= 8, "each row has its name"
        assert abs((ink.min() + ink.max()) / 2 - (down + 2) / 2) <= 5, "in the middle of the row"
    assert not written[:, :3].any()
    assert not written[:, -3:].any()


def test_headings_stand_above_their_columns() -> None:
    images, names = torch.rand(8, 1, 24, 24), ["a", "b"]
    below = labelled_rows(images, names)
    picture = labelled_rows(images, names, headings={0: "one", 3: "four"})
    band, margin = picture[:HEADING], below.shape[1] - grid(images, 4).shape[1]
    assert np.array_equal(picture[HEADING:], below)
    across = (below.shape[1] - margin - 2) / 4
    for column, inked in enumerate([True, False, False, True]):
        start = int(margin + column * across)
        ink = np.flatnonzero((band[:, start : start + int(across)] < 128).any(axis=0))
        assert (len(ink) > 5) == inked
        assert not inked or abs((ink.min() + ink.max()) / 2 - across / 2) <= 3
    assert (band[:, :margin] == 255).all()
    assert (labelled_rows(images, names, headings={0: "one"}, corner="z 1 =")[:HEADING, :margin] < 128).any()


def test_headings_do_not_touch_each_other() -> None:
    images = torch.zeros(6, 1, 24, 24)
    wide = dict.fromkeys(range(6), "a long heading")
    some = dict.fromkeys((0, 2, 4), "a long heading")
    assert np.array_equal(labelled_rows(images, ["a"], headings=wide), labelled_rows(images, ["a"], headings=some))


def test_a_long_name_is_cut_and_small_rows_keep_their_names_apart() -> None:
    images = torch.zeros(12, 1, 8, 8)
    picture = labelled_rows(images, ["a very long class name with\na line break " * 5] * 12, 1, scale=1)
    assert picture.shape[1] < 260
    assert len(picture) == 12 * 10 + 2


@pytest.mark.parametrize(("names", "columns"), [([], 2), (["a"], 3), (["a", "b", "c"], None)])
def test_rows_that_do_not_fill_are_refused(names: list[str], columns: int | None) -> None:
    with pytest.raises(ValueError, match="do not fill"):
        labelled_rows(torch.zeros(4, 1, 4, 4), names, columns)


def test_grids_stand_side_by_side_under_their_names() -> None:
    dark, colour = torch.zeros(4, 1, 64, 64), torch.ones(4, 3, 64, 64) * torch.tensor([1.0, 0, 0])[:, None, None]
    picture = side_by_side({"dark": dark, "red": colour})
    side = 2 * 64 + 3 * 2  # two cells and three margins
    assert picture.shape == (HEADING + side, 2 * side + GAP, 3)
    assert np.array_equal(picture[HEADING:, :side], grid(dark, 2).repeat(3).reshape(side, side, 3))
    assert np.array_equal(picture[HEADING:, side + GAP :], grid(colour, 2))
    assert (picture[HEADING:, side : side + GAP] == 255).all()
    for left in (0, side + GAP):
        assert picture[:HEADING, left : left + side].min() < 100  # a name


def test_fewer_images_leave_white_cells_and_long_names_have_room() -> None:
    name = "a name much longer than its one small picture is wide"
    assert side_by_side({name: torch.zeros(1, 1, 64, 64)}, columns=1).shape[1] > 300
    picture = side_by_side({"x": torch.zeros(4, 1, 64, 64), "y": torch.zeros(1, 1, 64, 64)})
    assert np.unique(picture[-5:, -5:]).tolist() == [255]


def test_no_set_of_images_is_refused() -> None:
    with pytest.raises(ValueError, match="no images to show"):
        side_by_side({})


@pytest.mark.parametrize("channels", [1, 3])
def test_a_saved_picture_reads_back_the_same(tmp_path: Path, channels: int) -> None:
    picture = grid(torch.rand(5, channels, 8, 8))
    path = save_png(picture, tmp_path / "new" / "ünï code.png")
    with Image.open(path) as opened:
        assert opened.format == "PNG"
        assert np.array_equal(np.asarray(opened), picture)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_failed_write_keeps_the_old_picture_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_png(grid(torch.zeros(1, 1, 8, 8)), tmp_path / "a.png")
    before = path.read_bytes()

    def full(self: Image.Image, target: Path, **_: object) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(GentoolError, match=r"a\.png: No space left on device"):
        save_png(grid(torch.ones(1, 1, 8, 8)), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(GentoolError, match=r"a\.png"):
        save_png(grid(torch.zeros(1, 1, 8, 8)), tmp_path / "file" / "a.png")


def test_only_bytes_are_a_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="float32"):
        save_png(torch.zeros(4, 4), tmp_path / "a.png")
