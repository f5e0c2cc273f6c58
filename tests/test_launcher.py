"""A process that gentool starts, from a user's folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from gentool.launcher import gentool_command


def test_files_of_the_folder_are_not_taken_for_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("random", "queue", "types"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user')")
    monkeypatch.chdir(tmp_path)
    done = subprocess.run([*gentool_command(), "prepare", "--list"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cryptopunks" in done.stdout


def test_a_clone_that_is_not_installed_starts_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    assert gentool_command() == [sys.executable, "-m", "gentool"]
