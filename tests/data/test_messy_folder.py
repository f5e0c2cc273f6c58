"""Bad input, by name: each file of a messy folder is read right or listed with its reason."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.data.load import examine, find, load_data
from gentool.data.prepare import PrepareOptions
from gentool.errors import DataError

RED, TEAL = (200, 40, 30), (0, 128, 128)
SIZE = (12, 10)


def plain(mode: str = "RGB", colour: object = RED) -> Image.Image:
    return Image.new(mode, SIZE, colour)  # type: ignore[arg-type]


def palette(transparent: bool) -> Image.Image:
    image = plain().convert("P", palette=Image.Palette.ADAPTIVE)
    if transparent:
        image.info["transparency"] = bytes([0] * 256)
    return image


def sideways(path: Path) -> None:
    """An image whose red left half becomes the lower half when EXIF orientation 8 is applied."""
    pixels = np.zeros((12, 10, 3), np.uint8)
    pixels[:, :5] = RED
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(pixels).save(path, exif=exif)


def billion(path: Path) -> None:
    """A PNG whose header claims 40,000 x 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 40_000, 30_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    folder = tmp_path / "my holiday"
    (folder / "nested" / "deep").mkdir(parents=True)
    plain("1", 1).save(folder / "one.png")
    plain("L", 90).save(folder / "grey.png")
    plain("LA", (90, 128)).save(folder / "grey-alpha.png")
    palette(False).save(folder / "palette.gif")
    palette(True).save(folder / "palette-clear.png", transparency=bytes(256))
    plain("RGBA", (*RED, 0)).save(folder / "clear.png")
    plain().save(folder / "rgb.JPG", quality=95)
    plain("CMYK", (0, 255, 255, 0)).save(folder / "cmyk.jpeg")
    Image.fromarray(np.full((10, 12), 65535, np.uint16)).save(folder / "deep.png")
    frames = [plain(), plain(colour=TEAL)]
    frames[0].save(folder / "film.gif", save_all=True, append_images=frames[1:])
    sideways(folder / "turned.png")
    plain().save(folder / "ein Bild mit Umlaut ü 日本.png")
    plain(colour=TEAL).save(folder / "nested" / "deep" / "inner.bmp")
    plain().save(folder / "no suffix", format="PNG")
    whole = (folder / "rgb.JPG").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (10, 12, 3), np.uint8)).save(folder / "cut.png")
    content = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("I am no picture")
    (folder / "README.txt").write_text("about")
    billion(folder / "billion.png")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "Thumbs.db").write_bytes(b"\0")
    (folder / ".git").mkdir()
    plain().save(folder / ".git" / "hidden.png")
    return folder


def test_every_file_is_read_or_listed(messy: Path) -> None:
    data = load_data(messy, background="white", validation=0, test=0)
    assert data.shape == (3, 10, 12)  # the turned one has been turned, so all have one size
    reasons = {skipped["name"]: skipped["reason"] for skipped in data.info["skipped"]}
    assert set(reasons) == {"truncated.jpg", "cut.png", "empty.png", "text.jpg", "README.txt", "billion.png"}
    assert reasons["empty.png"] == "empty file"
    assert reasons["text.jpg"] == reasons["README.txt"] == "not an image in a known format"
    assert reasons["truncated.jpg"].startswith("damaged: ")
    assert reasons["cut.png"].startswith("damaged: ")
    assert "million pixels" in reasons["billion.png"]
    found = data.info["found"]
    assert found["readable"] == len(data) == 14
    assert found["ignored"] == 3
    assert found["several_frames"] == 1
    assert found["turned_by_exif"] == 1
    assert any("first is used" in note for note in data.info["notes"])


def test_pixels_of_every_mode(messy: Path) -> None:
    """The middle pixel of each, by name: rows are in the order of the names."""
    data = load_data(messy, size=(12, 10), background="white", validation=0, test=0)
    skipped = {one["name"] for one in data.info["skipped"]}
    names = [path.relative_to(messy).as_posix() for path in messy.rglob("*") if path.is_file()]
    names = sorted(n for n in names if n not in skipped and not n.startswith(".") and n != "Thumbs.db")
    middles = dict(zip(names, data.train.images[:, :, 5, 6].tolist(), strict=True))
    turned = data.train.images[names.index("turned.png")]
    assert turned[0].tolist() == [[0] * 12] * 5 + [[RED[0]] * 12] * 5
    white = [255, 255, 255]
    grey_on_white = round(90 * 128 / 255 + 255 * 127 / 255)
    expected = {
        "one.png": white,
        "grey.png": [90] * 3,
        "grey-alpha.png": [grey_on_white] * 3,
        "palette.gif": list(RED),
        "palette-clear.png": white,
        "clear.png": white,
        "rgb.JPG": list(RED),
        "cmyk.jpeg": [255, 0, 0],
        "deep.png": white,
        "film.gif": list(RED),
        "ein Bild mit Umlaut ü 日本.png": list(RED),
        "nested/deep/inner.bmp": list(TEAL),
        "no suffix": list(RED),
    }
    for name, colour in expected.items():
        assert np.abs(np.array(middles[name]) - colour).max() <= 3, name


