"""What a command does where streams are closed, the disk refuses, and names are odd."""

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gentool.cli import app
from gentool.engine.terminal import Terminal, TerminalOptions


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A command line with `gentool` in it, in a shell."""
    line = line.replace("gentool", f"{sys.executable} -m gentool")
    return subprocess.run(["bash", "-c", line], capture_output=True, env=os.environ | environment, check=False)


@pytest.mark.skipif(os.name == "nt", reason="the shell's syntax for closing a stream")
@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        ("gentool sample gan {run} --out a.png >&-", 0, b"a.png: 25 samples"),
        ("gentool sample gan {run} --out a.png 2>&-", 0, b"a.png"),
        ("gentool sample gan nowhere 2>&-", 4, b""),
        ("gentool seq2seq solve nowhere <&-", 2, b"which queries?"),
        ("gentool prepare --list > /dev/full", 1, b"gentool: No space left on device"),
        ("gentool train vae --help > /dev/full", 1, b"gentool: No space left on device"),
        ("mkdir gone; cd gone; rmdir ../gone; gentool sample gan x", 1, b"gentool: the current folder no longer"),
    ],
)
def test_closed_and_full_streams(runs: Path, line: str, code: int, text: bytes) -> None:
    done = shell(line.format(run=runs / "gan"))
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert text in done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_names_that_are_no_text(runs: Path) -> None:
    name = os.fsdecode(b"r\xff")
    done = shell("gentool train vae --data digits --arch mlp --hidden 8 --steps 2 --device cpu --out $'r\\xff' | cat")
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert (Path(name) / "model.pt").is_file()
    assert done.stdout == b"r\xff\n"
    done = shell(f"gentool sample gan {runs / 'gan'} --out '\u65e5.png' | cat", PYTHONIOENCODING="ascii")
    assert b"Traceback" not in done.stderr
    assert Path("\u65e5.png").is_file()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
def test_json_in_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    name = "\u65e5\xe9\U0001f600\udcff\x9b\x7f\n"
    stdout = io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", stdout)
    Terminal(TerminalOptions(json=True)).emit({"event": "done", "name": name})
    written = stdout.buffer.getvalue()
    assert json.loads(written.decode(encoding))["name"] == name
    assert not {0x7F, 0x9B} & set(written)


def test_colours_that_are_forced_do_not_redraw_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not Terminal().live


def test_what_the_system_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "runs/v")

    monkeypatch.setattr(app.typer.main, "get_command", lambda _: refuse)
    assert app.run(["train"]) == 1
    assert capsys.readouterr().err == "gentool: runs/v: Permission denied\n"


def test_overwrite_replaces_runs_only(cli: Callable) -> None:
    mine = Path("mine")
    (mine / "samples").mkdir(parents=True)
    (mine / "options.json").write_text('{"a": 1}')
    (mine / "samples" / "photo.txt").write_text("mine")
    refused = cli("train", "vae", "--data", "digits", "--steps", 1, "--out", mine, "--overwrite")
    assert refused.code == 2
    assert refused.err.splitlines()[-1] == "gentool: --out mine: not a gentool run; choose another folder"
    assert (mine / "samples" / "photo.txt").read_text() == "mine"


def test_films_of_other_commands_stay(cli: Callable) -> None:
    tiny = ["train", "vae", "--data", "digits", "--arch", "mlp", "--hidden", 8, "--device", "cpu", "--steps", 2]
    assert cli(*tiny, "--out", "run").code == 0
    film = Path("run/model-interpolation-0.gif")
    film.write_bytes(b"film")
    assert cli(*tiny, "--out", "run", "--gif").code == 0
    assert Path("run/samples.gif").is_file()
    assert cli(*tiny, "--out", "run", "--overwrite").code == 0
    assert film.read_bytes() == b"film"
    assert not Path("run/samples.gif").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "vae", "--kl-warmup", "inf"], "--kl-warmup: inf is not a finite number"),
        (["train", "lstm-ae", "--clip", "1e400"], "--clip: inf is not a finite number"),
        (["train", "vae", "--data", ""], "--data: needs a value"),
        (["compare", "--train", "gan", "--k", "5"], "--k: a gan has no likelihood (models with one: vae and cvae)"),
        (["seq2seq", "sweep", "text2text", "--hidden", "8:inf"], "--hidden: '8:inf': expected FIRST:LAST:STEP"),
        (["seq2seq", "sweep", "text2text", "--hidden", "8:9:0.5"], "--hidden: '8:9:0.5': expected whole numbers"),
    ],
)
def test_values_that_cannot_be_meant(cli: Callable, words: list[str], message: str) -> None:
    refused = cli(*words)
    assert refused.code == 2
    assert refused.err.splitlines()[-1].startswith(f"gentool: {message}")
    assert not list(Path().iterdir())


def test_another_budget_is_another_comparison(cli: Callable) -> None:
    plan = Path("both/runs/vae-plan.json")
    plan.parent.mkdir(parents=True)
    plan.write_text('{"model": "vae", "seconds": 4, "steps": 2, "trials": []}')
    refused = cli("compare", "--train", "vae", "--budget", "1s", "--out", "both")
    assert refused.code == 2
    assert "both has training runs of 4 s, not 1 s; give another --out, or --overwrite" in refused.err
    assert '"seconds": 4' in plan.read_text()
