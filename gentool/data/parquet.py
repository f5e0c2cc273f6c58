"""Images in Parquet files, as Hugging Face publishes data sets; needs pyarrow."""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gentool.data.annotations import LABELS
from gentool.data.arrays import classes_of, labels_of
from gentool.data.folder_names import role_and_others, role_of
from gentool.data.layout import LEFT_OUT
from gentool.data.raw import TRAIN, Raw
from gentool.errors import DataError
from gentool.progress import listed

_DEPTH = 3
"""How many levels of folders are searched for Parquet files."""
MOST_ROWS = 5_000_000
_SMALL, _LARGEST_RATIO = 2**28, 200
"""The limit of an unpacked file: this number of bytes, or this multiple of its size if that is more."""
IMAGES = ("image", "img", "images", "pixels")


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder without image files, or of those below it, such as `data` or `mnist`."""
    places = [str(folder)]
    for _ in range(_DEPTH):
        found: list[str] = []
        inner: list[str] = []
        for place in places:
            with contextlib.suppress(OSError), os.scandir(place) as entries:  # a folder that may not be listed
                for entry in entries:
                    if entry.name.endswith(".parquet"):
                        found.append(entry.path)
                    elif entry.is_dir():
                        inner.append(entry.path)
        if found:
            return (
                [] if [os.path.basename(path) for path in found] == ["metadata.parquet"] else sorted(map(Path, found))
            )
        places = inner
    return []


def read_parquet(paths: Sequence[Path]) -> Raw:
    """The images and labels of Parquet files; files named train, validation and test are splits. Raises DataError."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise DataError(f"{paths[0]}: Parquet needs another package: pip install pyarrow") from None
    roles = {path: _role_of_file(path) for path in paths}
    with_splits = len(set(roles.values())) > 1 or TRAIN in roles.values()
    unnamed = next((path for path in paths if with_splits and roles[path] is None), None)
    if unnamed is not None:
        raise DataError(f"{unnamed}: is not a split, unlike the files beside it; give a folder without it")
    if with_splits and TRAIN not in roles.values():
        raise DataError(f"{paths[0].parent}: splits without training images: {listed([path.name for path in paths])}")
    contents: list[bytes] = []
    labels: list[Any] = []
    splits: list[int] = []
    names: Sequence[str] | None = None
    labelled = 0
    for path in sorted(paths, key=lambda path: (roles[path] or TRAIN, path.name)):
        try:
            file = parquet.ParquetFile(path)
            _check_size(path, file.metadata)
            columns = _columns(path, file.schema_arrow.names)
            table = file.read([name for name in (columns.image, columns.label, columns.split) if name is not None])
        except (OSError, ValueError, MemoryError, arrow.ArrowException) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{path}: not a readable Parquet file ({reason})") from None
        images = table.column(columns.image).to_pylist()
        contents += [(value.get("bytes") if isinstance(value, Mapping) else value) or b"" for value in images]
        if not all(isinstance(content, bytes) for content in contents):
            raise DataError(
                f"{path}: column {columns.image} has no encoded image files; give the image files themselves"
            )
        if not any(contents):
            raise DataError(f"{path}: holds only the paths of its images; give the folder with the image files")
        if columns.label is None:
            labels += [None] * len(images)
        else:
            labels += _labels(table.column(columns.label).to_pylist(), f"{path}: {columns.label}")
            names = names or _class_names(file.schema_arrow.metadata, columns.label)
            labelled += 1
        if columns.split is None:
            splits += [roles[path] or TRAIN] * len(images)
        else:
            splits += [
                _split_of(value, f"{path}: {columns.split}") for value in table.column(columns.split).to_pylist()
            ]
            with_splits = True
    numbers = None
    classes: tuple[str, ...] = ()
    left_out: dict[int, str] = {}
    known = [i for i, label in enumerate(labels) if label is not None]
    if labelled and known:
        found, texts = classes_of(np.array([labels[i] for i in known]))
        numbers = np.zeros(len(labels), np.int64)
        numbers[known] = found
        left_out = dict.fromkeys(sorted(set(range(len(labels))) - set(known)), f"{LEFT_OUT}without a label")
        classes = tuple(
            names[int(text)] if names and text.isdecimal() and int(text) < len(names) else text for text in texts
        )
    return Raw(
        kind="Parquet files",
        where=str(paths[0] if len(paths) == 1 else paths[0].parent),
        count=len(contents),
        get=lambda i: contents[i],
        name=lambda i: f"image {i}",
        labels=numbers,
        classes=classes,
        own=np.array(splits, np.int8) if with_splits else None,
        left_out=left_out,
    )


def _check_size(path: Path, metadata: Any) -> None:
    """Raises DataError for a file that would unpack to far more than its size."""
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if metadata.num_rows > MOST_ROWS or size > max(_SMALL, _LARGEST_RATIO * path.stat().st_size):
        raise DataError(f"{path}: unpacks to {metadata.num_rows:,} rows and {size:,} bytes, which cannot be right")


def _role_of_file(path: Path) -> int | None:
    """The split that a file's name says, such as train-00000-of-00002.parquet or cats_test.parquet, or its folder's."""
    own = role_and_others(path.stem)[0]
    return role_and_others(path.parent.name)[0] if own is None and path.stem.strip("0123456789-of") == "" else own


def _labels(values: list[Any], where: str) -> list[Any]:
    """Labels, None for those that are missing: None, -1 and NaN. Raises DataError for several of an image."""
    if any(isinstance(value, list) for value in values):
        if len({len(value) if isinstance(value, list) else 0 for value in values}) > 1:
            raise DataError(f"{where}: several labels for one image; expected one, or one-hot rows")
        return labels_of(np.array(values), len(values), where).tolist()
    return [None if value is None or value in (-1, "") or value != value else value for value in values]


def _split_of(value: Any, where: str) -> int:
    role = role_of(str(value))
    if role is None:
        raise DataError(f"{where}: {value!r} is not a split; expected train, validation or test")
    return role


@dataclass(frozen=True)
class _Columns:
    """The names of the columns of images, labels and splits."""

    image: str
    label: str | None
    split: str | None


def _columns(path: Path, names: Sequence[str]) -> _Columns:
    """The columns of a file. Raises DataError where there is none of images."""
    known = {name.lower(): name for name in names}
    image = next((known[name] for name in IMAGES if name in known), None)
    if image is None:
        raise DataError(f"{path}: no column of images; name it image (found {', '.join(names)})")
    usual = (*LABELS, "fine_label", "digit")
    label = next((known[name] for name in usual if name in known), None)
    return _Columns(image, label, next((known[name] for name in ("split", "subset") if name in known), None))


def _class_names(metadata: Mapping[bytes, bytes] | None, label: str) -> Sequence[str] | None:
    """The names of the classes in the metadata of Hugging Face."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[label]["names"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
