"""Picture files and indices of a data set as tensors in a model's shape."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentool.data.images import ImageData, Split
from gentool.errors import DataError, OptionError
from gentool.latent.images import indexed_images, read_pictures
from gentool.options import indices
from gentool.progress import Reporter


def image_data(*counts: int, shape: tuple[int, int, int] = (1, 8, 8)) -> ImageData:
    """Splits of these sizes; every pixel of image i in stored order is i."""
    values = torch.arange(sum(counts), dtype=torch.uint8)[:, None, None, None].expand(-1, *shape)
    train, validation, test = (Split(part) for part in values.split(list(counts)))
    return ImageData("mine", (), "", None, train, validation, test)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_the_right_shape_is_read_exactly(
    tmp_path: Path, reporter: Reporter, notices: list[str], channels: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, channels), np.uint8)
    Image.fromarray(pixels.squeeze()).save(tmp_path / "a b.PNG")
    x = read_pictures([tmp_path / "a b.PNG"] * 2, (channels, 12, 8), reporter=reporter)
    assert x.shape == (2, channels, 12, 8)
    assert torch.equal((x[1] * 255).round(), torch.from_numpy(pixels).permute(2, 0, 1).float())
    assert notices == []


def test_another_shape_is_fitted_with_a_notice(tmp_path: Path, reporter: Reporter, notices: list[str]) -> None:
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:24] = 255, 0, 0  # the middle 16 columns: half red, half black
    Image.fromarray(wide).save(tmp_path / "wide.png")
    x = read_pictures([tmp_path / "wide.png"], (3, 8, 8), reporter=reporter)
    assert x[0, 0, 3].tolist() == [1] * 4 + [0] * 4
    assert x[0, 1:].max() == 0
    grey = read_pictures([tmp_path / "wide.png"], (1, 16, 48), reporter=reporter)
    assert grey[0, 0, 0, 16] == pytest.approx(76 / 255)
    assert notices == [
        f"{tmp_path / 'wide.png'}: 48x16 colour, resized to the model's 8x8 colour",
        f"{tmp_path / 'wide.png'}: 48x16 colour, resized to the model's 48x16 grey",
    ]


def test_transparency_and_animations_are_noticed(tmp_path: Path, reporter: Reporter, notices: list[str]) -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4, :, 3] = 255
    Image.fromarray(clear).save(tmp_path / "clear.png")
    film = [Image.new("L", (8, 8), level) for level in (40, 200)]
    film[0].save(tmp_path / "film.gif", save_all=True, append_images=film[1:])
    x = read_pictures([tmp_path / "clear.png", tmp_path / "film.gif"], (1, 8, 8), reporter=reporter)
    assert x[0, 0, :, 0].tolist() == [0] * 4 + [1] * 4
    assert (x[1] * 255).unique().tolist() == pytest.approx([40])
    assert [line.split(": ", 1)[1] for line in notices] == [
        "its transparent parts become white",
        "an animation; its first frame is used",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.png", None, "no such picture"),
        ("text.jpg", b"hello", "not a readable picture: not an image in a known format"),
        ("empty.png", b"", "not a readable picture: empty file"),
        (".", None, "a folder; give picture files"),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as refused:
        read_pictures([tmp_path / name], (1, 8, 8))
    assert str(refused.value).startswith(f"{tmp_path / name}: ")


def test_indices_follow_the_stored_order(reporter: Reporter, notices: list[str]) -> None:
    x = indexed_images(image_data(5, 2, 3), [0, 4, 5, 7, 9, 0], (1, 8, 8), reporter=reporter)
    assert (x[:, 0, 0, 0] * 255).round().tolist() == [0, 4, 5, 7, 9, 0]
    assert notices == []
    with pytest.raises(OptionError, match="--index: 10 is out of range; mine has images 0 to 9"):
        indexed_images(image_data(5, 2, 3), [3, 10], (1, 8, 8), reporter=reporter)


def test_indexed_images_of_another_shape_are_fitted(reporter: Reporter, notices: list[str]) -> None:
    x = indexed_images(image_data(5, 2, 3, shape=(1, 16, 24)), [7], (3, 8, 8), reporter=reporter)
    assert x.shape == (1, 3, 8, 8)
    assert ((x * 255).round() == 7).all()
    assert notices == ["mine: 24x16 grey, resized to the model's 8x8 colour"]


def test_indices_are_whole_numbers() -> None:
    assert indices("3, 17,3") == (3, 17, 3)
    for text in ("", "3,", "-1", "1.5", "a", "²"):
        with pytest.raises(ValueError, match="such as 3,17"):
            indices(text)
