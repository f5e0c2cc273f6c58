"""Labels and splits of image files in a file beside them: CSV, JSON lines, or the dataset.json of StyleGAN.

A table has a column of file names (`file_name`, `filename`, `image`, `path`, `id`, ...) and one of labels (`label`,
`class`, ...), perhaps one of splits (`split`). Names may be paths below the folder, file names alone, or names without
their suffix, as long as they are unique.
"""

import csv
import io
import itertools
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gentool.data.folder_names import role_of
from gentool.data.raw import TEST, TRAIN, VALIDATION
from gentool.errors import DataError

FILES = ("labels.csv", "metadata.csv", "metadata.jsonl", "labels.jsonl", "dataset.json")
"""What is looked for beside the images, in this order."""
NAMES = (
    "file_name", "filename", "file", "filenames", "image", "image_name", "image_path", "path", "filepath", "filepaths",
    "name", "image_id", "id",
)  # fmt: skip
LABELS = ("label", "labels", "class", "class_name", "category", "target", "breed", "species", "tag", "y")
SPLITS = ("split", "set", "subset", "usage", "partition", "dataset", "data set", "data_set", "phase")
_CELEBA = {"0": TRAIN, "1": VALIDATION, "2": TEST}
"""The numbers of a column `partition`."""
_LARGEST, _LARGEST_FIELD, _MOST_ROWS = 2**28, 2**26, 2_000_000
"""The most bytes of a file and of a cell, and the most rows."""


@dataclass(frozen=True)
class Annotation:
    """What is known of one image: its label as text, and its split."""

    label: str | None
    split: int | None = None


def read_annotations(content: bytes, where: str, columns: Sequence[str] = ()) -> dict[str, Annotation] | None:
    """Name to annotation; None where the file says that there are no labels.

    `columns` are the columns of names and of labels, which are found by their names otherwise. Raises DataError for a
    file of another form.
    """
    kind = PurePosixPath(where).suffix.lower()
    if len(content) > _LARGEST:
        raise DataError(f"{where}: larger than {_LARGEST // 2**20} MiB; give a file with only names and labels")
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        office = content[:4] == b"PK\x03\x04" or content[:4] == b"\xd0\xcf\x11\xe0"
        hint = "a spreadsheet workbook; export it as CSV" if office else "not UTF-8 text; save it as CSV UTF-8"
        raise DataError(f"{where}: {hint}") from None
    try:
        if kind == ".json":
            rows = _of_json(json.loads(text), where)
            if not isinstance(rows, list):
                return rows
        elif kind == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = _of_table(text)
    except RecursionError:
        raise DataError(f"{where}: cannot be read (nested too deeply)") from None
    except (ValueError, csv.Error) as error:
        raise DataError(f"{where}: cannot be read ({error})") from None
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{where}: has no rows with named columns")
    if columns and len(columns) != 2:
        raise DataError(f"{where}: expected two columns, of names and of labels, such as file_name,label")
    known = {str(name).strip().lower(): name for name in rows[0]}
    split = next((known[one] for one in SPLITS if one in known), None)
    name = _column(known, columns[:1] or NAMES, where)
    usual = LABELS[:-1] if "x" in known else LABELS  # x and y are coordinates
    label = None if split is not None and not columns and not any(one in known for one in usual) else _column(
        known, columns[1:] or usual, where
    )  # fmt: skip
    found: dict[str, Annotation] = {}
    for row in rows:
        file = _plain(str(row.get(name, "")))
        one = Annotation(None if label is None else _text(row.get(label)), _role(row, split, where))
        if found.setdefault(file, one) != one:
            raise DataError(f"{where}: names {file} several times, with different labels or splits")
    return found


