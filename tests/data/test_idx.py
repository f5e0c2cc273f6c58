"""IDX files: whole ones are read, others are named."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from gentool.data.idx import read_idx
from gentool.data.load import load_data
from gentool.errors import DataError
from gentool.progress import Reporter

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 9, 11), np.uint8)
LABELS = (np.arange(20) % 4).astype(np.uint8)


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_set(folder: Path, packed: bool = True, style: str = "-") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, start, end in (("train", 0, 14), ("t10k", 14, 20)):
        for what, array, rank in (("images", IMAGES, 3), ("labels", LABELS, 1)):
            content = idx(array[start:end])
            path = folder / f"{name}-{what}{style}idx{rank}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.mark.parametrize(("packed", "style"), [(True, "-"), (False, "-"), (False, ".")])
def test_a_folder_of_idx_files(tmp_path: Path, packed: bool, style: str) -> None:
    data = load_data(write_set(tmp_path / "set", packed, style), validation=0)
    assert (data.train.images[:, 0].numpy() == IMAGES[:14]).all()
    assert (data.test.images[:, 0].numpy() == IMAGES[14:]).all()
    assert data.labels is not None
    assert data.labels.tolist() == LABELS.tolist()
    assert data.classes == ("0", "1", "2", "3")
    assert data.info["own_test"]


@pytest.mark.parametrize("below", ["", "raw", "MNIST/raw"])
def test_a_named_set_finds_them_where_torchvision_puts_them(tmp_path: Path, below: str) -> None:
    write_set(tmp_path / "set" / below)
    data = load_data("mnist", source=tmp_path / "set", validation=0)
    assert len(data.train) == 14
    assert len(data.classes) == 10


def test_missing_labels_are_reported(tmp_path: Path, reporter: Reporter, notices: list[str]) -> None:
    folder = write_set(tmp_path / "set")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert not load_data(folder, reporter=reporter).labelled
    assert any("labels not used" in text for text in notices)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"hello world", "not an IDX file"),
        (idx(IMAGES, kind=13), "not an IDX file"),
        (idx(IMAGES)[:9], "cut short"),
        (idx(IMAGES)[:-1], "too short"),
        (idx(IMAGES) + b"x", "too long"),
        (bytes([0, 0, 8, 3]) + struct.pack(">III", 2**31, 2**10, 2**10), "which cannot be right"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as raised:
        read_idx(path.read_bytes(), str(path))
    assert str(path) in str(raised.value)


def test_a_broken_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    for content in (b"\x1f\x8bno gzip", gzip.compress(idx(IMAGES))[:-20]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            read_idx(path.read_bytes(), str(path))


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set")
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    with pytest.raises(DataError, match="20 labels for 14 images"):
        load_data(folder)
    (folder / "other-images-idx3-ubyte").write_bytes(idx(IMAGES))
    with pytest.raises(DataError, match="expected one IDX file of training images"):
        load_data(folder)
