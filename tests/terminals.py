"""Programs in a pseudo-terminal."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest


def in_terminal(
    folder: Path,
    command: list[str],
    columns: int = 80,
    *,
    lines: int = 24,
    stdout: int | None = None,
    **environment: str,
) -> tuple[int, str]:
    """The exit code of `python COMMAND` in a pseudo-terminal of this size, and everything that was sent to it."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "LINES", "CI")}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, stdin=child, stdout=stdout or child, stderr=child,
        env=variables | {"TERM": "xterm-256color", **environment},
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
    return process.wait(timeout=60), received.decode()
