"""One training in a terminal of 60, 80 and 120 columns, in a pipe, with NO_COLOR and on a dumb terminal."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gentool.engine import terminal as terminal_module
from gentool.engine.terminal import Terminal, TerminalOptions, fitted
from gentool.progress import wrapped
from tests.terminals import in_terminal

TRAIN = ["train", "cae", "--data", "digits", "--channels", "4,8", "--batch-size", "32", "--epochs", "3"]
COLOUR = re.compile(r"\x1b\[[0-9;]*[1-9][0-9]*m")

TINY_GAN = ["train", "gan", "--data", "digits", "--width", "16", "--batch-size", "256", "--epochs", "4"]


def lines_of(text: str) -> list[str]:
    """The lines that a terminal was sent, also those that it has removed since."""
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").split("\n")
    return [line for line in lines if line.strip()]


def test_a_terminal_gets_a_live_display_in_colour(tmp_path: Path) -> None:
    code, text = in_terminal(tmp_path, TRAIN, fork=False)
    assert code == 0
    assert "\x1b[2K" in text, "the line of progress is redrawn"
    assert COLOUR.search(text)
    lines = lines_of(text)
    assert any(line.startswith("runs/cae-digits: training cae on digits") for line in lines)
    assert any(re.fullmatch(r"[━╸╺]+ +\d+%, 0:00:\d\d left *", line) for line in lines), "a bar and the time left"
    *lines, picture, last = lines
    assert set(picture) == {"▄"}, "the samples are drawn"
    assert any(re.fullmatch(r"runs/cae-digits: done in \d+ s", line) for line in lines)
    assert last == "Next: gentool reconstruct cae runs/cae-digits"


@pytest.mark.parametrize(("columns", "losses"), [(60, 2), (80, 3), (120, 4)])
def test_each_epoch_leaves_a_line_with_the_losses_that_fit(tmp_path: Path, columns: int, losses: int) -> None:
    code, text = in_terminal(tmp_path, TINY_GAN, columns)
    assert code == 0
    lines = lines_of(text)
    assert max(map(len, lines)) <= max(columns, 80), "the first lines fit 80 columns"
    for epoch in range(1, 5):
        named = ["generator", "discriminator", "diversity", "class_entropy_ratio"][:losses]
        expected = rf"epoch {epoch}/4" + "".join(rf" +{name} -?[\d.e+-]+" for name in named)
        assert [line for line in lines if re.fullmatch(rf"{expected}( +[\d,]+ images/s)?", line.rstrip())], expected
    started = next(index for index, line in enumerate(lines) if line.startswith("runs/gan-digits: training gan"))
    begun = " ".join(line.strip() for line in lines[started : started + 4])  # narrow terminals break between words
    assert begun.startswith("runs/gan-digits: training gan on digits, 1,527 images 8x8 grey 4 epochs of 5 updates, ")
    assert re.search(r"updates, generator [\d,]+ and discriminator [\d,]+ weights, cpu", begun)


def test_lines_break_between_words(tmp_path: Path) -> None:
    """Those of stdout, of notices and of errors, but for a command to copy."""
    for words, code, expected in [
        (["prepare", "--list"], 0, "    handwritten digits, small"),
        (["doctor"], 0, "python"),
        (["sample", "nowhere/" + "x" * 20], 4, "  give a run folder, such as runs/vae-digits, or its"),
    ]:
        found, text = in_terminal(tmp_path, words, 60)
        lines = [line.rstrip() for line in lines_of(text)]
        assert found == code, text
        assert any(line.startswith(expected) for line in lines), text
        assert all(len(line) <= 60 or " " not in line.strip() for line in lines), text


def test_a_deep_indent_leaves_half_of_a_narrow_line() -> None:
    text = f"{'fid_classifier_8500':30} 3.466 (2.906 to 4.026)   floor 0.1882 (0 to 0.4112)"
    assert wrapped(text, 120, 31) == text
    assert wrapped(text, 80, 31).splitlines() == [text.removesuffix(" 0.4112)"), f"{'':31}0.4112)"]
    assert max(map(len, wrapped(text, 40, 31).splitlines())) <= 40


def test_rows_go_to_a_file_whole_while_a_terminal_shows_progress(tmp_path: Path) -> None:
    with (tmp_path / "rows.jsonl").open("wb") as rows:
        code, text = in_terminal(tmp_path, [*TRAIN, "--json"], stdout=rows.fileno())
    assert code == 0
    assert "event" not in text
    written = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["event"] for row in written] == ["epoch", "epoch", "epoch", "done"]


def test_no_color_is_honoured(tmp_path: Path) -> None:
    code, text = in_terminal(tmp_path, TRAIN, NO_COLOR="1")
    assert code == 0
    assert "\x1b[2K" in text, "the line of progress is redrawn"
    assert not COLOUR.search(text)


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    code, text = in_terminal(tmp_path, TRAIN, TERM="dumb")
    assert code == 0
    assert "\x1b" not in text
    assert "epoch 1/3  loss" in text


def test_a_pipe_gets_the_folder_on_stdout_and_plain_lines_on_stderr(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gentool", *TRAIN], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "runs/cae-digits\n"
    lines = done.stderr.splitlines()
    assert "\x1b" not in done.stderr
    assert lines[0].startswith("runs/cae-digits: training")
    assert re.fullmatch(r"3 epochs of 47 updates, [\d,]+ weights, cpu.*", lines[1])
    assert max(map(len, lines[:2])) <= 80
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert re.search(r"  33%, 0:00:\d\d left$", epochs[0])
    assert epochs[2].endswith(" images/s  100%")
    assert re.fullmatch(r"runs/cae-digits: done in \d+ s", lines[-2])
    assert lines[-1] == "Next: gentool reconstruct cae runs/cae-digits"


class Clock:
    """The time that a terminal sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(terminal_module, "time", SimpleNamespace(monotonic=lambda: self.now))


