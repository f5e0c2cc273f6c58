"""Sprite sheets."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.data.load import load_data
from gentool.errors import DataError, OptionError


def test_tiles_row_by_row(tmp_path: Path) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (6, 10, 8, 3), np.uint8)
    sheet = tiles.reshape(2, 3, 10, 8, 3).swapaxes(1, 2).reshape(20, 24, 3)
    Image.fromarray(sheet).save(tmp_path / "sheet.png")
    data = load_data(tmp_path / "sheet.png", tile=(8, 10), validation=0, test=0)
    assert (data.train.images.numpy() == tiles.transpose(0, 3, 1, 2)).all()


def test_clear_tiles_are_skipped_and_the_others_flattened(tmp_path: Path) -> None:
    sheet = np.zeros((8, 24, 4), np.uint8)
    sheet[:, 8:16] = (1, 2, 3, 255)
    sheet[0, 8] = sheet[0, 16] = (9, 9, 9, 255)
    Image.fromarray(sheet).save(tmp_path / "sheet.png")
    data = load_data(tmp_path / "sheet.png", tile=8, background="#0a0b0c", validation=0, test=0)
    assert data.info["skipped"] == [{"name": "tile 0", "reason": "wholly transparent"}]
    assert data.train.images[:, :, 7, 7].tolist() == [[1, 2, 3], [10, 11, 12]]


@pytest.mark.parametrize("border", [0, 2])
def test_lines_between_tiles_and_blank_tiles(tmp_path: Path, border: int) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), np.uint8)
    sheet = np.full((2 * 10 - 2 + 2 * border, 3 * 11 - 2 + 2 * border, 3), 40, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = border + number // 3 * 10, border + number % 3 * 11
        sheet[top : top + 8, left : left + 9] = tile
    Image.fromarray(sheet).save(tmp_path / "sheet.png")
    data = load_data(tmp_path / "sheet.png", tile="9x8", gap=2, validation=0, test=0)
    assert (data.train.images.numpy() == tiles.transpose(0, 3, 1, 2)).all()
    assert data.info["skipped"] == [{"name": "tile 5", "reason": "of one colour"}]
    with pytest.raises(DataError, match="if lines separate the tiles, give --gap"):
        load_data(tmp_path / "sheet.png", tile="9x8")


def test_a_sheet_of_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    tiles = np.random.default_rng(0).integers(0, 256, (20, 80), np.uint8)
    Image.fromarray(tiles).save(tmp_path / "sheet.png")
    assert len(load_data(tmp_path / "sheet.png", tile="20", validation=0, test=0).train) == 4
    assert Image.MAX_IMAGE_PIXELS == 100


def test_what_is_no_sheet(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("text")
    with pytest.raises(DataError, match="20x20 pixels do not divide into tiles of 8x8"):
        load_data(tmp_path / "a.png", tile="8")
    with pytest.raises(DataError, match="--tile needs one readable image"):
        load_data(tmp_path / "b.png", tile="8")
    with pytest.raises(DataError, match="give --tile"):
        load_data(tmp_path / "a.png")
    with pytest.raises(OptionError, match="is a folder"):
        load_data(tmp_path, tile="8")
