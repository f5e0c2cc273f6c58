"""The prepared folder on disk.

    images.npy    uint8 (N, C, H, W): the training rows, then validation, then test, each block in source order
    labels.npy    int64 (N,), only when the images have classes
    order.npy     int64 (N,): the position of each row in the source
    factors.npy   float32 (N, F), only when the source knows them
    preview.png   some training images
    dataset.json  everything else; written last

It is made in a temporary folder beside its place and renamed, so a folder that is there is whole.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gentool.data.images import ImageData, Split
from gentool.data.pipeline import IN_MEMORY, Rows
from gentool.data.raw import SPLITS, Raw
from gentool.errors import DataError
from gentool.figures.grids import grid, labelled_rows, save_png

FORMAT, VERSION = "gentool prepared images", 1
DESCRIPTION = "dataset.json"
_BLOCK = 4096
_PREVIEW_COLUMNS, _PREVIEW_ROWS, _MOST_NAMED_ROWS = 12, 8, 20


def is_prepared(folder: Path) -> bool:
    """Whether a folder is (or was once) a prepared folder of ours, whole or damaged."""
    if not folder.is_dir():
        return False
    try:
        return json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        ours = {"images.npy", "labels.npy", "order.npy", "factors.npy", "preview.png", DESCRIPTION}
        names = {path.name for path in folder.iterdir()}
        return "images.npy" in names and len(names) > 1 and names <= ours


@contextmanager
def building(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder that takes the place of `target` when the block ends well, and is gone otherwise.

    Where `target` already is a prepared folder, it is replaced with `overwrite` and wins without it (another process
    was faster). Raises DataError when the system refuses, or when `target` is somebody else's.
    """
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        temporary.mkdir(parents=True)
        try:
            yield temporary
            _take_place(temporary, target, overwrite)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        free = ""
        if temporary.parent.is_dir():
            free = f" ({shutil.disk_usage(temporary.parent).free / 2**20:,.0f} MiB free)"
        reason = error.strerror or str(error)
        raise DataError(f"cannot write {target}: {reason}{free}; free some space or choose another place") from error


def _take_place(temporary: Path, target: Path, overwrite: bool) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    if not target.is_dir() or (any(target.iterdir()) and not is_prepared(target)):
        raise DataError(f"{target} exists and is not a prepared folder; choose another --out")
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
    train = blocks[0]
    _preview(folder, images[rows.kept[_chosen(train, rows)]], rows)
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


def _chosen(train: NDArray[np.int64], rows: Rows) -> NDArray[np.int64]:
    """Rows for the preview: spread over the training images; of each class alike when there are few classes."""
    if rows.labels is None or not 1 < len(rows.classes) <= _MOST_NAMED_ROWS:
        count = min(len(train), _PREVIEW_COLUMNS * _PREVIEW_ROWS)
        return train[np.linspace(0, len(train) - 1, count).astype(np.int64)]
    of_class = [train[rows.labels[train] == number] for number in range(len(rows.classes))]
    columns = min(_PREVIEW_COLUMNS, *(len(found) for found in of_class))
    if columns == 0:
        return train[: _PREVIEW_COLUMNS * _PREVIEW_ROWS]
    return np.concatenate([found[np.linspace(0, len(found) - 1, columns).astype(np.int64)] for found in of_class])


def _preview(folder: Path, images: NDArray[np.uint8], rows: Rows) -> None:
    named = (
        rows.labels is not None and 1 < len(rows.classes) <= _MOST_NAMED_ROWS and len(images) % len(rows.classes) == 0
    )
    picture = labelled_rows(images, rows.classes) if named else grid(images, _PREVIEW_COLUMNS)
    save_png(picture, folder / "preview.png")


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
    large = np.prod(shape, dtype=np.int64) * np.dtype(kind).itemsize > IN_MEMORY
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
