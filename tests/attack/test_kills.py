"""Killed at any file operation, the same command goes on, to what an uninterrupted run comes to.

In short form in the default run; `pytest -m attack` tries every operation.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gentool.engine import checkpoint
from gentool.engine.metrics_file import MetricsFile
from tests.attack.content import TIMES
from tests.attack.kills import gentool, in_child, killed, operations
from tests.conftest import TINY

FEW = 5
"""Kills of each command in the default run."""

Record = Callable[[str, object], None]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

SEQ2SEQ = ["--max-operand", 9, "--hidden", 16, "--embedding", 8, "--epochs", 2]
COMMANDS: dict[str, list[object]] = {
    **{
        name: ["train", name, "--data", "digits", "--batch-size", 256, "--epochs", 2, "--gif", *options]
        for name, options in TINY.items()
    },
    "text2text": ["seq2seq", "train", "text2text", *SEQ2SEQ],
}


def content(folder: Path) -> dict[str, Any]:
    """What a run came to, without times."""
    state = checkpoint.load(max(folder.glob("state-*.pt")), "state")[1]
    result = json.loads((folder / "result.json").read_text())
    rows = MetricsFile(folder / "metrics.csv").numbers()
    return {
        "files": sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".pt"),
        "model": checkpoint.digest(checkpoint.load(folder / "model.pt", "model")[1]),
        "parts": checkpoint.digest(state["parts"]),
        "rows": [{name: value for name, value in row.items() if name not in TIMES} for row in rows],
        "result": {name: value for name, value in result.items() if name not in TIMES},
        "pictures": {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("epoch-*.png")},
    }


def chosen(form: str, count: int, record_property: Record) -> list[int]:
    """All file operations in the long form, else a few."""
    few = [*((number * count + count // 2) // FEW for number in range(FEW)), count - 5]
    every = list(range(count)) if form == "long" else few
    record_property("kills at file operations", len(every))
    return every


def forms(*names: str, short: tuple[str, ...]) -> pytest.MarkDecorator:
    """Some in short form, and all in long form with `-m attack`."""
    long = [pytest.param(name, "long", marks=pytest.mark.attack) for name in names]
    return pytest.mark.parametrize(("name", "form"), [*((name, "short") for name in short), *long])


@forms(*COMMANDS, short=("vae", "text2text"))
def test_the_same_command_goes_on(name: str, form: str, record_property: Record, tmp_path: Path) -> None:
    words, folder = (*COMMANDS[name], "--out", tmp_path / "run"), tmp_path / "run"
    in_child(lambda: gentool(*words))  # the first of its kind on this machine: it tries which precision is fastest
    shutil.rmtree(folder)
    count = operations(words, (folder,))
    expected = content(folder)
    for after in chosen(form, count, record_property):
        shutil.rmtree(folder)
        assert killed(words, (folder,), after), after
        assert in_child(lambda: gentool(*words)) == 0, f"after {after} of {count} operations"
        assert content(folder) == expected, f"after {after} of {count} operations"


@forms("gan", "vae", short=("vae",))
def test_overwriting_goes_on(name: str, form: str, record_property: Record, tmp_path: Path) -> None:
    words, folder = (*COMMANDS[name], "--out", tmp_path / "run"), tmp_path / "run"
    in_child(lambda: gentool(*words))
    shutil.copytree(folder, tmp_path / "before")
    again = (*words, "--seed", 3, "--overwrite")
    count = operations(again, (folder,))
    expected = content(folder)
    for after in chosen(form, count, record_property):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "before", folder)
        assert killed(again, (folder,), after), after
        assert in_child(lambda: gentool(*again)) == 0, f"after {after} of {count} operations"
        assert content(folder) == expected, f"after {after} of {count} operations"


@forms("digits", short=("digits",))
def test_preparing_goes_on(
    name: str, form: str, record_property: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("GENTOOL_DATA", str(cache))
    words = ("prepare", name, "--validation", 0.2)
    count = operations(words, (cache,))

    def prepared() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in cache.rglob("*.npy")}

    expected = prepared()
    for after in chosen(form, count, record_property):
        shutil.rmtree(cache)
        assert killed(words, (cache,), after), after
        assert in_child(lambda: gentool(*words)) == 0, f"after {after} of {count} operations"
        assert prepared() == expected, f"after {after} of {count} operations"