def trained(terminal: Terminal, clock: Clock, epochs: int, steps: int, seconds: float, first: int = 0) -> None:
    """Report a training of `epochs` epochs of `steps` updates, each of which takes `seconds`."""
    for step in range(first + 1, epochs * steps + 1):
        clock.now += seconds
        epoch = -(-step // steps)
        terminal.progress("training", step, epochs * steps, f"epoch {epoch}/{epochs}  loss 0.5")
        if step % steps == 0:
            terminal.epoch({"epoch": epoch})


@pytest.mark.parametrize(
    ("epochs", "steps", "seconds", "shown"),
    [
        (100, 10, 0.1, [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),  # short epochs
        (100, 10, 10, [1, 1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),  # an early line, too
        (21, 10, 0.1, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21]),
        (7, 10, 0.1, [1, 2, 3, 4, 5, 6, 7]),
        (3, 10, 0.1, [1, 2, 3]),
        (2, 1000, 1, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]),  # long epochs, also within them
        (20_000, 1, 0.1, [1, *range(2000, 20_001, 2000)]),
    ],
)
def test_a_pipe_gets_a_line_soon_and_then_one_for_every_tenth(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    epochs: int,
    steps: int,
    seconds: float,
    shown: list[int],
) -> None:
    clock, terminal = Clock(monkeypatch), Terminal()
    trained(terminal, clock, epochs, steps, seconds)
    lines = capsys.readouterr().err.splitlines()
    assert [int(line.split()[1].split("/")[0]) for line in lines] == shown
    assert lines[-1] == f"epoch {epochs}/{epochs}  loss 0.5  100%"


@pytest.mark.parametrize("epochs", range(1, 15))
def test_a_pipe_never_gets_more_than_a_line_for_every_tenth(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    clock, terminal = Clock(monkeypatch), Terminal()
    trained(terminal, clock, epochs, 2520 // epochs, 1)
    assert len(capsys.readouterr().err.splitlines()) <= 12  # with the early one, and that of the first epoch


def test_a_resumed_training_has_lines_for_the_tenths_of_the_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, terminal = Clock(monkeypatch), Terminal()
    trained(terminal, clock, 100, 10, 0.1, first=735)
    epochs = [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()]
    assert epochs == ["epoch 74/100", "epoch 80/100", "epoch 90/100", "epoch 100/100"]


@pytest.mark.parametrize(
    ("epochs", "seconds", "lines"),
    [(50, 0.1, 50), (100, 0.1, 51), (2000, 0.1, 51), (2000, 6.0, 2000)],  # the first epoch always has one
)
def test_a_terminal_keeps_a_line_for_each_epoch_but_not_thousands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, epochs: int, seconds: float, lines: int
) -> None:
    clock, terminal = Clock(monkeypatch), Terminal()
    terminal.live = True
    monkeypatch.setattr(terminal, "_show", lambda _: None)
    trained(terminal, clock, epochs, 1, seconds)
    kept = capsys.readouterr().err.splitlines()
    assert len(kept) == lines
    assert kept[0] == f"epoch 1/{epochs}  loss 0.5"
    assert kept[-1] == f"epoch {epochs}/{epochs}  loss 0.5"


def test_other_tasks_have_a_line_for_every_tenth_where_they_take_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, terminal = Clock(monkeypatch), Terminal()
    for done in range(1, 41):
        clock.now += 10
        terminal.progress("encoding", done * 100, 4000)
    for done in range(1, 41):
        clock.now += 0.01
        terminal.progress("drawing", done, 40)
    lines = capsys.readouterr().err.splitlines()
    counts = [200, *range(800, 4001, 400)]
    assert [line.split(", ")[0] for line in lines] == [f"encoding {count:,}/4,000" for count in counts]
    assert lines[0] == "encoding 200/4,000, 5%, 0:06:20 left"
    assert lines[-1] == "encoding 4,000/4,000, 100%"


def test_a_task_of_unknown_length_has_lines_ever_further_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, terminal = Clock(monkeypatch), Terminal()
    for done in range(101):
        clock.now += 1
        terminal.progress("reading", done)
    assert capsys.readouterr().err.splitlines() == ["reading 5", "reading 10", "reading 20", "reading 40", "reading 80"]


def test_a_second_training_has_a_time_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, terminal = Clock(monkeypatch), Terminal()
    printed = []
    for start in (0, 1000):
        clock.now = start
        trained(terminal, clock, 10, 2, 10)
        printed.append(capsys.readouterr().err.splitlines())
    assert printed[0][0] == "epoch 1/10  loss 0.5  10%, 0:03:00 left"
    assert printed[1] == printed[0]


def test_what_does_not_fit_is_left_out_in_whole_parts() -> None:
    line = "epoch  3/20  generator 0.7295   discriminator 1.332"
    assert fitted(line, 51) == line
    assert fitted(line, 50) == "epoch  3/20  generator 0.7295"
    assert fitted(line, 28) == "epoch  3/20"
    assert fitted("a task with a long name", 10) == "a task wit"


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
