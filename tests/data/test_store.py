"""The prepared folder: what goes in comes out, damage is named, an interruption leaves nothing behind."""

import errno
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from gentool.data import images, store
from gentool.data.images import ImageData, array_in, as_tensor
from gentool.data.load import load_data
from gentool.data.pipeline import prepare_rows
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import from_arrays
from gentool.data.store import content_fingerprint, open_prepared, scratch_in, write
from gentool.data.target import building, is_prepared
from gentool.errors import DataError, GentoolError


def prepare(
    target: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None = None,
    overwrite: bool = False,
    **options: Any,
) -> ImageData:
    classes = [] if labels is None else [str(i) for i in range(int(labels.max()) + 1)]
    raw = from_arrays("array", images, labels, classes=classes)
    with building(target, overwrite) as folder:
        rows = prepare_rows(raw, PrepareOptions(**options), scratch=scratch_in(folder, raw))
        write(folder, rows, raw, {"name": "set", "source": {"path": "here"}})
        del rows
    return open_prepared(target)


def some(count: int = 20, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 9, 3), np.uint8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    st.integers(3, 40),
    st.integers(8, 12),
    st.integers(8, 12),
    st.sampled_from([1, 3]),
    st.floats(0, 0.3),
    st.floats(0, 0.3),
    st.integers(0, 99),
    st.booleans(),
)
def test_round_trip(
    tmp_path: Path,
    count: int,
    height: int,
    width: int,
    channels: int,
    validation: float,
    test: float,
    seed: int,
    labelled: bool,
) -> None:
    """Every image is there once, with its label, where its position in the source says."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, height, width, channels), np.uint8)
    labels = generator.integers(0, 4, count) if labelled else None
    target = tmp_path / "set"
    shutil.rmtree(target, ignore_errors=True)
    data = prepare(target, images, labels, validation=validation, test=test, split_seed=seed)
    order = data.source_positions()
    assert order is not None
    assert sorted(order.tolist()) == list(range(count))
    whole = data.whole()
    assert (whole.images.numpy().transpose(0, 2, 3, 1) == images[order.numpy()]).all()
    assert data.shape == (channels, height, width)
    assert data.labelled == labelled
    if labels is not None:
        assert whole.labels is not None
        assert whole.labels.tolist() == labels[order.numpy()].tolist()
    start = 0
    for split in data.splits.values():  # source order inside each block
        block = order[start : start + len(split)].tolist()
        assert block == sorted(block)
        start += len(split)
    assert len(data) == start == count
    assert content_fingerprint(data) == data.fingerprint
    assert data.train.images.dtype == torch.uint8


def test_the_folder(tmp_path: Path) -> None:
    data = prepare(tmp_path / "set", some(), np.arange(20) % 3)
    names = {"images.npy", "labels.npy", "order.npy", "dataset.json", "preview.png"}
    assert {path.name for path in (tmp_path / "set").iterdir()} == names
    assert np.load(tmp_path / "set" / "images.npy", mmap_mode="r").shape == (20, 3, 8, 9)
    info = json.loads((tmp_path / "set" / "dataset.json").read_text(encoding="utf-8"))
    assert info == data.info
    assert info["counts"] == {"train": 17, "validation": 1, "test": 2}
    assert sum(sum(numbers) for numbers in info["class_counts"].values()) == 20


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    labels = np.arange(20) % 3
    first = prepare(tmp_path / "a", some(), labels).fingerprint
    assert prepare(tmp_path / "b", some(), labels).fingerprint == first
    assert prepare(tmp_path / "c", some(), labels[::-1].copy()).fingerprint != first
    assert prepare(tmp_path / "d", some(seed=1), labels).fingerprint != first
    assert prepare(tmp_path / "e", some(), labels, split_seed=5).fingerprint != first


def test_large_sets_are_memory_mapped_and_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = prepare(tmp_path / "small", some())
    monkeypatch.setattr(store, "IN_MEMORY", 100)
    monkeypatch.setattr(images, "IN_MEMORY", 100)
    large = prepare(tmp_path / "large", some())
    assert large.fingerprint == small.fingerprint
    assert (large.train.images == small.train.images).all()
    assert not (tmp_path / "large" / "scratch.npy").exists()


def test_large_sets_of_files_are_kept_aside_and_the_same(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files").mkdir()
    for number, pixels in enumerate(some()):
        Image.fromarray(pixels).save(tmp_path / "files" / f"{number:02d}.png")
    small = load_data(tmp_path / "files", size=(9, 8))
    monkeypatch.setattr(store, "IN_MEMORY", 100)
    large = load_data(tmp_path / "files", size=(9, 8), split_seed=1)
    assert large.fingerprint != small.fingerprint
    assert large.folder is not None
    assert not (large.folder / "scratch.npy").exists()
    assert sorted(image.numpy().tobytes() for image in large.whole().images) == sorted(
        image.numpy().tobytes() for image in small.whole().images
    )


def test_pixels_that_are_read_twice_are_the_same_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only the last image says what all need: here that 1 is not white, and that there are colours."""
    for name, source in {
        "binary": some() % 2,
        "late": np.concatenate([some()[..., :1].repeat(3, 3) % 2, some()]),
    }.items():
        small = prepare(tmp_path / f"small-{name}", source)
        with monkeypatch.context() as patch:
            patch.setattr(store, "IN_MEMORY", 100)
            assert prepare(tmp_path / f"large-{name}", source).fingerprint == small.fingerprint


