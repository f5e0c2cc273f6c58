"""The prepared folder on disk.

    images.npy    uint8 (N, C, H, W): the training rows, then validation, then test, each block in source order
    labels.npy    int64 (N,), only when the images have classes
    order.npy     int64 (N,): the position of each row in the source
    factors.npy   float32 (N, F), only when the source knows them
    preview.png   some training images
    dataset.json  everything else, with a SHA-256 of itself and order.npy; written last

It is made in a temporary folder beside its place and renamed, so a folder that exists is complete.
"""

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gentool.data import cache
from gentool.data.images import IN_MEMORY, ImageData, Split, array_in, as_tensor, damaged
from gentool.data.pipeline import Rows
from gentool.data.prepare import LARGEST
from gentool.data.preview import preview
from gentool.data.raw import SPLITS, Pixels, Raw
from gentool.data.survey import Progress, silent
from gentool.data.target import DESCRIPTION, FORMAT, SCRATCH
from gentool.errors import DataError, GentoolError
from gentool.figures.grids import save_png
from gentool.files import reserve, text_digest
from gentool.reading import Each, Maybe, check, read_json, shown

VERSION = 1
VERIFIED = 2**28
"""Data sets up to this number of bytes are checked against their fingerprint whenever they are opened, in a quarter of
a second; larger ones when they are first opened, and when their files have changed."""
_BLOCK = 4096
MOST_ROWS = 10**9
FORM = {
    "name": str, "fingerprint": str, "labelled": bool, "classes": [str], "shape": [int], "factors": [str],
    "counts": dict.fromkeys(SPLITS, int), "class_counts": Maybe(Each([int])), "photographic": Maybe(bool),
    "source": {"path": str}, "own_test": bool, "range": Maybe([int]), "notes": [str],
    "found": {"kind": str, "sizes": Each(int), "modes": Each(int), "ignored": int},
    "layout": Maybe([{"folder": str, "role": str, "images": int, "classes": Each(int)}]),
    "skipped": [{"name": str, "reason": str}], "duplicates": {"copies": int},
}  # fmt: skip
"""What is used of dataset.json."""


def scratch_in(folder: Path, raw: Raw) -> Callable[[tuple[int, ...]], Pixels | None]:
    """Room for the rows of a source: in memory up to 1 GiB, beyond that in a file of the folder.

    None for more than that of a source of pixels, which can be read twice.
    """

    def room(shape: tuple[int, ...]) -> Pixels | None:
        if math.prod(shape) <= IN_MEMORY:
            return np.empty(shape, np.uint8)
        if raw.uniform:
            return None
        rows = np.lib.format.open_memmap(folder / SCRATCH, mode="w+", dtype=np.uint8, shape=shape)
        reserve(folder / SCRATCH)
        return rows

    return room


