"""Commands whose n-th write fails, in processes forked from one that has all imports and failing_writes.c preloaded.

`python -m tests.attack.failing JOB` runs below LD_PRELOAD; JOB is a JSON file. It prints one JSON object per failure.
"""

import contextlib
import ctypes
import errno
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from tests.attack.content import content
from tests.attack.kills import import_all

savefig = Figure.savefig
SOURCE = Path(__file__).with_name("failing_writes.c")
FAILURES = {
    "full": (errno.ENOSPC, False, True),
    "torn": (errno.ENOSPC, True, True),
    "io": (errno.EIO, False, False),
    "denied": (errno.EACCES, False, False),
    "killed": (0, False, False),
    "killed half-way": (0, True, False),
}
"""Name to errno (0: the process is killed), whether half of the write is done, and whether all later writes fail."""


def built(folder: Path) -> Path | None:
    """The library to preload; None where there is no C compiler, or another system than Linux."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    library = folder / "failing_writes.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def outcomes(library: Path, job: dict[str, Any], scratch: Path) -> Iterator[dict[str, Any]]:
    """Run a job: `words`, the `folder` in which writes fail, its copy `before`, `failures`, every `step`-th write."""
    path = scratch / "job.json"
    path.write_text(json.dumps(job))
    command = [sys.executable, "-m", "tests.attack.failing", str(path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, env={**os.environ, "LD_PRELOAD": str(library)}, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            yield json.loads(line)
    assert child.returncode == 0, child.returncode


class Shim:
    """The preloaded library."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(None)
        self.library.operations.restype = ctypes.c_long

    def arm(self, folder: Path, at: int, failure: str | None) -> None:
        reason, torn, lasting = FAILURES[failure] if failure else (0, False, False)
        self.library.armed(str(folder).encode(), ctypes.c_long(at), reason, int(torn), int(lasting))

    def count(self) -> int:
        return int(self.library.operations())


def numbers_of_figure(figure: Any, file: BinaryIO, **options: Any) -> None:
    """Write a picture of the digest of what a plot shows, not the plot, which takes four fifths of a short training.

    Plots are drawn in memory and written at once, so there are as many writes as before.
    """
    if options["format"] != "png":
        savefig(figure, file, **options)
        return
    shown = hashlib.sha256()
    for axes in figure.axes:
        shown.update(repr([text.get_text() for text in axes.texts]).encode())
        for line in axes.lines:
            shown.update(line.get_xydata().tobytes())
        for drawn in (*axes.collections, *axes.images):
            numbers = drawn.get_offsets() if drawn in axes.collections else drawn.get_array()
            shown.update(np.ma.getdata(numbers).tobytes())
    Image.frombytes("L", (8, 4), shown.digest()).save(file, "PNG")


def ran(words: list[str], folder: Path, at: int, failure: str | None, shim: Shim) -> tuple[int, str, int]:
    """Exit code, stderr, and number of writes of a command in a forked process."""
    log, counted, modules = (folder.with_name(name) for name in ("stderr.txt", "count.txt", "modules.txt"))
    child = os.fork()
    if not child:
        code = 70
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            import gentool.engine.run
            import gentool.latent.mixture
            import gentool.seq2seq.queries
            from gentool.cli.app import run

            gentool.engine.run.SAVE_SECONDS = 0.0
            gentool.seq2seq.queries.MIN_UPDATES = 10
            gentool.latent.mixture.RESTARTS_TIMES_COMPONENTS = 1
            Figure.savefig = numbers_of_figure
            shim.arm(folder, at, failure)
            code = run(words)
            counted.write_text(str(shim.count()))
            modules.write_text("\n".join(sys.modules))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, log.read_text(errors="replace"), int(counted.read_text() or 0) if counted.exists() else 0


def import_as_well(modules: list[str]) -> None:
    """Import what a command imported in its process, so that the next ones are forked with it."""
    for name in modules:
        if name not in sys.modules and name != "__mp_main__":
            with contextlib.suppress(ImportError):  # parts of compiled modules
                importlib.import_module(name)


def main(job: dict[str, Any]) -> None:
    import_all()
    words, folder = [str(word) for word in job["words"]], Path(job["folder"])
    before = Path(job["before"]) if job.get("before") else None
    shim = Shim()

    def fresh() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if before is not None:
            shutil.copytree(before, folder)

    for _ in range(2):  # the second time, imports are made and the cache is full, as for all that follow
        fresh()
        code, text, count = ran(words, folder, -1, None, shim)
        assert code == 0, text
        import_as_well(folder.with_name("modules.txt").read_text().split("\n"))
    expected = content(folder)
    for failure in job["failures"]:
        for at in range(job.get("first", 0), count, job["step"]):
            fresh()
            code, text, _ = ran(words, folder, at, failure, shim)
            left = [str(path) for path in folder.rglob("*.tmp")]
            at_once = code == 0 and content(folder) == expected
            again, _, _ = ran(words, folder, -1, None, shim)
            now = content(folder)
            differing = sorted(name for name in {*expected, *now} if expected.get(name, "") != now.get(name, ""))
            result = {
                "failure": failure,
                "at": at,
                "of": count,
                "code": code,
                "text": text,
                "left": left,
                "at_once": at_once,
                "again": again,
                "differing": differing,
            }
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
