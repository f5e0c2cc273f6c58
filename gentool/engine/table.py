"""A CSV table that grows by a row an epoch: metrics.csv."""

import csv
from collections.abc import Mapping
from pathlib import Path

from gentool.files import write_csv


class Table:
    """The rows of a CSV file, in memory and on disk. Columns may appear later; earlier rows leave them empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order of appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def keep(self, count: int) -> None:
        """Drop all rows after the first `count`: those that a resumed run will write again."""
        if count < len(self.rows):
            self.rows = self.rows[:count]
            self._rewrite()

    def append(self, row: Mapping[str, int | float]) -> None:
        """Add a row; floats are written so that they read back exactly."""
        before = self.columns
        self.rows.append({name: repr(value) for name, value in row.items()})
        if before != self.columns or not self.path.is_file():
            self._rewrite()
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(self.rows[-1])

    def numbers(self) -> dict[str, list[float]]:
        """Column name to values; what is empty is NaN."""
        return {name: [float(row.get(name) or "nan") for row in self.rows] for name in self.columns}

    def _rewrite(self) -> None:
        write_csv(self.path, self.rows)
