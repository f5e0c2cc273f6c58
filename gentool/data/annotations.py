"""Labels and splits of image files in a file beside them: CSV, JSON lines, or the dataset.json of StyleGAN.

A table has a column of file names (`file_name`, `filename`, `image`, `path`, `id`, ...) and one of labels (`label`,
`class`, ...), perhaps one of splits (`split`). Names may be paths below the folder, file names alone, or names without
their suffix, as long as they are unique.
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gentool.data.layout import role_of
from gentool.errors import DataError

FILES = ("labels.csv", "metadata.csv", "metadata.jsonl", "labels.jsonl", "dataset.json")
"""What is looked for beside the images, in this order."""
NAMES = (
    "file_name",
    "filename",
    "file",
    "image",
    "image_name",
    "image_path",
    "path",
    "filepath",
    "name",
    "image_id",
    "id",
)
LABELS = ("label", "labels", "class", "class_name", "category", "target", "breed", "species", "tag", "y")
SPLITS = ("split", "set", "subset", "usage", "fold")


@dataclass(frozen=True)
class Annotation:
    """What is known of one image: its label as text, and its split."""

    label: str | None
    split: int | None = None


def read_annotations(content: bytes, where: str, columns: Sequence[str] = ()) -> dict[str, Annotation]:
    """Name to annotation. `columns` are the columns of names and of labels, which are found by their names otherwise.

    Raises DataError for a file of another form.
    """
    try:
        text = content.decode("utf-8-sig")
        if where.lower().endswith(".json"):
            return _of_stylegan(json.loads(text), where)
        rows = (
            [json.loads(line) for line in text.splitlines() if line.strip()]
            if where.lower().endswith(".jsonl")
            else None
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{where}: cannot be read ({error})") from None
    if rows is None:
        try:
            dialect: Any = csv.Sniffer().sniff(text[:4096], ",;\t")
        except csv.Error:
            dialect = csv.excel
        rows = list(csv.DictReader(io.StringIO(text), dialect=dialect))
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{where}: has no rows with named columns")
    if columns and len(columns) != 2:
        raise DataError(f"{where}: expected two columns, of names and of labels, such as file_name,label")
    known = {str(name).strip().lower(): name for name in rows[0]}
    name, label = (_column(known, (given,) if given else usual, where) for given, usual in zip(
        columns or ("", ""), (NAMES, LABELS), strict=True
    ))  # fmt: skip
    split = next((known[one] for one in SPLITS if one in known), None)
    return {
        _plain(str(row.get(name, ""))): Annotation(_text(row.get(label)), _role(row.get(split)) if split else None)
        for row in rows
    }


def _column(known: Mapping[str, Any], usual: Sequence[str], where: str) -> Any:
    for one in usual:
        if one.strip().lower() in known:
            return known[one.strip().lower()]
    raise DataError(
        f"{where}: no column {' or '.join(usual[:3])}; it has {', '.join(known)}. Name two with --label-columns"
    )


def _of_stylegan(content: Any, where: str) -> dict[str, Annotation]:
    """StyleGAN's {"labels": [[name, class], ...]}; the labels may be null."""
    labels = content.get("labels") if isinstance(content, dict) else None
    if labels is None:
        return {}
    pairs = labels.items() if isinstance(labels, dict) else labels
    try:
        return {_plain(str(name)): Annotation(_text(label)) for name, label in pairs}
    except (TypeError, ValueError):
        raise DataError(f"{where}: expected labels as pairs of a name and a class") from None


def _text(label: Any) -> str | None:
    if label is None or label == "":
        return None
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return re.sub(r"\s+", " ", str(label)).strip()


def _role(value: Any) -> int | None:
    return None if value is None else role_of(str(value))


def _plain(name: str) -> str:
    """A name with `/`, without `./` before it, in one form of Unicode."""
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/")).removeprefix("./")


def matched(names: Iterable[str], annotations: Mapping[str, Annotation]) -> list[Annotation | None]:
    """The annotation of each image by its path, its file name, or its name without suffix; None for no annotation."""
    if not annotations:
        return [None for _ in names]
    by_path = dict(annotations)
    by_file: dict[str, list[Annotation]] = {}
    for name, one in annotations.items():
        by_file.setdefault(PurePosixPath(name).name, []).append(one)
    found = []
    for name in names:
        plain = _plain(name)
        path = PurePosixPath(plain)
        candidates = by_file.get(path.name) or by_file.get(path.stem) or []
        found.append(by_path.get(plain) or (candidates[0] if len(candidates) == 1 else None))
    return found
