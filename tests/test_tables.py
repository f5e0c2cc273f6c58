"""Tables as values: CSV, Markdown, pandas, and means over groups of rows."""

import csv
import io
import math
from pathlib import Path

import pytest

from gentool.tables import Table, format_number, mean_and_sd

ROWS = [{"model": "vae", "fid": 8.5, "fid_sd": 0.3}, {"model": "gan | wide", "fid": 12345.6}]


def test_columns_are_in_order_of_appearance_and_cells_may_be_missing() -> None:
    table = Table(ROWS)
    assert table.columns == ["model", "fid", "fid_sd"]
    assert table["fid_sd"] == [0.3, None]
    assert len(table) == 2
    assert list(table) == table.rows
    with pytest.raises(KeyError, match="kid"):
        table["kid"]


def test_a_table_does_not_change_with_the_rows_it_was_made_of() -> None:
    row = {"a": 1}
    table = Table([row])
    row["a"] = 2
    assert table["a"] == [1]


def test_csv_reads_back_exactly(tmp_path: Path) -> None:
    table = Table([{"name": 'a, "b"', "x": 0.1 + 0.2, "n": 3}])
    text = table.to_csv(tmp_path / "new" / "t.csv")
    assert (tmp_path / "new" / "t.csv").read_text() == text
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["name"], float(row["x"]), row["n"]) == ('a, "b"', 0.1 + 0.2, "3")


def test_markdown_is_for_people(tmp_path: Path) -> None:
    text = Table(ROWS).to_markdown(tmp_path / "t.md")
    assert (tmp_path / "t.md").read_text() == text
    assert text.splitlines() == [
        "| model | fid |", "| --- | --- |", "| vae | 8.5 ± 0.3 |", r"| gan \| wide | 12,346 |",
    ]  # fmt: skip
    assert repr(Table(ROWS)) == text.rstrip()


def test_a_table_becomes_a_pandas_frame() -> None:
    pytest.importorskip("pandas", reason="pandas is optional")
    frame = Table(ROWS).to_pandas()
    assert list(frame.columns) == ["model", "fid", "fid_sd"]
    assert frame["fid"].tolist() == [8.5, 12345.6]
    assert math.isnan(frame["fid_sd"][1])


def test_chosen_columns_only() -> None:
    table = Table(ROWS, columns=["fid"])
    assert table.to_csv() == "fid\n8.5\n12345.6\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("vae", "vae"), (True, "True"), (3, "3"), (12345, "12,345"), (0.123456, "0.1235"), (1e-7, "1e-07"),
     (12345.6, "12,346"), (float("nan"), "nan")],
)  # fmt: skip
def test_numbers_for_people(value: object, text: str) -> None:
    assert format_number(value) == text


def test_means_and_deviations_by_group() -> None:
    rows = [
        {"model": "a", "seed": 0, "x": 1.0, "y": 2},
        {"model": "a", "seed": 1, "x": 3.0, "y": 2},
        {"model": "b", "seed": 0, "x": 5.0, "note": "text"},
    ]
    assert mean_and_sd(rows, by=["model"], leave_out=["seed"]) == [
        {"model": "a", "x": 2.0, "x_sd": pytest.approx(math.sqrt(2)), "y": 2, "y_sd": 0.0},
        {"model": "b", "x": 5.0},
    ]
