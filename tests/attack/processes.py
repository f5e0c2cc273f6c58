"""Commands in processes of their own, to send them signals and to start several at once."""

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.attack.kills import import_all

PROGRAM = "import os; from gentool.__main__ import main; os.write({ready}, b'x'); main()"


def run_in_child(begin: Callable[[], list[str]]) -> int:
    """The exit code of `gentool` in this forked process, with the words that `begin` returns, and the streams that it
    sets; 70, with a traceback, for what is raised."""
    code: object = 70
    try:
        words = begin()
        sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1) for stream in (1, 2))
        sys.argv = ["gentool", *words]
        from gentool.__main__ import main

        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return code if isinstance(code, int) else 70


class Command:
    """`gentool ...` that has come to the first line of the program: in a new process, or forked from this one.

    A forked one starts without importing anything. `stdin` is the descriptor of its standard input.
    """

    def __init__(self, words: tuple[object, ...], log: Path, *, fork: bool = True, stdin: int | None = None) -> None:
        self.log = log
        self.words = [str(word) for word in words]
        read, write = os.pipe()
        if fork:
            self.number = self._fork(write, stdin)
        else:
            with log.open("wb") as file:
                process = subprocess.Popen(
                    [sys.executable, "-c", PROGRAM.format(ready=write), *self.words], stdin=stdin, stdout=file,
                    stderr=file, pass_fds=[write],
                )  # fmt: skip
            self.number = process.pid
            process.returncode = 0  # `end` waits for it
        os.close(write)
        assert os.read(read, 1) == b"x"
        os.close(read)
        self.started = time.monotonic()

    def _fork(self, ready: int, stdin: int | None) -> int:
        import_all()
        number = os.fork()
        if number:
            return number

        def begin() -> list[str]:
            out = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(out, stream)
            if stdin is not None:
                os.dup2(stdin, 0)
            os.write(ready, b"x")
            return self.words

        os._exit(run_in_child(begin))

    def signal(self, number: int, seconds: float) -> None:
        """Send a signal this many seconds after the first line of the program."""
        time.sleep(max(0.0, self.started + seconds - time.monotonic()))
        os.kill(self.number, number)

    def end(self) -> tuple[int, str]:
        """Wait for its end: its exit code, and what it has printed."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.number, 0)[1])
        return code, self.log.read_text(errors="backslashreplace")
