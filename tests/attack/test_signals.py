"""A signal at any moment, from the first line to the last, ends a command as documented, and the same command goes on.

In short form in the default run; `pytest -m attack` tries 200 moments.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attack.processes import Command
from tests.attack.test_kills import COMMANDS, content

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

SIGNALS = [signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]
TEXT = ("--max-operand", 9, "--hidden", 8, "--embedding", 8)
EVERY = {
    "vae": COMMANDS["vae"],
    "gan": COMMANDS["gan"],
    "text2text": COMMANDS["text2text"],
    "prepare": ["prepare", "shapes", "--count", 500, "--overwrite"],
    "sweep": ["seq2seq", "sweep", "text2text", *TEXT, "--steps", 20, "--repeats", 2, "--jobs", 2],
    "compare": ["compare", "--train", "gan,vae", "--budget", "1s", "--samples", 500],
    "evaluate": ["evaluate", "gan", "RUN", "--samples", 500, "--overwrite"],
}
TRAININGS = ("vae", "gan", "text2text")


def made(name: str, folder: Path) -> dict[str, Any]:
    """What a command came to, without times."""
    if name in TRAININGS:
        return content(folder)
    if name == "prepare":
        return {path.name: path.read_bytes() for path in folder.glob("*.npy")}
    return {"files": sorted(str(path.relative_to(folder)) for path in folder.glob("*") if path.is_file())}


@pytest.mark.parametrize(
    ("name", "moments", "fork"),
    [("vae", 6, True), ("prepare", 3, True)]
    + [pytest.param(name, 28, False, marks=pytest.mark.attack) for name in EVERY],
)
def test_the_same_command_goes_on(
    name: str,
    moments: int,
    fork: bool,
    runs: Path,
    record_property: Callable[[str, object], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record_property("moments of signals", moments)
    monkeypatch.chdir(tmp_path)
    folder, log = tmp_path / "out", tmp_path / "log"
    words = *(runs / "gan" if word == "RUN" else word for word in EVERY[name]), "--out", folder
    whole = Command(words, log, fork=fork)
    code, said = whole.end()
    assert code == 0, said
    life, expected = time.monotonic() - whole.started, made(name, folder)
    for moment in range(moments):
        shutil.rmtree(folder)
        number, seconds = SIGNALS[moment % len(SIGNALS)], life * (moment + 0.5) / moments
        command = Command(words, log, fork=fork)
        command.signal(number, seconds)
        code, said = command.end()
        where = f"{number.name} after {seconds:.2f} of {life:.2f} s: exit code {code}: {said}"
        assert code in (0, 75, 128 + number), where
        assert "Traceback" not in said, where
        assert "Exception ignored" not in said, where
        assert not list(tmp_path.rglob("*.tmp")), where
        assert code != 75 or name not in TRAININGS or list(folder.glob("state-*.pt")), where
        code, said = Command(words, log, fork=fork).end()
        assert code == 0, f"{where}; again: {said}"
        assert made(name, folder) == expected, where


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_while_libraries_are_loaded(number: signal.Signals, tmp_path: Path) -> None:
    for seconds in (0.02, 0.1, 0.4):
        command = Command(("train", "vae", "--out", tmp_path / "run"), tmp_path / "log", fork=False)
        command.signal(number, seconds)
        code, said = command.end()
        assert (code, said) in ((128 + number, ""), (130, "gentool: interrupted\n"))
    assert not (tmp_path / "run").exists()


def test_a_second_ctrl_c_leaves_the_model_of_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the state of the last update is written: model.pt follows at once."""
    from gentool.engine import checkpoint, states

    words = (*COMMANDS["vae"], "--out", tmp_path / "run")
    save = states.save_state

    def interrupted(*arguments: Any) -> None:
        save(*arguments)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr("gentool.engine.run.save_state", interrupted)
        code, said = Command(words, tmp_path / "log").end()
    assert code == 130, said
    assert said.endswith("gentool: interrupted; the same command goes on from the last saved state\n"), said
    state = checkpoint.load(max((tmp_path / "run").glob("state-*.pt")), "state")[1]
    assert checkpoint.load(tmp_path / "run/model.pt", "model")[1]["step"] == state["step"]
