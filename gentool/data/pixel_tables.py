"""CSV tables of pixels: an image per row, with a column for each pixel or one for them all."""

import csv
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gentool.data.arrays import Array, as_pixels, classes_of
from gentool.data.folder_names import role_of
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import TRAIN, Raw, from_arrays
from gentool.errors import DataError

LABEL_COLUMNS = ("label", "labels", "class", "target", "category", "y", "digit", "emotion")
ID_COLUMNS = ("id", "index", "image_id", "imageid", "unnamed: 0", "")
LONGEST_LINE = 2**24


def read_csv(path: Path, options: PrepareOptions) -> Raw:
    """A table with an image per row: a column for each pixel, as Kaggle's train.csv, or one of them all, as FER2013.

    Raises DataError.
    """
    _check_lines(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(LONGEST_LINE)
            separator = max(",;\t", key=first.count)
            header = [name.strip() for name in next(csv.reader([first], delimiter=separator), [])]
        names = [name.lower() for name in header]
        if "pixels" in names:
            return _read_column_of_pixels(path, options, names, separator)
        headless = all(re.fullmatch(r"[-+\d.eE]+", name) for name in names)
        notes = []
        if headless:
            label = None if math.isqrt(len(names)) ** 2 == len(names) else 0
            pixels = [i for i in range(len(names)) if i != label]
            if label == 0:
                notes.append("the table has no header: its first column is taken as the label")
        else:
            label = next((names.index(name) for name in LABEL_COLUMNS if name in names), None)
            pixels = [i for i, name in enumerate(names) if i != label and name not in ID_COLUMNS]
        if not pixels or math.isqrt(len(pixels)) ** 2 != len(pixels) or len(pixels) < 16:
            raise DataError(
                f"{path}: {len(pixels)} columns beside label and id ({', '.join(header[:3])}, …); expected one for "
                f"each pixel of a square image, and labels in one of {', '.join(LABEL_COLUMNS)}"
            )
        more: dict[str, Any] = {"delimiter": separator, "encoding": "utf-8-sig", "comments": None}
        more["skiprows"] = 0 if headless else 1
        labels = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about no rows, which are an error below
            values = np.loadtxt(path, np.float32, usecols=in_number_order(names, pixels), ndmin=2, **more)
            if label is not None:
                labels = np.loadtxt(path, str, usecols=[label], ndmin=1, quotechar='"', **more)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a table of pixels ({error})") from None
    if not len(values):
        raise DataError(f"{path}: has no rows")
    (images,), remarks = as_pixels([values], [str(path)], replace(options, channels=None))
    numbers, classes = (None, []) if labels is None else classes_of(_as_numbers(path, labels))
    return from_arrays("CSV table of pixels", images, numbers, classes=classes, notes=[*notes, *remarks])


def _check_lines(path: Path) -> None:
    """Raises DataError for a line that is too long to be held."""
    length = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            start = block.find(b"\n")
            length = length + len(block) if start < 0 else len(block) - block.rfind(b"\n")
            if length > LONGEST_LINE:
                raise DataError(f"{path}: has a line of more than {LONGEST_LINE // 2**20} MiB; is it a table?")


def in_number_order(names: Sequence[str], columns: Sequence[int]) -> list[int]:
    """Columns such as pixel0, pixel1, pixel10, pixel2 in the order of their numbers; others as they are."""
    numbers = [re.fullmatch(r"(\D*)(\d+)", names[column]) for column in columns]
    if not all(numbers) or len({match[1] for match in numbers if match}) > 1:
        return list(columns)
    order = [int(match[2]) for match in numbers if match]
    whole = sorted(order) == list(range(min(order), min(order) + len(order)))
    return [column for _, column in sorted(zip(order, columns, strict=True))] if whole else list(columns)


def _read_column_of_pixels(path: Path, options: PrepareOptions, names: Sequence[str], separator: str) -> Raw:
    """A table with the pixels of an image in one column, with spaces between them, perhaps with labels and splits."""
    label = next((names.index(name) for name in LABEL_COLUMNS if name in names), None)
    usage = next((names.index(name) for name in ("usage", "split", "set") if name in names), None)
    images, labels, splits = [], [], []
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=separator)
        next(rows)
        for number, row in enumerate(rows, 2):
            if len(row) < len(names):
                raise DataError(f"{path}: row {number} has {len(row)} of {len(names)} columns")
            with np.errstate(over="ignore"):  # infinity is refused like other values
                images.append(np.array(row[names.index("pixels")].split(), np.float32))
            labels.append("" if label is None else row[label].strip())
            splits.append(TRAIN if usage is None else role_of(row[usage]))
    if not images or len({len(image) for image in images}) > 1:
        raise DataError(f"{path}: column pixels: {'no rows' if not images else 'rows of different lengths'}")
    if None in splits:
        raise DataError(f"{path}: column {names[usage or 0]}: expected train, validation or test, such as Training")
    (pixels,), notes = as_pixels([np.stack(images)], [str(path)], replace(options, channels=None))
    numbers, classes = (None, []) if label is None else classes_of(_as_numbers(path, np.array(labels)))
    own = None if usage is None else np.array(splits, np.int8)
    return from_arrays("CSV table of pixels", pixels, numbers, classes=classes, own=own, notes=notes)


def _as_numbers(path: Path, labels: Array) -> Array:
    """Texts as whole numbers, where all of them are. Raises DataError for empty ones."""
    texts = np.unique(labels)
    if any(text.strip().lower() in ("", "nan") for text in texts):
        raise DataError(f"{path}: some rows have no label; remove them")
    whole = all(re.fullmatch(r"\d+", text) for text in texts)
    return labels.astype(np.int64) if whole else labels
