"""A preparation that is ended leaves nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gentool.data.load import load_data


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a program can catch")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_no_temporary_files(tmp_path: Path, number: signal.Signals, code: int) -> None:
    cache = tmp_path / "cache"
    words = [sys.executable, "-m", "gentool", "prepare", "shapes", "--count", "300000", "--size", "32"]
    process = subprocess.Popen(
        words,
        env=os.environ | {"GENTOOL_DATA": str(cache)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a shell ignores SIGINT for what runs behind it
    )
    deadline = time.monotonic() + 60
    while not list(cache.glob("prepared/.*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert "Traceback" not in errors
    assert list(cache.glob("prepared/*")) == []
    assert list(cache.glob("prepared/.*")) == []


def test_old_leftovers_of_any_set_are_removed(own_cache: Path) -> None:
    prepared = own_cache / "prepared"
    old, young, other = (prepared / name for name in (".mnist.01234567-7.tmp", ".x.01234567-8.tmp", ".mine.tmp"))
    for folder in (old, young, other):
        folder.mkdir(parents=True)
    for folder in (old, other):
        os.utime(folder, (1e9, 1e9))
    load_data("digits")
    assert not old.exists()
    assert young.exists()
    assert other.exists()