@pytest.mark.skipif(sys.platform != "linux", reason="needs sparse files, and Linux's accounts of memory")
def test_a_set_larger_than_the_machines_memory_is_mapped(tmp_path: Path) -> None:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    shape = (3 * pages // 12288, 3, 64, 64)
    with (tmp_path / "images.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + math.prod(shape))
    mapped = as_tensor(array_in(tmp_path, "images.npy", np.uint8, shape))
    assert mapped[-1].sum() == 0


def test_a_set_without_room_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path / "set", some())

    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(np, "load", full)
    with pytest.raises(
        GentoolError, match=r"not enough memory or address space \(ulimit -v\) for its 0.0 GiB"
    ) as raised:
        open_prepared(tmp_path / "set")
    assert not isinstance(raised.value, DataError)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path, **changes: Any) -> None:
    info = json.loads(path.read_text(encoding="utf-8"))
    info.update(changes)
    path.write_text(json.dumps(info), encoding="utf-8")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no images": (lambda f: (f / "images.npy").unlink(), "images.npy is missing"),
    "no labels": (lambda f: (f / "labels.npy").unlink(), "labels.npy is missing"),
    "cut images": (lambda f: cut(f / "images.npy"), "images.npy cannot be read"),
    "empty images": (lambda f: (f / "images.npy").write_bytes(b""), "images.npy cannot be read"),
    "other images": (lambda f: np.save(f / "images.npy", np.zeros((3, 3))), "images.npy holds float64"),
    "pickled labels": (lambda f: np.save(f / "labels.npy", np.array([print])), "labels.npy cannot be read"),
    "wild labels": (lambda f: np.save(f / "labels.npy", np.full(20, 9)), "labels outside the classes"),
    "few labels": (lambda f: np.save(f / "labels.npy", np.zeros(3, np.int64)), "labels.npy holds int64"),
    "cut description": (lambda f: cut(f / "dataset.json"), "dataset.json is incomplete"),
    "no description": (lambda f: (f / "dataset.json").unlink(), "dataset.json cannot be read"),
    "no counts": (lambda f: edit(f / "dataset.json", counts={}), "dataset.json has a missing or wrong entry"),
    "other counts": (lambda f: edit(f / "dataset.json", counts={"train": 1, "validation": 1, "test": 1}), "images.npy"),
    "newer": (lambda f: edit(f / "dataset.json", version=99), "newer gentool"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "set"
    prepare(folder, some(), np.arange(20) % 3)
    harm, message = DAMAGE[damage]
    harm(folder)
    with pytest.raises(DataError, match=message) as raised:
        open_prepared(folder)
    assert str(folder) in str(raised.value)
    assert is_prepared(folder)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "order.npy", "dataset.json"])