def test_a_folder_with_nothing_readable_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.jpg").write_text("no")
    with pytest.raises(DataError, match=r"no readable image among 1 file \(a\.jpg: not an image"):
        load_data(tmp_path / "text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="an empty folder of images; expected images"):
        load_data(tmp_path / "empty")


def test_images_that_break_only_when_decoded_leave_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)).save(folder / "a.png")
    content = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(content[:200])
    with pytest.raises(DataError, match="damaged"):
        load_data(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_and_links(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "images", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    plain().save(elsewhere / "outside.png")
    plain(colour=TEAL).save(folder / "inside.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "loop").symlink_to(folder)
    (folder / "linked.png").symlink_to(elsewhere / "outside.png")
    (folder / "dangling.png").symlink_to(elsewhere / "nothing.png")
    info = examine(find(str(folder), PrepareOptions(validation=0, test=0)))
    reasons = {one["name"]: one["reason"] for one in info["skipped"]}
    assert set(reasons) == {"pipe.png", "loop", "dangling.png"}
    assert reasons["pipe.png"] == "not a regular file"
    assert info["found"]["readable"] == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses such names")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    plain().save(folder / "good.png")
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.jpg")).write_text("no")
    except OSError:
        pytest.skip("this file system refuses such names")
    data = load_data(folder, validation=0, test=0)
    assert data.folder is not None
    written = json.loads((data.folder / "dataset.json").read_text(encoding="utf-8"))
    assert written["skipped"][0]["name"] == "\\udcff\\udcfe.jpg"


def test_a_prepared_folder_inside_a_source_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    plain().save(folder / "a.png")
    (folder / "prepared").mkdir()
    for name in ("images.npy", "dataset.json"):
        (folder / "prepared" / name).write_bytes(b"")
    plain().save(folder / "prepared" / "preview.png")
    info = examine(find(str(folder), PrepareOptions(validation=0, test=0)))
    assert info["found"]["readable"] == 1
    assert info["skipped"] == [{"name": "prepared", "reason": "a prepared folder"}]


def images_in(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE, (number, 2 * number, 3 * number)).save(path)


def labels_by_name(folder: Path) -> tuple[tuple[str, ...], list[int] | None, list[str]]:
    data = load_data(folder, validation=0, test=None)
    return data.classes, None if data.labels is None else data.labels.tolist(), data.info["notes"]


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    images_in(tmp_path / "a", "all/dog/1.png", "all/dog/2.png", "all/cat/deep/1.png", "all/cat/2.png", "all/cat/3.png")
    (tmp_path / "a" / "README.txt").write_text("not an image, so not outside the classes")
    classes, labels, notes = labels_by_name(tmp_path / "a")
    assert classes == ("cat", "dog")
    assert labels is not None
    assert sorted(labels) == [0, 0, 0, 1, 1]
    assert "class labels taken from the 2 sub-folders" in notes


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["one/1.png", "one/2.png", "one/3.png"], None),
        (["dog/1.png", "dog/2.png", "cat/1.png", "cat/2.png", "1.png", "2.png"], "no class labels: 2 images outside"),
        (["a/1.png", "b/1.png", "c/1.png"], "no class labels: fewer than two images"),
    ],
)
def test_sub_folders_that_are_no_classes(tmp_path: Path, names: list[str], note: str | None) -> None:
    images_in(tmp_path / "a", *names)
    classes, labels, notes = labels_by_name(tmp_path / "a")
    assert (classes, labels) == ((), None)
    assert note is None or any(text.startswith(note) for text in notes)


def test_folders_named_train_and_test_are_splits(tmp_path: Path) -> None:
    names = [
        f"{split}/{kind}/{i}.png" for split in ("train", "val", "test") for kind in ("cat", "dog") for i in range(3)
    ]
    images_in(tmp_path / "a", *names)
    data = load_data(tmp_path / "a")
    assert [len(split) for split in data.splits.values()] == [6, 6, 6]
    assert data.classes == ("cat", "dog")
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
