"""Commands that are killed at one of their file operations, in processes forked from one that has all imports."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.listdir", "os.scandir", "os.link"}


def import_all() -> None:
    """Import what commands need, so that a forked process does not have to."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401

    import gentool.cli.commands.prepare
    import gentool.cli.commands.train
    import gentool.engine.report
    import gentool.models.vae  # noqa: F401


def in_child(work: Callable[[], int], log: Path = Path(os.devnull)) -> int:
    """The exit code of `work` in a forked process that prints to `log`; minus the signal that killed it."""
    import_all()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70
    try:
        sys.stdout = sys.stderr = log.open("w", errors="backslashreplace")
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def gentool(*words: object) -> int:
    """Run a command, with a state after every epoch."""
    from gentool.cli.app import run

    with mock.patch("gentool.engine.run.SAVE_SECONDS", 0.0):  # for this command only: a caller may not be a child
        return run([str(word) for word in words])


class Counter:
    """Counts the file operations below some folders, and kills this process before one of them."""

    def __init__(self, folders: tuple[Path, ...], last: int) -> None:
        self.folders, self.last, self.count = tuple(map(str, folders)), last, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in OPERATIONS and arguments and str(arguments[0]).startswith(self.folders):
            if self.count == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
            self.count += 1


def killed(words: tuple[object, ...], folders: tuple[Path, ...], after: int) -> bool:
    """Run a command and kill it before file operation number `after`; whether it made that many."""

    def work() -> int:
        sys.addaudithook(Counter(folders, after))
        return gentool(*words)

    return in_child(work) == -signal.SIGKILL


def operations(words: tuple[object, ...], folders: tuple[Path, ...]) -> int:
    """How many file operations a command makes; it ends well."""
    read, write = os.pipe()

    def work() -> int:
        counter = Counter(folders, -1)
        sys.addaudithook(counter)
        code = gentool(*words)
        os.write(write, str(counter.count).encode())
        return code

    assert in_child(work) == 0
    os.close(write)
    with os.fdopen(read) as pipe:
        return int(pipe.read())