@pytest.mark.parametrize("place", [-1, -9, 200])
def test_changed_bytes_are_found_when_a_set_is_opened(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: int, large: bool
) -> None:
    if large:
        monkeypatch.setattr(store, "VERIFIED", 0)
    prepare(tmp_path / "set", some(), np.arange(20) % 3)
    path = tmp_path / "set" / name
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="the prepared folder is damaged"):
        open_prepared(tmp_path / "set")


def test_a_large_set_is_checked_once(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "VERIFIED", 0)
    prepare(tmp_path / "set", some(), np.arange(20) % 3)
    open_prepared(tmp_path / "set")
    with monkeypatch.context() as patch:
        patch.setattr(store, "content_fingerprint", lambda data: pytest.fail("it was checked again"))
        open_prepared(tmp_path / "set")
    path = tmp_path / "set" / "images.npy"
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if the disk had lost it
    assert content_fingerprint(open_prepared(tmp_path / "set")) != open_prepared(tmp_path / "set").fingerprint


def test_a_damaged_set_stays_until_it_can_be_prepared_again(own_cache: Path, tmp_path: Path) -> None:
    source = tmp_path / "cats"
    source.mkdir()
    for number in range(20):
        Image.new("RGB", (64, 64), (number, 90, 9)).save(source / f"{number}.png")
    folder = load_data("cats", source=source).folder
    assert folder is not None
    source.rename(tmp_path / "elsewhere")
    (folder / "images.npy").write_bytes(b"x")
    with pytest.raises(DataError):
        load_data("cats")
    assert (folder / "images.npy").read_bytes() == b"x"
    (tmp_path / "elsewhere").rename(source)
    assert len(load_data("cats")) == 20


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with building(tmp_path / "set") as folder:
            (folder / "images.npy").write_bytes(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_preparation_left_is_no_prepared_folder(tmp_path: Path) -> None:
    """It is hidden beside its target, is not the target, and goes once it is old."""
    left = tmp_path / ".0123abcd-set.01234567-123.tmp"
    left.mkdir()
    (left / "images.npy").write_bytes(b"half")
    prepare(tmp_path / "set", some())
    assert left.exists()
    os.utime(left, (time.time() - 2 * 24 * 3600,) * 2)
    prepare(tmp_path / "set", some(), overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def test_overwrite_replaces_only_what_is_ours(tmp_path: Path) -> None:
    first = prepare(tmp_path / "set", some())
    assert prepare(tmp_path / "set", some(seed=1)).fingerprint == first.fingerprint  # the faster one wins
    assert prepare(tmp_path / "set", some(seed=1), overwrite=True).fingerprint != first.fingerprint
    strange = tmp_path / "arrays"
    strange.mkdir()
    for name in ("images.npy", "labels.npy", "dataset.json"):
        (strange / name).write_text("mine")
    for target in (strange, strange / "images.npy"):
        with pytest.raises(DataError, match="is not a prepared folder"):
            prepare(target, some(), overwrite=True)
    assert (strange / "images.npy").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert len(prepare(tmp_path / "empty", some())) == 20


def test_a_failed_replacement_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(tmp_path / "set", some())
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.suffix == ".tmp" and "-old-" not in path.name:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(GentoolError, match=r"cannot write .*No space left on device \([\d,]+ MiB free\)"):
        prepare(tmp_path / "set", some(seed=1), overwrite=True)
    assert open_prepared(tmp_path / "set").fingerprint == first.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(GentoolError, match="cannot write"):
        prepare(tmp_path / "file" / "set", some())
