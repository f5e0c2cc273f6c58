"""NumPy files and arrays in memory: every usual layout, type and name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gentool.data.arrays import as_pixels, classes_of
from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.data.prepare import PrepareOptions
from gentool.data.store import content_fingerprint
from gentool.errors import DataError, OptionError
from gentool.progress import Reporter

GREY = np.random.default_rng(0).integers(0, 256, (6, 8, 9), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 8, 9, 3), np.uint8)


def loaded(path: Path, **options: Any) -> ImageData:
    return load_data(path, validation=0, **options)


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
    (pixels,), _ = as_pixels([array], ["x"], PrepareOptions(background=(10, 20, 30)))
    assert pixels.tolist() == [[[[10, 20, 30], [200, 100, 0]]]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 5)), "is not rows of square grey images"),
        (np.zeros((3, 12)), "for colour give .N, H, W, 3."),
        (np.zeros((3, 5, 5, 2)), "shape"),
        (np.zeros((0, 8, 8), np.uint8), "shape"),
        (np.full((2, 8, 8), -0.5), "from -0.5 to -0.5; expected 0 to 255, 0 to 1, or up to 16 bits; .x . 1. / 2"),
        (np.full((2, 8, 8), np.nan), "from nan"),
        (np.full((2, 8, 8), 70_000), "from 70000"),
        (np.full((2, 8, 8), 1j), "complex128"),
    ],
)
def test_what_cannot_be_images(array: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_pixels([array], ["x"], PrepareOptions())


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
            load_data(tmp_path / name)


def test_broken_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:200])
    (tmp_path / "b.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "c.npz", other=GREY)
    for name in ("a.npy", "b.npz", "c.npz"):
        with pytest.raises(DataError, match=name):
            load_data(tmp_path / name)


def test_an_array_is_prepared_in_memory_as_its_file_is_on_disk(tmp_path: Path, own_cache: Path) -> None:
    images = np.random.default_rng(2).integers(0, 256, (40, 8, 9, 3), np.uint8)
    numbers = np.arange(40) % 3
    options = {"size": (12, 10), "validation": 0.1, "split_seed": 3}
    data = load_data(images, labels=numbers, **options)
    assert data.folder is None
    assert not own_cache.exists()
    np.savez(tmp_path / "set.npz", images=images, labels=numbers)
    stored = load_data(tmp_path / "set.npz", **options)
    assert data.fingerprint == stored.fingerprint == content_fingerprint(data)
    assert (data.shape, data.classes) == ((3, 10, 12), ("0", "1", "2"))
    for split, expected in zip(data.splits.values(), stored.splits.values(), strict=True):
        assert torch.equal(split.images, expected.images)
        assert split.labels is not None
        assert expected.labels is not None
        assert torch.equal(split.labels, expected.labels)
    assert [len(split) for split in data.splits.values()] == [32, 4, 4]
    assert data.info["counts"] == stored.info["counts"]


@pytest.mark.parametrize(
    "array",
    [
        GREY,
        GREY.tolist(),
        torch.from_numpy(GREY)[:, None],
        torch.from_numpy(GREY)[:, None].double() / 255,
        (GREY / 255).astype(np.float32),
    ],
    ids=["numpy", "lists", "tensor", "tensor of floats", "floats"],
)
def test_arrays_in_memory_of_every_type(array: Any) -> None:
    data = load_data(array, validation=0, test=0)
    assert (data.train.images[:, 0].numpy() == GREY).all()
    assert not data.labelled
    assert data.classes == ()


@pytest.mark.parametrize("labels", [["dog", "cat"] * 3, np.array(["dog", "cat"] * 3)], ids=["list", "array"])
def test_labels_in_memory_may_be_names(labels: Any) -> None:
    data = load_data(GREY, labels=labels, validation=0, test=0)
    assert data.classes == ("cat", "dog")
    assert data.labels is not None
    assert data.labels.tolist() == [1, 0] * 3


def test_a_prepared_array_is_a_copy() -> None:
    array = GREY.copy()
    data = load_data(array, validation=0, test=0)
    array[:] = 0
    assert (data.train.images[:, 0].numpy() == GREY).all()


def test_arrays_in_memory_have_notices_too(reporter: Reporter, notices: list[str]) -> None:
    load_data(np.concatenate([GREY, GREY[:2]]), dedupe=True, reporter=reporter)
    assert notices == ["2 images are exact copies of another one (dropped)"]


def test_what_cannot_be_an_array_in_memory(tmp_path: Path) -> None:
    for labels, shape in (([0, 1], r"\(2,\)"), (5, r"\(\)"), (np.ones((6, 6)), r"\(6, 6\)")):
        with pytest.raises(DataError, match=f"labels: shape {shape}; expected one "):
            load_data(GREY, labels=labels)
    with pytest.raises(DataError, match="the array of images: not an array"):
        load_data([[[1, 2], [3]], [[4, 5], [6, 7]]])
    for name, value in (("source", tmp_path), ("tile", "4"), ("count", 10)):
        with pytest.raises(OptionError, match=f"--{name}: has no effect with an array of images"):
            load_data(GREY, **{name: value})
    with pytest.raises(OptionError, match=r"give either options or keywords \(size\), not both"):
        load_data(GREY, PrepareOptions(), size=32)
    with pytest.raises(OptionError, match=r"'sise' is not an option here\. Did you mean 'size'\?"):
        load_data(GREY, sise=32)
    with pytest.raises(DataError, match=r"the array of images: shape \(2,\)"):
        load_data([1, 2])
    with pytest.raises(
        DataError, match=r"the array of images: float64 values from -1 to .*; expected 0 to 255, 0 to 1"
    ):
        load_data(GREY / 255 - 1)
    np.save(tmp_path / "set.npy", GREY)
    with pytest.raises(OptionError, match="labels: an array for an array of images, a file of labels for image files"):
        load_data(tmp_path / "set.npy", labels=[0] * 6)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64, torch.uint8])
def test_tensors_of_any_type_and_with_gradients(kind: torch.dtype) -> None:
    images = torch.from_numpy(GREY)
    tensor = images.to(kind) if kind is torch.uint8 else (images.float() / 255).round().to(kind).requires_grad_()
    labels = torch.arange(6)[:, None] % 2
    data = load_data(tensor, labels=labels, validation=0, test=0)
    expected = images if kind is torch.uint8 else (images.float() / 255).round().to(torch.uint8) * 255
    assert torch.equal(data.train.images[:, 0].sum(), expected.sum())
    assert data.classes == ("0", "1")
