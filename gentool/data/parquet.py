"""Images in Parquet files, as Hugging Face publishes data sets; needs pyarrow."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gentool.data.annotations import LABELS
from gentool.data.arrays import classes_of
from gentool.data.layout import role_of
from gentool.data.raw import TRAIN, Raw, own_splits
from gentool.errors import DataError

IMAGES = ("image", "img", "images", "pixels")


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder, or of its folder `data`."""
    return sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))


def read_parquet(paths: Sequence[Path]) -> Raw:
    """The images and labels of Parquet files; files named train, validation and test are splits. Raises DataError."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise DataError(f"{paths[0]}: Parquet needs another package: pip install 'gentool[parquet]'") from None
    roles = {path: role_of(path.stem.split("-")[0]) for path in paths}
    with_splits = TRAIN in roles.values()
    ordered = sorted(paths, key=lambda path: (roles[path] or TRAIN, path.name)) if with_splits else list(paths)
    contents: list[bytes] = []
    labels: list[Any] = []
    counts = []
    names: Sequence[str] | None = None
    for path in ordered:
        if with_splits and roles[path] is None:
            raise DataError(f"{path}: is no split, beside files that are; give a folder without it")
        try:
            file = parquet.ParquetFile(path)
            image, label = _columns(path, file.schema_arrow.names)
            table = file.read([image] if label is None else [image, label])
        except (OSError, arrow.ArrowException) as error:
            raise DataError(f"{path}: not a readable Parquet file ({error})") from None
        for value in table.column(image).to_pylist():
            contents.append((value.get("bytes") if isinstance(value, Mapping) else value) or b"")
        if label is not None:
            labels += table.column(label).to_pylist()
            names = names or _class_names(file.schema_arrow.metadata, label)
        counts.append((roles[path] or TRAIN, len(table)))
    if not all(isinstance(content, bytes) for content in contents):
        raise DataError(f"{paths[0]}: its images are no encoded image files")
    numbers = None
    classes: tuple[str, ...] = ()
    if len(labels) == len(contents):
        found, texts = classes_of(np.array(labels))
        numbers = found
        classes = tuple(
            names[int(text)] if names and text.isdecimal() and int(text) < len(names) else text for text in texts
        )
    return Raw(
        kind="Parquet files",
        count=len(contents),
        get=lambda i: contents[i],
        name=lambda i: f"image {i}",
        labels=numbers,
        classes=classes,
        own=own_splits(counts) if with_splits else None,
    )


def _columns(path: Path, names: Sequence[str]) -> tuple[str, str | None]:
    """The columns of images and of labels."""
    known = {name.lower(): name for name in names}
    image = next((known[name] for name in IMAGES if name in known), None)
    if image is None:
        raise DataError(f"{path}: no column of images; name it image (found {', '.join(names)})")
    usual = (*LABELS, "fine_label", "digit")
    return image, next((known[name] for name in usual if name in known), None)


def _class_names(metadata: Mapping[bytes, bytes] | None, label: str) -> Sequence[str] | None:
    """The names of the classes in the metadata of Hugging Face."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[label]["names"]]
    except (KeyError, TypeError, ValueError):
        return None
