"""`gentool` in a pseudo-terminal."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attack.kills import import_all
from tests.attack.processes import run_in_child


def in_terminal(
    folder: Path,
    words: list[str],
    columns: int = 80,
    *,
    lines: int = 24,
    stdout: int | None = None,
    fork: bool = True,
    **environment: str,
) -> tuple[int, str]:
    """The exit code of `gentool WORDS` in a pseudo-terminal of this size, and everything that was sent to it.

    It is forked from this process, which has imported everything, or a new process.
    """
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES", "CI")}
    variables |= {"TERM": "xterm-256color", **environment}
    streams = (child, stdout or child, child)

    def begin() -> list[str]:
        for stream, number in enumerate(streams):
            os.dup2(number, stream)
        sys.stdin = os.fdopen(0, closefd=False)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        return words

    if fork:
        import_all()
        number = os.fork() or os._exit(run_in_child(begin))
    else:
        process = subprocess.Popen(
            [sys.executable, "-m", "gentool", *words], cwd=folder, stdin=child, stdout=stdout or child, stderr=child,
            env=variables,
        )  # fmt: skip
    os.close(child)
    received = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        received += part
    os.close(parent)
    code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) if fork else process.wait()
    return code, received.decode()
