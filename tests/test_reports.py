"""The scripts of examples/reports, each with a tiny setting: their pages have every file, and they can be repeated."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path for path in (ROOT / "examples" / "reports").glob("*.sh") if path.name != "page.sh")

MINUTES = ("arithmetic_tables", "cats", "portraits_vs_punks")
"""Scripts with many trainings, which take minutes even when each is tiny."""
TWICE = "vae_gmm"
"""The script that is run once more."""
PAGES = [
    pytest.param(path, marks=pytest.mark.slow if path.stem in MINUTES else ()) for path in SCRIPTS if path.stem != TWICE
]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shell scripts")


@pytest.fixture(scope="module")
def forked() -> Iterator[Path]:
    """The folder of a `gentool` that starts at once, and whose evaluations train their classifier for one update."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-m", "tests.preloaded", folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdout is not None
        program = server.stdout.readline().strip()
        assert program, "it ended before it could answer"
        yield Path(program).parent
        server.kill()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The settings of a script that is run with little data for two updates."""
    return {**os.environ, "QUICK": "1", "STEPS": "2", "TASKS": "text2image", "OUT": str(tmp_path / "the page")}


@pytest.fixture
def quickly(environment: dict[str, str], forked: Path) -> dict[str, str]:
    """The same, with the `gentool` that starts at once on the PATH."""
    return environment | {"PATH": f"{forked}:{os.environ['PATH']}"}


def made(script: Path, environment: dict[str, str], folder: Path, *shell: str) -> str:
    """The page that a script writes, with all its figures."""
    done = subprocess.run(
        [*(shell or ["sh"]), script], cwd=folder, env=environment, capture_output=True, text=True, timeout=1800,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = folder / "the page" / "index.html"
    assert done.stdout.splitlines()[-1] == f"The page: {page}"
    text = page.read_text()
    files = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(files) >= 5
    assert not [file for file in files if not (page.parent / file).is_file()]
    assert text.count("<h1>") == 1
    return text


@pytest.mark.parametrize("script", PAGES, ids=lambda script: script.stem)
def test_a_report_is_a_page_with_all_its_figures(script: Path, quickly: dict[str, str], tmp_path: Path) -> None:
    made(script, quickly, tmp_path)


def test_the_same_command_again_trains_nothing(quickly: dict[str, str], tmp_path: Path) -> None:
    (script,) = (one for one in SCRIPTS if one.stem == TWICE)
    first = made(script, quickly, tmp_path)
    models = {path: path.stat().st_mtime_ns for path in (tmp_path / "the page").rglob("model.pt")}
    assert len(models) == 2
    assert made(script, quickly, tmp_path, "bash", "-euo", "pipefail") == first
    assert {path: path.stat().st_mtime_ns for path in models} == models


@pytest.mark.parametrize(
    ("settings", "images", "arithmetic"),
    [
        ({}, "--epochs 75", "--epochs 75"),
        ({"QUICK": "1"}, "--steps 300", "--steps 300"),
        ({"BUDGET": "9m"}, "--budget 9m", "--epochs 75"),
        ({"BUDGET": "9m", "QUICK": "1"}, "--budget 9m", "--steps 300"),
        ({"BUDGET": "9m", "STEPS": "7"}, "--steps 7", "--steps 7"),
    ],
)
def test_the_length_of_a_training_can_be_set(settings: dict[str, str], images: str, arithmetic: str) -> None:
    both = "for how in length arithmetic_length length; do $how '--epochs 75' '--steps 300'; done"
    script = f". examples/reports/page.sh; {both}"
    plain = {name: value for name, value in os.environ.items() if name not in ("BUDGET", "QUICK", "STEPS")}
    done = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, env=plain | settings, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [images, arithmetic, images]


@pytest.mark.parametrize("shell", [["sh"], ["bash", "-euo", "pipefail"]], ids=["sh", "bash"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_report_stops_at_the_first_error(
    script: Path, shell: list[str], quickly: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [*shell, script], cwd=tmp_path, env=quickly | {"DATA": "nowhere"}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "nowhere" in done.stderr
    assert "The page" not in done.stdout
