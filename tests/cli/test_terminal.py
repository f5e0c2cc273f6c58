"""One training in a terminal, in a pipe, with NO_COLOR and on a dumb terminal."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gentool.engine import terminal as terminal_module
from gentool.engine.terminal import Terminal, TerminalOptions

TRAIN = [
    "-m",
    "gentool",
    "train",
    "cae",
    "--data",
    "digits",
    "--channels",
    "4,8",
    "--batch-size",
    "32",
    "--epochs",
    "3",
]
COLOUR = re.compile(r"\x1b\[[0-9;]*[1-9][0-9]*m")


def in_terminal(folder: Path, **environment: str) -> tuple[int, str]:
    """The exit code and all that a terminal was sent."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    parent, child = pty.openpty()
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "CI")}
    process = subprocess.Popen(
        [sys.executable, *TRAIN], cwd=folder, stdin=child, stdout=child, stderr=child,
        env=variables | {"TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(child)
    received = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        received += part
    os.close(parent)
    return process.wait(timeout=60), received.decode()


def test_a_terminal_gets_a_live_display_in_colour(tmp_path: Path) -> None:
    code, text = in_terminal(tmp_path)
    assert code == 0
    assert "\x1b[2K" in text, "the line of progress is redrawn"
    assert COLOUR.search(text)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").split("\n")
    lines = [line for line in lines if line.strip()]
    assert any(line.startswith("runs/cae-digits: training cae on digits") for line in lines)
    assert re.fullmatch(r"runs/cae-digits: done in \d+ s", lines[-2])
    assert lines[-1] == "Next: gentool sample cae runs/cae-digits"


def test_no_color_is_honoured(tmp_path: Path) -> None:
    code, text = in_terminal(tmp_path, NO_COLOR="1")
    assert code == 0
    assert "\x1b[2K" in text, "the line of progress is redrawn"
    assert not COLOUR.search(text)


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    code, text = in_terminal(tmp_path, TERM="dumb")
    assert code == 0
    assert "\x1b" not in text
    assert "epoch 1/3 loss" in text


def test_a_pipe_gets_the_folder_on_stdout_and_plain_lines_on_stderr(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, *TRAIN], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "runs/cae-digits\n"
    lines = done.stderr.splitlines()
    assert "\x1b" not in done.stderr
    assert lines[0].startswith("runs/cae-digits: training")
    assert lines[1].startswith("epoch 1/3 loss")
    assert any(line.startswith("epoch 3/3 loss") for line in lines)
    assert re.fullmatch(r"runs/cae-digits: done in \d+ s", lines[-2])
    assert lines[-1] == "Next: gentool sample cae runs/cae-digits"


class Clock:
    """The time that a terminal sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(terminal_module, "time", SimpleNamespace(monotonic=lambda: self.now))


def test_plain_lines_are_seconds_apart_and_say_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, terminal = Clock(monkeypatch), Terminal()
    for done in range(11):
        clock.now = 2.5 * done
        terminal.progress("training", done, 10, f"epoch {done}/10 loss 0.5")
    assert capsys.readouterr().err.splitlines() == [
        f"epoch {done}/10 loss 0.5, {done}0%, 0:00:{2.5 * (10 - done):02.0f} left" for done in (2, 4, 6, 8)
    ]
    for done in range(0, 3001, 1000):
        clock.now += 5
        terminal.progress("reading", done)
    assert capsys.readouterr().err.splitlines() == ["reading 1,000/?", "reading 2,000/?", "reading 3,000/?"]


def test_a_second_training_has_a_time_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, terminal = Clock(monkeypatch), Terminal()
    printed = []
    for start in (0, 1000):
        for done in range(11):
            clock.now = start + 10 * done
            terminal.progress("training", done, 10, f"epoch {done}/10")
        printed.append(capsys.readouterr().err.splitlines())
    assert printed[0][0] == "epoch 1/10, 10%, 0:01:30 left"
    assert printed[1] == printed[0]


def test_quiet_leaves_only_data(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock, terminal = Clock(monkeypatch), Terminal(TerminalOptions(quiet=True, json=True))
    for done in range(11):
        clock.now = 10 * done
        terminal.progress("training", done, 10, "epoch")
    terminal.notice("a notice")
    terminal.epoch({"epoch": 1, "loss": 0.5})
    assert capsys.readouterr() == ('{"event": "epoch", "epoch": 1, "loss": 0.5}\n', "")


def test_a_reader_that_leaves_is_no_crash(tmp_path: Path) -> None:
    command = f"{sys.executable} -m gentool prepare --list | head -n 1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("name")
    assert "Traceback" not in done.stderr


def test_completion_knows_a_model_s_flags() -> None:
    environment = os.environ | {
        "_GENTOOL_COMPLETE": "complete_bash",
        "COMP_WORDS": "gentool train vae --late",
        "COMP_CWORD": "3",
    }
    command = [sys.executable, "-c", "from gentool.__main__ import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "--latent-dim" in done.stdout
