"""Forms of values from files, and files that are read at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from gentool.reading import Each, Maybe, Scalar, check, read_bytes, read_json, shown

FORM = {"name": str, "sides": [int], "options": Each(Scalar), "note": Maybe(str), "rows": Maybe([{"loss": float}])}
GOOD: dict[str, Any] = {"name": "a", "sides": [1, 2], "options": {"lr": 1e-3, "x": None}, "other": [{"deep": [1]}]}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_what_fits() -> None:
    check(GOOD, FORM)
    check(GOOD | {"note": None, "rows": [{"loss": 1}, {"loss": float("nan"), "epoch": 3}]}, FORM)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 3}, "name is 3, not text"),
        ({"name": "x" * 99, "sides": "x" * 99}, f"sides is '{'x' * 58}…, not a list"),
        ({"sides": [1, True]}, "sides[1] is True, not a whole number"),
        ({"sides": [1, 2.0]}, "sides[1] is 2.0, not a whole number"),
        ({"sides": [10**30]}, "sides[0] is a number that is too large"),
        ({"options": {"lr": [1]}}, "options.lr is of type list, not text or a number"),
        ({"options": {3: 1}}, "options is of type dict, not named entries"),
        ({"rows": [{"epoch": 1}]}, "rows[0].loss is missing"),
        ({"rows": [{"loss": "1"}]}, "rows[0].loss is '1', not a number"),
        ({"other": nested(1000)}, "other is nested too deeply"),
    ],
)  # fmt: skip
def test_what_does_not(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        check(GOOD | change, FORM)
    assert str(refused.value) == message


def test_json_of_a_form(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("\ufeff" + json.dumps(GOOD), encoding="utf-8")
    assert read_json(file, FORM) == GOOD
    file.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(file, FORM)
    file.write_text("[[]," + "[]," * 4_000_000 + "[]]")
    with pytest.raises(ValueError, match="too many entries"):
        read_json(file, FORM)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(2**20 + 1))
    assert len(read_bytes(tmp_path / "a")) == 2**20 + 1
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_bytes(tmp_path / "a", 2**20)


def test_a_value_in_a_message_is_short() -> None:
    assert [shown(value) for value in (1, 10**400, float("nan"), None, {"a": 1})] == [
        "1", "a large number", "nan", "None", "of type dict",
    ]  # fmt: skip
