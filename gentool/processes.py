"""Commands in processes of this machine, several at a time.

Every job of a cluster imports this module, so it imports no torch.
"""

import os
import subprocess
from collections.abc import Sequence
from threading import Event, Lock
from types import TracebackType
from typing import NamedTuple, Self

from gentool.errors import Diverged, GentoolError, Stopped
from gentool.signals import EXIT_CODES, STOPS_WITH_INPUT


class Ended(NamedTuple):
    """How a command has ended: its exit code, and the last line that it said on stderr."""

    code: int
    last: str

    def check(self, name: str) -> None:
        """Raises Stopped, Diverged or, with its name, GentoolError for a command that did not end well."""
        if self.code in (Stopped.exit_code, *EXIT_CODES):
            raise Stopped(name)
        if self.code == Diverged.exit_code:
            raise Diverged(self.last)
        if self.code:
            raise GentoolError(f"{name}: ended with exit code {self.code}: {self.last}")


def last_line(said: bytes) -> str:
    """The last line of what a command said, without the name of the program."""
    lines = said.decode(errors="backslashreplace").strip().splitlines()
    return lines[-1].removeprefix("gentool: ") if lines else ""


def threads_for(at_a_time: int) -> str:
    """The number of threads for each of `at_a_time` processes: OMP_NUM_THREADS, or an equal share of the cores."""
    return os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // at_a_time)))


class Processes:
    """Runs commands in processes of this machine, each with its share of the cores, `at_a_time` at a time.

    They stop when this process dies.
    """

    where = ""

    def __init__(self, at_a_time: int) -> None:
        self.at_a_time = at_a_time
        self.stopped, self.lock = Event(), Lock()
        self.running: set[subprocess.Popen[bytes]] = set()
        self.environment = os.environ | {"OMP_NUM_THREADS": threads_for(at_a_time), STOPS_WITH_INPUT: "1"}

    def __enter__(self) -> Self:
        self.input, self.life_line = os.pipe()  # it ends for all processes when this one dies
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.input)
        os.close(self.life_line)

    def run(self, name: str, command: Sequence[str]) -> Ended | None:
        """Run a command to its end. Returns None, and starts nothing, after `stop`."""
        with self.lock:  # a process that starts while all are stopped would not hear of it
            if self.stopped.is_set():
                return None
            process = subprocess.Popen(
                command, env=self.environment, stdin=self.input, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            self.running.add(process)
        with process:
            said = process.communicate()[1]
            self.running.discard(process)
        return Ended(process.returncode, last_line(said))

    def stop(self) -> None:
        """Let the commands under way save and end, and start no other."""
        with self.lock:
            self.stopped.set()
            for process in list(self.running):
                process.terminate()
