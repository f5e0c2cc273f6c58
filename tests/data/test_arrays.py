"""NumPy files: every usual layout, type and name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gentool.data.arrays import as_pixels, classes_of
from gentool.data.images import ImageData
from gentool.data.load import load
from gentool.data.prepare import PrepareOptions
from gentool.errors import DataError

GREY = np.random.default_rng(0).integers(0, 256, (6, 8, 9), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 8, 9, 3), np.uint8)


def loaded(path: Path, **options: Any) -> ImageData:
    return load(str(path), PrepareOptions(validation=0, **options), notice=lambda text: None)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, GREY[:, None]),
        (GREY[..., None], GREY[:, None]),
        (GREY[:, None], GREY[:, None]),
        (COLOUR, COLOUR.transpose(0, 3, 1, 2)),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR.transpose(0, 3, 1, 2)),
        ((GREY / 255).astype(np.float32), GREY[:, None]),
        (GREY / 255, GREY[:, None]),
        (GREY.astype(np.int64), GREY[:, None]),
        (GREY.astype(np.uint16) * 257, GREY[:, None]),
        (GREY > 100, (GREY > 100)[:, None] * np.uint8(255)),
    ],
)
def test_layouts_and_types(tmp_path: Path, array: NDArray[Any], expected: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "set.npy", array)
    assert (loaded(tmp_path / "set.npy", test=0).train.images.numpy() == expected).all()


def test_transparency_is_flattened() -> None:
    array = np.zeros((1, 1, 2, 4), np.uint8)
    array[0, 0, 1] = (200, 100, 0, 255)
    assert as_pixels(array, "x", (10, 20, 30)).tolist() == [[[[10, 20, 30], [200, 100, 0]]]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4)), "shape"),
        (np.zeros((3, 5, 5, 2)), "shape"),
        (np.zeros((0, 8, 8), np.uint8), "shape"),
        (np.full((2, 8, 8), -0.5), "from -0.5 to -0.5; expected uint8, or floats from 0 to 1"),
        (np.full((2, 8, 8), np.nan), "from nan"),
        (np.full((2, 8, 8), 300), "from 300"),
        (np.full((2, 8, 8), 1j), "complex128"),
    ],
)
def test_what_cannot_be_images(array: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_pixels(array, "x", (0, 0, 0))


def test_npz_with_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=GREY, labels=np.array([0, 1, 2, 0, 1, 2]))
    data = loaded(tmp_path / "set.npz", test=0)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.classes == ("0", "1", "2")


def test_npz_as_keras_has_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "k.npz", x_train=GREY[:4], y_train=[0, 1, 0, 1], x_test=GREY[4:], y_test=[1, 0])
    data = loaded(tmp_path / "k.npz")
    assert (data.test.images[:, 0].numpy() == GREY[4:]).all()
    assert data.test.labels is not None
    assert data.test.labels.tolist() == [1, 0]


def test_names_and_gaps_become_classes() -> None:
    numbers, names = classes_of(np.array(["dog", "cat", "dog"]))
    assert (numbers.tolist(), names) == ([1, 0, 1], ["cat", "dog"])
    numbers, names = classes_of(np.array([7, 3, 7]))
    assert (numbers.tolist(), names) == ([1, 0, 1], ["3", "7"])


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([print], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "evil.npz", images=np.array([print], dtype=object))
    for name in ("evil.npy", "evil.npz"):
        with pytest.raises(DataError, match=r"not a readable \.np"):
            load(str(tmp_path / name))


def test_broken_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:200])
    (tmp_path / "b.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "c.npz", other=GREY)
    for name in ("a.npy", "b.npz", "c.npz"):
        with pytest.raises(DataError, match=name):
            load(str(tmp_path / name))
