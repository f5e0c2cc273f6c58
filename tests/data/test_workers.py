"""Many small files are read in processes: with the same result, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.data import convert
from gentool.data.detect import read_path
from gentool.data.pipeline import Rows, prepare_rows
from gentool.data.prepare import PrepareOptions
from gentool.data.workers import Workers
from gentool.errors import GentoolError


@pytest.fixture
def small_files(tmp_path: Path) -> Path:
    """300 files of two classes: grey ones but for one that the sample does not see, damaged ones, a small one."""
    folder = tmp_path / "files"
    random = np.random.default_rng(0)
    for kind in "ab":
        (folder / kind).mkdir(parents=True)
        for number in range(150):
            pixels = random.integers(0, 256, (12, 10)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{kind}/{number:03}.png")
    Image.new("RGB", (10, 12), "red").save(folder / "b/147.png")
    Image.new("L", (9, 9), 7).save(folder / "b/143.png")
    for name in ("a/007.png", "b/001.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:60])
    return folder


def rows_of(folder: Path, **options: object) -> Rows:
    prepared = PrepareOptions(**options)  # type: ignore[arg-type]
    return prepare_rows(read_path(folder, prepared), prepared, scratch=lambda shape: np.empty(shape, np.uint8))


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def enable() -> None:
        monkeypatch.setattr(convert, "MANY", 1)
        monkeypatch.setattr(convert, "cores", lambda: 2)

    return enable


@pytest.mark.parametrize("options", [{}, {"size": (8, 8)}, {"channels": 4}])
def test_processes_give_what_one_thread_gives(
    small_files: Path, in_processes: Callable[[], None], options: dict[str, object]
) -> None:
    expected = rows_of(small_files, **options)
    in_processes()
    rows = rows_of(small_files, **options)
    assert rows.shape == expected.shape
    assert rows.shape[0] == (4 if options.get("channels") == 4 else 3)
    assert rows.images is not None
    assert expected.images is not None
    assert np.array_equal(rows.images[rows.readable], expected.images[expected.readable])
    assert np.array_equal(rows.splits, expected.splits)
    assert rows.info == expected.info
    assert [one["name"] for one in rows.info["skipped"]] == ["a/007.png", "b/001.png"]


def test_nothing_is_kept_when_only_checked(small_files: Path, in_processes: Callable[[], None]) -> None:
    in_processes()
    options = PrepareOptions()
    rows = prepare_rows(read_path(small_files, options), options, scratch=None)
    assert rows.images is None
    assert len(rows.readable) == 298


def test_processes_end_with_their_context() -> None:
    with Workers(2) as workers:
        assert workers(divmod, 7, 2) == (3, 1)
        numbers = [process.pid for process in workers.processes]
    assert len(set(numbers)) == 2
    assert all(process.poll() is not None for process in workers.processes)


def test_a_process_that_dies_is_an_error() -> None:
    with Workers(1) as workers:
        with pytest.raises(GentoolError, match="a process that reads images ended with code 3"):
            workers(os._exit, 3)
        with pytest.raises(GentoolError, match="ended with code 3"):
            workers(divmod, 7, 2)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_processes_end_when_their_parent_is_killed() -> None:
    program = (
        "import time; from gentool.data.workers import Workers\n"
        "with Workers(2) as w: w(divmod, 7, 2); print(*(p.pid for p in w.processes), flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    numbers = [int(word) for word in parent.stdout.readline().split()]
    assert len(numbers) == 2
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 20
    while any(is_running(number) for number in numbers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(number) for number in numbers)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
