"""metrics.csv: a CSV file that grows by one row per epoch."""

import csv
from collections.abc import Mapping
from pathlib import Path

from gentool.files import write_csv


class MetricsFile:
    """The rows of metrics.csv, in memory and on disk. Columns may appear later; earlier rows leave them empty.

    Without a path the rows are kept in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path is not None and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order of appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def truncate(self, count: int) -> None:
        """Drop all rows after the first `count`, which a resumed run will write again."""
        if count < len(self.rows):
            self.rows = self.rows[:count]
            self._rewrite()

    def append(self, row: Mapping[str, int | float]) -> None:
        """Add a row. Floats are written so that they read back exactly."""
        before = self.columns
        self.rows.append({name: repr(value) for name, value in row.items()})
        if self.path is None:
            return
        if before != self.columns or not self.path.is_file():
            self._rewrite()
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(self.rows[-1])

    def series(self) -> dict[str, list[float]]:
        """Column name to the values of all rows; NaN where a row has none."""
        return {name: [float(row.get(name) or "nan") for row in self.rows] for name in self.columns}

    def numbers(self) -> list[dict[str, float]]:
        """The rows as the numbers that were added, without empty cells."""
        return [{name: _number(text) for name, text in row.items() if text} for row in self.rows]

    def _rewrite(self) -> None:
        if self.path is not None:
            write_csv(self.path, self.rows)


def _number(text: str) -> int | float:
    return int(text) if text.removeprefix("-").isdecimal() else float(text)
