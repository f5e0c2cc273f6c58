"""The scripts of examples/reports, each with a tiny setting: they run twice, and their pages have every file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path for path in (ROOT / "examples" / "reports").glob("*.sh") if path.name != "page.sh")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shell scripts")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """`gentool` on the PATH is that of this Python."""
    tool = tmp_path / "bin" / "gentool"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gentool "$@"\n')
    tool.chmod(0o755)
    path = f"{tool.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "QUICK": "1", "STEPS": "2", "OUT": str(tmp_path / "the page")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_report_is_a_page_with_all_its_figures(script: Path, environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    page = tmp_path / "the page"
    assert done.stdout.splitlines()[-1] == f"The page: {page}/index.html"
    text = (page / "index.html").read_text()
    files = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(files) >= 5
    assert not [file for file in files if not (page / file).is_file()]
    assert text.count("<h1>") == 1


def test_a_report_stops_at_the_first_error(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", SCRIPTS[0]], cwd=tmp_path, env=environment | {"DATA": "nowhere"}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "nowhere" in done.stderr
    assert "The page" not in done.stdout
