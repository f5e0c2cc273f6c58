"""Commands in forked processes with little memory and time, and what a hostile input must not make of them."""

import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
SECONDS = 5
"""Processor time for a case; a process that waits is ended after six times as long."""
DOCUMENTED = {0, 1, 2, 3, 4, 5, 75}


@dataclass(frozen=True)
class Ending:
    """How a process ended: its exit code (minus the number of the signal that killed it), what it said, what it took.

    `bytes` is its memory at its peak, without what it had at the start; libraries alone take half a GiB.
    """

    code: int
    text: str
    seconds: float
    bytes: int

    def faults(self, *, limit: int = GIB // 2) -> list[str]:
        """What is wrong with it."""
        lines = [line for line in self.text.splitlines() if line.startswith("gentool: ")]
        found = {
            f"exit code {self.code}": self.code not in DOCUMENTED,
            "a traceback": "Traceback" in self.text,
            "a warning of a library": "Warning:" in self.text,
            "a bug": "gentool: unexpected " in self.text,
            "no single line that says what is wrong": self.code not in (0, 75) and len(lines) != 1,
            "a line without end": any(len(line) > 3000 for line in lines),
            "control characters": re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", self.text) is not None,
            f"{self.bytes / GIB:.2f} GiB": self.bytes > limit,
        }
        return [what for what, wrong in found.items() if wrong]


def warm() -> None:
    """Import what commands import, so that forked processes need not."""
    import importlib

    import matplotlib.backends.backend_agg
    import pyarrow.parquet
    import sklearn.mixture
    import torch
    from PIL import Image

    torch.set_num_threads(1)
    Image.init()
    for name in ("train", "sample", "reconstruct", "interpolate", "project", "embed", "evaluate", "compare", "report"):
        importlib.import_module(f"gentool.cli.commands.{name}")
    for name in ("train", "evaluate", "solve", "sweep"):
        importlib.import_module(f"gentool.cli.commands.seq2seq.{name}")
    for name in ("cae", "vae", "gan", "cgan", "lstm_ae"):
        importlib.import_module(f"gentool.models.{name}")
    del matplotlib, pyarrow, sklearn


def ending(work: Callable[[], int], *, seconds: int = SECONDS, data: float = 3) -> Ending:
    """Run `work` in a forked process that gets `data` GiB more of memory than this one has."""
    with tempfile.TemporaryFile() as said:
        began, had = time.monotonic(), _resident()
        child = os.fork()
        if not child:
            _child(work, said.fileno(), seconds, data)
        _, status, usage = os.wait4(child, 0)
        said.seek(0)
        text = said.read().decode(errors="replace")
    took = max(0, usage.ru_maxrss * 1024 - had)
    return Ending(os.waitstatus_to_exitcode(status), text, time.monotonic() - began, took)


def _resident() -> int:
    """The bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _child(work: Callable[[], int], said: int, seconds: int, data: float) -> None:
    code = 70
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(6 * seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        has = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # type: ignore[index]
        resource.setrlimit(resource.RLIMIT_DATA, (has + int(data * GIB), has + int(data * GIB)))
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        code = work()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def gentool(*words: object, seconds: int = SECONDS, data: float = 3) -> Ending:
    """Run a command."""
    from gentool.cli.app import run

    return ending(lambda: run([str(word) for word in words]), seconds=seconds, data=data)
