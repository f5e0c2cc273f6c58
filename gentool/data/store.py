"""The prepared folder on disk.

    images.npy    uint8 (N, C, H, W): the training rows, then validation, then test, each block in source order
    labels.npy    int64 (N,), only when the images have classes
    order.npy     int64 (N,): the position of each row in the source
    factors.npy   float32 (N, F), only when the source knows them
    preview.png   some training images
    dataset.json  everything else; written last

It is made in a temporary folder beside its place and renamed, so a folder that is there is whole.
"""

import glob
import hashlib
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gentool.data.images import ImageData, Split
from gentool.data.pipeline import Rows
from gentool.data.preview import preview
from gentool.data.raw import SPLITS, Pixels, Raw
from gentool.errors import DataError
from gentool.figures.grids import save_png

FORMAT, VERSION = "gentool prepared images", 1
DESCRIPTION = "dataset.json"
IN_MEMORY = 2**30
"""Images of more bytes than this are memory-mapped."""
_BLOCK = 4096
_LEFTOVER_SECONDS = 24 * 3600


def is_prepared(folder: Path) -> bool:
    """Whether a folder is (or was once) a prepared folder of ours, whole or damaged."""
    if not folder.is_dir():
        return False
    try:
        found = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return bool(found["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        ours = {"images.npy", "labels.npy", "order.npy", "factors.npy", "preview.png", DESCRIPTION}
        names = {path.name for path in folder.iterdir()}
        return "images.npy" in names and len(names) > 1 and names <= ours


@contextmanager
def building(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder that takes the place of `target` when the block ends well, and is gone otherwise.

    A prepared folder that already is there is replaced with `overwrite`; without, it stays (another process was
    faster). Raises DataError at once when `target` is somebody else's, and when the system refuses to write.
    """
    if target.exists() and not replaceable(target):
        raise DataError(f"{target} exists and is not a prepared folder; choose another place")
    token = f"{os.getpid()}-{secrets.token_hex(4)}"
    temporary = target.with_name(f".{target.name}.{token}.tmp")
    try:
        temporary.mkdir(parents=True)
        _remove_leftovers(target)
        try:
            yield temporary
            _take_place(temporary, target, overwrite)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        there = next(folder for folder in target.absolute().parents if folder.is_dir())
        free = shutil.disk_usage(there).free / 2**20
        raise DataError(
            f"cannot write {target}: {error.strerror or error} ({free:,.0f} MiB free); free some space or choose another place"
        ) from error


def replaceable(target: Path) -> bool:
    """Whether something that exists may be replaced: an empty folder, or a prepared one."""
    return target.is_dir() and (not any(target.iterdir()) or is_prepared(target))


def _remove_leftovers(target: Path) -> None:
    """What an earlier preparation of the same target left when it was killed, once it is a day old."""
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        if leftover.stat().st_mtime < time.time() - _LEFTOVER_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)


def _take_place(temporary: Path, target: Path, overwrite: bool) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    if not replaceable(target):
        raise DataError(f"{target} appeared meanwhile and is not a prepared folder; choose another place")
    if any(target.iterdir()) and not overwrite:
        return
    old = temporary.with_suffix(".old")
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def scratch_in(folder: Path) -> Callable[[tuple[int, ...]], Pixels]:
    """Room for rows: in memory up to 1 GiB, beyond that in a file of the folder."""

    def room(shape: tuple[int, ...]) -> Pixels:
        if math.prod(shape) <= IN_MEMORY:
            return np.empty(shape, np.uint8)
        return np.lib.format.open_memmap(folder / "scratch.npy", mode="w+", dtype=np.uint8, shape=shape)

    return room


def write(folder: Path, rows: Rows, raw: Raw, description: Mapping[str, Any]) -> None:
    """Fill an empty folder with prepared rows; `description` is added to dataset.json."""
    images = rows.images
    assert images is not None
    blocks = [np.flatnonzero(rows.splits == split) for split in range(len(SPLITS))]
    order = np.concatenate(blocks)
    positions = rows.kept[order]
    labels = None if rows.labels is None else rows.labels[order]
    factors = None if raw.factors is None else raw.factors[positions]
    shape = images.shape[1:]
    digest = _content_digest(rows.classes, shape, [len(block) for block in blocks], raw.factor_names)
    with (folder / "images.npy").open("wb") as file:
        head = {"descr": "|u1", "fortran_order": False, "shape": (len(order), *shape)}
        np.lib.format.write_array_header_1_0(file, head)
        for start in range(0, len(order), _BLOCK):
            block = images[positions[start : start + _BLOCK]].tobytes()
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    for name, array in (("labels.npy", labels), ("factors.npy", factors), ("order.npy", positions)):
        if array is not None:
            np.save(folder / name, array, allow_pickle=False)
            if name != "order.npy":
                digest.update(array.tobytes())
    train_labels = None if rows.labels is None else rows.labels[blocks[0]]
    save_png(preview(images, rows.kept[blocks[0]], train_labels, rows.classes), folder / "preview.png")
    content = {
        "format": FORMAT,
        "version": VERSION,
        **description,
        **rows.facts(),
        "factors": list(raw.factor_names),
        "fingerprint": digest.hexdigest(),
        **rows.info,
    }
    with (folder / DESCRIPTION).open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False, default=str)
        file.flush()
        os.fsync(file.fileno())


def _content_digest(
    classes: tuple[str, ...], shape: tuple[int, ...], counts: list[int], factors: tuple[str, ...]
) -> Any:
    head = json.dumps([list(classes), list(shape), counts, list(factors)], ensure_ascii=True)
    return hashlib.sha256(head.encode())


def open_prepared(folder: Path) -> ImageData:
    """The images of a prepared folder; memory-mapped when they are larger than 1 GiB.

    Raises DataError that says what is damaged.
    """
    info = _description(folder)
    try:
        counts = [int(info["counts"][name]) for name in SPLITS]
        shape = tuple(int(side) for side in info["shape"])
        classes = tuple(str(name) for name in info["classes"])
        name, fingerprint, labelled = str(info["name"]), str(info["fingerprint"]), bool(info["labelled"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, f"{DESCRIPTION} lacks or garbles {error}") from None
    images = _array(folder, "images.npy", np.uint8, (sum(counts), *shape))
    labels = None
    if labelled:
        labels = _array(folder, "labels.npy", np.int64, (sum(counts),))
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
            raise _damaged(folder, "labels.npy holds labels that are no class")
    every = torch.from_numpy(images)
    every_label = None if labels is None else torch.from_numpy(labels)
    ends = np.cumsum(counts)
    train, validation, test = (
        Split(every[end - count : end], None if every_label is None else every_label[end - count : end])
        for count, end in zip(counts, ends.tolist(), strict=True)
    )
    return ImageData(name, classes, fingerprint, folder, train, validation, test, info)


def content_fingerprint(data: ImageData) -> str:
    """The fingerprint computed anew from the content of a prepared set, to be compared with the one it states."""
    shape = data.shape
    digest = _content_digest(data.classes, shape, [len(s) for s in data.splits.values()], tuple(data.info["factors"]))
    for split in data.splits.values():
        for start in range(0, len(split), _BLOCK):
            digest.update(split.images[start : start + _BLOCK].numpy().tobytes())
    for rows in (data.labels, data.factors()):
        if rows is not None:
            digest.update(rows.numpy().tobytes())
    return str(digest.hexdigest())


def _description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _damaged(folder, f"{DESCRIPTION} cannot be read ({error.strerror})") from None
    except ValueError:
        raise _damaged(folder, f"{DESCRIPTION} is not whole") from None
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise DataError(
            f"{path}: not the description of a prepared folder; give the folder that `gentool prepare` wrote"
        )
    if not isinstance(info.get("version"), int) or info["version"] > VERSION:
        raise DataError(
            f"{folder}: prepared by a newer gentool (format {info.get('version')}); update gentool or prepare again"
        )
    return info


def _array(folder: Path, name: str, kind: type, shape: tuple[int, ...]) -> NDArray[Any]:
    path = folder / name
    large = math.prod(shape) * np.dtype(kind).itemsize > IN_MEMORY
    try:
        # Copy-on-write mapping: torch wants writable memory, the file stays as it is.
        array: NDArray[Any] = np.load(path, mmap_mode="c" if large else None, allow_pickle=False)
    except FileNotFoundError:
        raise _damaged(folder, f"{name} is missing") from None
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, f"{name} cannot be read ({error})") from None
    if array.dtype != kind or array.shape != shape:
        expected = f"{np.dtype(kind).name} {shape}"
        raise _damaged(folder, f"{name} holds {array.dtype} {array.shape} instead of {expected}")
    return array


def _damaged(folder: Path, what: str) -> DataError:
    return DataError(f"{folder}: the prepared folder is damaged: {what}; prepare it again with `gentool prepare`")
