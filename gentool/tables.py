"""Tables as values: rows by column name, written as CSV or Markdown, or turned into a pandas frame."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gentool.files import write_text

if TYPE_CHECKING:
    import pandas

Row = Mapping[str, Any]


class Table:
    """Rows of named values, in order. A row may lack columns; its cells are then empty.

    >>> table = Table([{"model": "vae", "fid": 8.5}, {"model": "gan", "fid": 1.03}])
    >>> table.columns
    ['model', 'fid']
    >>> table["fid"]
    [8.5, 1.03]
    """

    def __init__(self, rows: Iterable[Row], columns: Iterable[str] | None = None) -> None:
        self.rows: list[dict[str, Any]] = [dict(row) for row in rows]
        self._columns = None if columns is None else list(columns)

    @property
    def columns(self) -> list[str]:
        """The columns' names, in order of appearance unless they were given."""
        return self._columns or list(dict.fromkeys(name for row in self.rows for name in row))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """The values of a column, None where a row has none. Raises KeyError for an unknown column."""
        if column not in self.columns:
            raise KeyError(column)
        return [row.get(column) for row in self.rows]

    def to_csv(self, path: Path | str | None = None) -> str:
        """The table as CSV, numbers in full precision; also written to `path` when it is given."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self.rows)
        return _written(text.getvalue(), path)

    def to_markdown(self, path: Path | str | None = None) -> str:
        """The table as Markdown, numbers in four digits; also written to `path` when it is given.

        A column NAME_sd stands behind NAME in the same cell, as mean ± standard deviation.
        """
        names = [name for name in self.columns if not (name.endswith("_sd") and name[:-3] in self.columns)]
        lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
        for row in self.rows:
            cells = [cell(row, name).replace("|", "\\|") for name in names]
            lines.append(f"| {' | '.join(cells)} |")
        return _written("\n".join(lines) + "\n", path)

    def to_pandas(self) -> "pandas.DataFrame":
        """The table as a pandas DataFrame. Raises ImportError where pandas is not installed."""
        import pandas

        return pandas.DataFrame(self.rows, columns=self.columns)

    def __repr__(self) -> str:
        return self.to_markdown().rstrip()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def cell(row: Row, name: str) -> str:
    """A value for people: four digits, with ± its standard deviation where the row has one; empty for no value."""
    value, sd = row.get(name), row.get(f"{name}_sd")
    return format_number(value) + (f" ± {sd:.2g}" if isinstance(sd, float) and math.isfinite(sd) else "")


def format_number(value: Any) -> str:
    """A number in four digits, whole and large ones with commas; other values as text, nothing for None.

    >>> [format_number(value) for value in (0.123456, 12345.6, 12345, "vae", None)]
    ['0.1235', '12,346', '12,345', 'vae', '']
    """
    if value is None:
        return ""
    if not _is_number(value):
        return str(value)
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"


def mean_and_sd(rows: Sequence[Row], by: Sequence[str] = (), leave_out: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row for each group of rows with equal values in `by`: the means of all other columns that are numbers.

    A group of several rows also has the sample standard deviation (n - 1) of each of them, under NAME_sd. `leave_out`
    names columns to drop, such as the seed.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in by), []).append(row)
    made = []
    for key, members in groups.items():
        summary = dict(zip(by, key, strict=True))
        names = dict.fromkeys(name for member in members for name in member if name not in (*by, *leave_out))
        for name in names:
            values = [member[name] for member in members if _is_number(member.get(name))]
            if values:
                summary[name] = values[0] if len(set(values)) == 1 else statistics.fmean(values)
                if len(values) > 1:
                    summary[f"{name}_sd"] = statistics.stdev(values)
        made.append(summary)
    return made


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _written(text: str, path: Path | str | None) -> str:
    if path is not None:
        write_text(Path(path), text)
    return text
