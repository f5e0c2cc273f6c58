"""Two processes that start at once in one place: one does the work, or both end well; nothing is mixed.

In short form in the default run; `pytest -m attack` starts 250 pairs.
"""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gentool.engine.folder import LOCK, OWNER
from gentool.signals import STOPS_WITH_INPUT
from tests.attack.processes import Command
from tests.attack.test_kills import COMMANDS, SEQ2SEQ, content

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

Record = Callable[[str, object], None]
REFUSED = r"gentool: .*run: process {other} on .* is training here; wait until it ends, or give another --out"
LATE = r"gentool: .*run: another process has trained here in the meantime; run the same command again"
OTHER_SEED = r"gentool: .*run holds another run: --seed was \d, is \d\. .*"


def pair(tmp_path: Path, first: tuple[object, ...], second: tuple[object, ...]) -> list[tuple[Command, int, str]]:
    """Two commands that start at once: each with its exit code and what it has printed."""
    commands = [Command(words, tmp_path / f"log{number}") for number, words in enumerate((first, second))]
    return [(command, *command.end()) for command in commands]


@pytest.mark.attack
@pytest.mark.parametrize("seeds", [(0, 0), (0, 1)], ids=str)
def test_trainings_in_one_folder_100_times(seeds: tuple[int, int], record_property: Record, tmp_path: Path) -> None:
    record_property("pairs of trainings", 100)
    in_one_folder(seeds, 100, tmp_path)


@pytest.mark.parametrize("seeds", [(0, 0), (0, 1)], ids=str)
def test_trainings_in_one_folder(seeds: tuple[int, int], tmp_path: Path) -> None:
    in_one_folder(seeds, 2, tmp_path)


def in_one_folder(seeds: tuple[int, int], times: int, tmp_path: Path) -> None:
    """Exactly one of two trainings is made, as if it were alone, and the other one is refused."""
    words = [(*COMMANDS["vae"], "--seed", seed, "--out") for seed in seeds]
    alone: list[dict[str, Any]] = []
    for number, one in enumerate(words):
        assert Command((*one, tmp_path / f"alone{number}"), tmp_path / "log").end()[0] == 0
        alone.append(content(tmp_path / f"alone{number}"))
    folder = tmp_path / "run"
    for _ in range(times):
        ended = pair(tmp_path, (*words[0], folder), (*words[1], folder))
        codes = [code for _, code, _ in ended]
        assert sorted(codes) == [0, 2], ended
        winner, loser = codes.index(0), codes.index(2)
        refused = REFUSED.format(other=ended[winner][0].number)
        last = ended[loser][2].splitlines()[-1]
        assert re.fullmatch(f"{refused}|{LATE}|{OTHER_SEED}", last), last
        assert content(folder) == alone[winner]
        shutil.rmtree(folder)


@pytest.mark.parametrize("times", [2, pytest.param(50, marks=pytest.mark.attack)])
def test_preparing_one_set(
    times: int, record_property: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_property("pairs of preparations", times)
    monkeypatch.setenv("GENTOOL_DATA", str(tmp_path / "cache"))
    for number in range(times):
        words = ("prepare", "shapes", "--count", 300, "--split-seed", number)
        for _, code, said in pair(tmp_path, words, words):
            assert code == 0, said
        code, said = Command(("prepare", "--check", said.splitlines()[-1]), tmp_path / "log").end()
        assert code == 0, said
        assert "matches" in said
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix in (".tmp", ".old")]


def test_a_folder_that_was_copied_is_not_locked(tmp_path: Path) -> None:
    words = (*COMMANDS["vae"], "--epochs", 3000, "--out")
    training = Command((*words, tmp_path / "run"), tmp_path / "log")
    while not list((tmp_path / "run").glob("state-*.pt")):
        time.sleep(0.02)
    shutil.copytree(tmp_path / "run", tmp_path / "copy", ignore=shutil.ignore_patterns("*.tmp"))
    assert {LOCK, OWNER} <= {path.name for path in (tmp_path / "copy").iterdir()}
    copied = Command((*words, tmp_path / "copy"), tmp_path / "log2")
    while (tmp_path / "copy" / OWNER).read_text() == (tmp_path / "run" / OWNER).read_text():
        time.sleep(0.02)
    for command in (training, copied):
        command.signal(signal.SIGTERM, 0)
        assert command.end()[0] == 75


def test_a_training_of_a_sweep_stops_when_the_sweep_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STOPS_WITH_INPUT, "1")
    read, write = os.pipe()
    words = ("seq2seq", "train", "text2text", *SEQ2SEQ, "--epochs", 3000, "--out", tmp_path / "run")
    training = Command(words, tmp_path / "log", fork=False, stdin=read)
    os.close(read)
    while not list((tmp_path / "run").glob("state-*.pt")):
        time.sleep(0.02)
    os.close(write)
    code, said = training.end()
    assert code == 75, said


@pytest.mark.attack
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP], ids=lambda number: number.name)
def test_the_trainings_of_a_sweep_end_with_it(number: signal.Signals, tmp_path: Path) -> None:
    words = (
        "seq2seq",
        "sweep",
        "text2text",
        *SEQ2SEQ,
        "--epochs",
        60,
        "--repeats",
        2,
        "--jobs",
        2,
        "--out",
        tmp_path / "s",
    )
    sweep = Command(words, tmp_path / "log", fork=False)
    while len(list((tmp_path / "s").glob("*/state-*.pt"))) < 2:
        time.sleep(0.02)
    sweep.signal(number, 0)
    assert sweep.end()[0] == (75 if number == signal.SIGHUP else -number)
    code, said = Command(words, tmp_path / "log", fork=False).end()
    assert code == 0, said
