"""Whatever happens is one line and a documented exit code; nothing leads out, and no other program is started."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from gentool.data.load import prepare_to
from gentool.data.prepare import PrepareOptions
from gentool.pictures import open_picture
from gentool.progress import printable
from gentool.signals import Terminated, end_in_order
from tests.conftest import Outcome

Cli = Callable[..., Outcome]


def failing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("gentool.data.load.load_data", fail)


def test_a_bug_is_one_line_with_a_file(cli: Cli, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(KeyError("x\ny"), monkeypatch)
    done = cli("prepare", "digits")
    assert done.code == 1
    assert done.err.startswith(
        "gentool: unexpected KeyError: 'x\\ny'. This is a bug in gentool: please report it with "
    )
    assert done.err.count("\n") == 1
    text = Path(done.err.split(" with ")[1].strip()).read_text()
    assert "Traceback" in text
    assert "in fail" in text


def test_a_package_that_is_missing_has_its_command(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(ModuleNotFoundError("No module named 'pydantic_core'", name="pydantic_core"), monkeypatch)
    done = cli("prepare", "digits")
    assert done.code == 1
    assert "No module named 'pydantic_core': a package is missing. To fix it: python" in done.err
    assert done.err.endswith(" -m pip install pydantic-core\n")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "out of memory; use a smaller"),
        (RuntimeError("can't allocate memory: you tried to allocate 4294967296 bytes."), "tried to allocate 4.0 GiB"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB."), "tried to allocate 2.50 GiB"),
    ],
)  # fmt: skip
def test_no_memory_left(cli: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    failing(error, monkeypatch)
    done = cli("prepare", "digits")
    assert done.code == 1
    assert done.err.startswith("gentool: out of memory")
    assert message in done.err


def test_layers_that_no_memory_holds(cli: Cli) -> None:
    done = cli("train", "vae", "--data", "digits", "--arch", "mlp", "--hidden", "4000000,4000000", "--out", "run")
    assert done.code == 1
    assert "out of memory: training 32,000,912,000,128 weights" in done.err
    assert "GiB are free; use smaller layers" in done.err
    assert not Path("run").exists()
    assert done.err.count("\n") == 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_outside_a_training(cli: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    def end(*_: object, **__: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr("gentool.data.load.load_data", end)
    assert cli("prepare", "digits").code == 128 + number


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_nohup_stays() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with end_in_order():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_cut_short_what_the_first_one_does() -> None:
    cleaned = False

    def work() -> None:
        nonlocal cleaned
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleaned = True

    with pytest.raises(Terminated), end_in_order():
        work()
    assert cleaned


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_a_finalizer_is_not_lost(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    class Thing:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def work() -> None:
        Thing()
        time.sleep(10)

    with pytest.raises({signal.SIGTERM: Terminated, signal.SIGINT: KeyboardInterrupt}[number]), end_in_order():
        work()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["x/../../../escaped", "..\\x", ".hidden", "a\x1b[2Jb", ""])
def test_the_name_of_a_set_is_no_path(cli: Cli, tmp_path: Path, name: str) -> None:
    prepare_to("digits", PrepareOptions(), tmp_path / "p")
    file = tmp_path / "p/dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"name": name}))
    done = cli("train", "vae", "--data", "p", "--epochs", 1)
    assert done.code == 3
    assert "has a name that a data set cannot have" in done.err
    assert "\x1b" not in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p"]


def test_control_characters_are_shown() -> None:
    assert printable("a\x1b[31mb\r\x07\x9bc\td\ne") == "a\\x1b[31mb\\r\\x07\\x9bc\td\ne"


def test_names_of_files_do_not_reach_the_terminal(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a\x1b]0;title\x07.png").write_text("no picture")
    done = cli("prepare", "set")
    assert done.code == 3
    assert "\x1b" not in done.err
    assert "a\\x1b]0;title\\x07.png" in done.err


def test_an_eps_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", pytest.fail)
    monkeypatch.setattr(os, "system", pytest.fail)
    Image.new("RGB", (4, 4)).save(tmp_path / "x.eps")
    shutil.move(tmp_path / "x.eps", tmp_path / "x.png")
    with pytest.raises(OSError, match="cannot identify image file"):
        open_picture(tmp_path / "x.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(OSError, match="not a regular file"):
        open_picture(tmp_path / "x.png")
    program = f"from pathlib import Path\nfrom gentool.latent.images import read_pictures\n\
read_pictures([Path({str(tmp_path / 'x.png')!r})], (1, 8, 8))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "DataError" in done.stderr
    assert "not a regular file" in done.stderr