def write(folder: Path, rows: Rows, raw: Raw, description: Mapping[str, Any], on_progress: Progress = silent) -> None:
    """Fill an empty folder with prepared rows; `description` is added to dataset.json."""
    images = rows.images
    assert images is not None
    blocks = [np.flatnonzero(rows.splits == split) for split in range(len(SPLITS))]
    order = np.concatenate(blocks)
    positions = rows.readable[order]
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
            on_progress(min(start + _BLOCK, len(order)), len(order))
        file.flush()
        os.fsync(file.fileno())
    for name, array in (("labels.npy", labels), ("factors.npy", factors), ("order.npy", positions)):
        if array is not None:
            np.save(folder / name, array, allow_pickle=False)
            if name != "order.npy":
                digest.update(array.tobytes())
    train_labels = None if rows.labels is None else rows.labels[blocks[0]]
    save_png(preview(images, rows.readable[blocks[0]], train_labels, rows.classes), folder / "preview.png")
    content = {
        "format": FORMAT,
        "version": VERSION,
        **description,
        **rows.facts(),
        "factors": list(raw.factor_names),
        "fingerprint": digest.hexdigest(),
        **rows.info,
    }
    content = json.loads(json.dumps(content, default=str))
    content["sha256"] = _description_digest(content, positions)
    with (folder / DESCRIPTION).open("w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())


def in_memory(rows: Rows, description: Mapping[str, Any]) -> ImageData:
    """Prepared rows as a data set that is only in memory."""
    images = rows.images
    assert images is not None

    def split_of(number: int) -> Split:
        block = np.flatnonzero(rows.splits == number)
        labels = None if rows.labels is None else torch.from_numpy(rows.labels[block])
        return Split(torch.from_numpy(images[rows.readable[block]]), labels)

    train, validation, test = (split_of(number) for number in range(len(SPLITS)))
    info = {**description, **rows.facts(), "factors": [], **rows.info}
    data = ImageData(info["name"], rows.classes, "", None, train, validation, test, info)
    return replace(data, fingerprint=content_fingerprint(data))


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
    counts, shape, classes = [info["counts"][name] for name in SPLITS], tuple(info["shape"]), tuple(info["classes"])
    name, fingerprint, labelled = info["name"], info["fingerprint"], info["labelled"]
    if not name or re.search(r"[/\\\x00-\x1f\x7f]", name) or name.startswith("."):
        raise damaged(folder, f"{DESCRIPTION} has a name that a data set cannot have: {name!r}")
    images = array_in(folder, "images.npy", np.uint8, (sum(counts), *shape))
    labels = None
    if labelled:
        if not classes:
            raise damaged(folder, f"{DESCRIPTION} has labels but no classes")
        labels = array_in(folder, "labels.npy", np.int64, (sum(counts),))
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
            raise damaged(folder, "labels.npy holds labels outside the classes")
    every = as_tensor(images)
    every_label = None if labels is None else as_tensor(labels)
    ends = np.cumsum(counts)
    train, validation, test = (
        Split(every[end - count : end], None if every_label is None else every_label[end - count : end])
        for count, end in zip(counts, ends.tolist(), strict=True)
    )
    data = ImageData(name, classes, fingerprint, folder, train, validation, test, info)
    if "sha256" in info:
        order = array_in(folder, "order.npy", np.int64, (sum(counts),))
        if info["sha256"] != _description_digest(info, order):
            raise damaged(folder, f"{DESCRIPTION} or order.npy is not what was prepared (its SHA-256 differs)")
    stamp = _stamp(folder)
    if images.nbytes > VERIFIED and cache.is_verified(fingerprint, stamp):
        return data
    if content_fingerprint(data) != fingerprint:
        raise damaged(folder, "its content is not what was prepared (the fingerprint differs)")
    if images.nbytes > VERIFIED:
        with contextlib.suppress(GentoolError):  # in a cache that cannot be written, it is checked every time
            cache.note_verified(fingerprint, stamp)
    return data


def _description_digest(content: Mapping[str, Any], order: NDArray[np.int64]) -> str:
    """SHA-256 of what the fingerprint does not cover: the description but for this digest, and order.npy."""
    positions = hashlib.sha256(order.tobytes()).hexdigest()
    return text_digest([{name: value for name, value in content.items() if name != "sha256"}, positions])


def _stamp(folder: Path) -> str:
    """A text that differs once one of the files of the fingerprint was written again."""
    facts = [
        [name, (folder / name).stat().st_size, (folder / name).stat().st_mtime_ns, (folder / name).stat().st_ino]
        for name in ("images.npy", "labels.npy", "factors.npy")
        if (folder / name).is_file()
    ]
    return text_digest([str(folder.resolve()), facts])


def content_fingerprint(data: ImageData) -> str:
    """The fingerprint of the content of a prepared set, to compare with the one that it states."""
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
        info: dict[str, Any] = read_json(path, Each(Any))
    except OSError as error:
        raise damaged(folder, f"{DESCRIPTION} cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        raise damaged(folder, f"{DESCRIPTION} is incomplete ({error})") from None
    if info.get("format") != FORMAT:
        raise DataError(
            f"{path}: not the description of a prepared folder; give the folder that `gentool prepare` wrote"
        )
    if not isinstance(info.get("version"), int) or info["version"] > VERSION:
        raise DataError(
            f"{folder}: prepared by a newer gentool (format {shown(info.get('version'))}); update gentool or "
            "prepare again"
        )
    try:
        check(info, FORM)
        sizes = {len(of_split) for of_split in (info["class_counts"] or {}).values()}
        if len(info["shape"]) != 3 or not all(0 < side <= LARGEST for side in info["shape"]):
            raise ValueError(f"shape is {info['shape'][:4]}")
        if min(info["counts"].values()) < 0 or sum(info["counts"].values()) > MOST_ROWS:
            raise ValueError("counts are out of range")
        if len(info.get("range") or (0, 255)) != 2 or sizes - {len(info["classes"])}:
            raise ValueError("range or class_counts has another length")
    except ValueError as error:
        raise damaged(folder, f"{DESCRIPTION} has a missing or wrong entry ({error})") from None
    return info
