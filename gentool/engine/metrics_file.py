"""metrics.csv: a CSV file that grows by one row per epoch."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from gentool.errors import CheckpointError
from gentool.files import append_text, csv_text, write_csv
from gentool.reading import read_text, shown

MOST_DIGITS = 18


class MetricsFile:
    """The rows of metrics.csv, in memory and on disk. Columns may appear later; earlier rows leave them empty.

    Without a path the rows are kept in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        """Raises CheckpointError for a file that is no table of numbers."""
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path is not None and path.is_file():
            self.rows = _parsed(path, _read(path))
        self.columns = list(dict.fromkeys(name for row in self.rows for name in row))

    @classmethod
    def of(cls, path: Path, text: str) -> "MetricsFile":
        """The rows that a state vouches for, whatever the file holds."""
        metrics = cls(None)
        metrics.path, metrics.rows = path, _parsed(path, text)
        metrics.columns = list(dict.fromkeys(name for row in metrics.rows for name in row))
        return metrics

    def text(self) -> str:
        """The content of the file."""
        return csv_text(self.rows, self.columns)

    def restore(self) -> bool:
        """Write the file again unless it holds these rows. Whether it was damaged: rows after these are not."""
        assert self.path is not None
        damaged = not self.is_on_disk()
        if not self.path.is_file() or self.path.read_bytes() != self.text().encode():
            self._rewrite()
        return damaged

    def is_on_disk(self) -> bool:
        """Whether the file holds these rows, and perhaps more after them."""
        assert self.path is not None
        try:
            found = MetricsFile(self.path).rows[: len(self.rows)]
        except CheckpointError:
            return False
        return [_filled(row) for row in found] == [_filled(row) for row in self.rows]

    def truncate(self, count: int) -> None:
        """Drop all rows after the first `count`, which a resumed run will write again."""
        if count < len(self.rows):
            self.rows = self.rows[:count]
            self.columns = list(dict.fromkeys(name for row in self.rows for name in row))
            self._rewrite()

    def append(self, row: Mapping[str, int | float]) -> None:
        """Add a row. Floats are written so that they read back exactly."""
        self.rows.append({name: repr(value) for name, value in row.items()})
        new = [name for name in row if name not in self.columns]
        self.columns += new
        if self.path is None:
            return
        if new or not self.path.is_file():
            self._rewrite()
            return
        append_text(self.path, csv_text([self.rows[-1]], self.columns).split("\n", 1)[1])

    def series(self) -> dict[str, list[float]]:
        """Column name to the values of all rows; NaN where a row has none."""
        return {name: [float(row.get(name) or "nan") for row in self.rows] for name in self.columns}

    def numbers(self) -> list[dict[str, float]]:
        """The rows as the numbers that were added, without empty cells."""
        return [{name: _number(text) for name, text in row.items() if text} for row in self.rows]

    def _rewrite(self) -> None:
        if self.path is not None:
            write_csv(self.path, self.rows, self.columns)


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from None


def _filled(row: Mapping[str, str]) -> dict[str, str]:
    """A row without its empty cells, which come with columns that appear later."""
    return {name: value for name, value in row.items() if value}


def _parsed(path: Path, text: str) -> list[dict[str, str]]:
    """The rows of a table of numbers. Raises CheckpointError for anything else."""
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise CheckpointError(f"{path}: damaged: {error}") from None
    if rows and any(name and ";" in name for name in rows[0]):
        raise CheckpointError(
            f"{path}: a spreadsheet saved it with semicolons; run the training command again to rewrite it"
        )
    for number, row in enumerate(rows, 1):
        for name, value in row.items():
            if not name or not isinstance(value, str) or (value and not _is_number(value)):
                column = name[:60] if name else "without a name"
                raise CheckpointError(f"{path}: damaged: row {number} has {shown(value)} in column {column}")
        counters = (row.get("epoch", ""), row.get("step", "0"))
        if not all(text.removesuffix(".0").isdecimal() and len(text) <= MOST_DIGITS for text in counters):
            raise CheckpointError(f"{path}: damaged: row {number} has no whole number as its epoch or step")
    return rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> int | float:
    return int(text) if text.removeprefix("-").isdecimal() and len(text) <= MOST_DIGITS else float(text)
