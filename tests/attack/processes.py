"""Commands in processes of their own, to send them signals and to start several at once."""

import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

from tests.attack.kills import import_all

PROGRAM = "import os; from gentool.__main__ import main; os.write({ready}, b'x'); main()"


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
        code: object = 70
        try:
            out = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(out, stream)
            if stdin is not None:
                os.dup2(stdin, 0)
            sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
            sys.argv = ["gentool", *self.words]
            from gentool.__main__ import main

            os.write(ready, b"x")
            main()
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 70)

    def signal(self, number: int, seconds: float) -> None:
        """Send a signal this many seconds after the first line of the program."""
        time.sleep(max(0.0, self.started + seconds - time.monotonic()))
        os.kill(self.number, number)

    def end(self) -> tuple[int, str]:
        """Wait for its end: its exit code, and what it has printed."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.number, 0)[1])
        return code, self.log.read_text(errors="backslashreplace")