def _of_table(text: str) -> list[Any]:
    """The rows of a CSV, with commas, semicolons or tabs."""
    separator = re.match(r"sep=(.)\r?\n", text)
    if separator:
        text = text[separator.end() :]
    try:
        dialect: Any = csv.Sniffer().sniff(text[:4096], separator[1] if separator else ",;\t")
    except csv.Error:
        dialect = csv.excel
    csv.field_size_limit(_LARGEST_FIELD)
    rows = list(itertools.islice(csv.DictReader(io.StringIO(text), dialect=dialect), _MOST_ROWS + 1))
    if len(rows) > _MOST_ROWS:
        raise ValueError(f"more than {_MOST_ROWS:,} rows")
    return rows


def _of_json(content: Any, where: str) -> list[Any] | dict[str, Annotation] | None:
    """Rows; or {name: label}, or StyleGAN's {"labels": [[name, class], ...]}, where null means that there are none."""
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        raise DataError(f"{where}: expected names and labels")
    if "annotations" in content and "images" in content:
        raise DataError(f"{where}: object annotations (COCO), which do not give each image a class")
    labels = content.get("labels", content)
    if labels is None:
        return None
    pairs = labels.items() if isinstance(labels, dict) else labels
    try:
        found = {_plain(str(name)): Annotation(_text(label)) for name, label in pairs}
    except (TypeError, ValueError):
        raise DataError(f"{where}: expected labels as pairs of a name and a class") from None
    return found


def _column(known: Mapping[str, Any], usual: Sequence[str], where: str) -> Any:
    for one in usual:
        if one.strip().lower() in known:
            return known[one.strip().lower()]
    raise DataError(
        f"{where}: no column {' or '.join(usual[:3])}; it has {', '.join(known)}. "
        "Give --labels FILE --label-columns NAME,LABEL"
    )


def _text(label: Any) -> str | None:
    if label is None or label == "":
        return None
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return re.sub(r"\s+", " ", str(label)).strip()


def _role(row: Mapping[Any, Any], column: Any, where: str) -> int | None:
    """The split in a column, None for no column or an empty cell. Raises DataError for another word."""
    text = "" if column is None or row.get(column) is None else str(row[column]).strip()
    if not text:
        return None
    role = _CELEBA.get(text) if str(column).strip().lower() == "partition" else None
    role = role_of(text) if role is None else role
    if role is None:
        raise DataError(
            f"{where}: {text!r} in column {column} is not a split; expected train, validation or test. If the column "
            "means something else, rename it"
        )
    return role


def _plain(name: str) -> str:
    """A name with `/`, without `./` before it, in one form of Unicode."""
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/")).removeprefix("./")


@dataclass(frozen=True)
class Matches:
    """The annotation of each image, None for none; and names that fit several images, each with one of these."""

    found: list[Annotation | None]
    ambiguous: dict[str, str]


def matched(names: Sequence[str], annotations: Mapping[str, Annotation], among: Sequence[bool]) -> Matches:
    """Which annotation belongs to which of the images `among` all.

    A name in the file may be a path, the end of one, a file name or a name without suffix. One that is only the end of
    a path counts where it fits one image.
    """
    found: list[Annotation | None] = [None] * len(names)
    rest = dict(annotations)
    waiting = []
    plain = [_plain(name) for name in names]
    for number, name in enumerate(plain):
        if not among[number]:
            continue
        if name in annotations:
            found[number] = rest.pop(name, None) or annotations[name]
        else:
            waiting.append(number)
    by_end: dict[str, list[int]] = {}
    for number in waiting:
        for end in _ends(plain[number]):
            by_end.setdefault(end, []).append(number)
    ambiguous: dict[str, str] = {}
    for name, annotation in rest.items():
        path = PurePosixPath(name)
        for end in (name, path.name, path.stem):
            fitting = by_end.get(end, [])
            if len(fitting) == 1:
                if found[fitting[0]] is None:
                    found[fitting[0]] = annotation
                break
            if fitting:
                ambiguous[name] = names[fitting[0]]
                break
    return Matches(found, ambiguous)


def _ends(name: str) -> set[str]:
    """`a/b/1.png` ends as `b/1.png` and `1.png`, and also without the suffix."""
    parts = name.split("/")
    ends = {"/".join(parts[start:]) for start in range(len(parts))}
    return ends | {end.rpartition(".")[0] for end in ends}
