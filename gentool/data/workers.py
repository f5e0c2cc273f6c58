"""Python processes that call functions.

`multiprocessing` would run a user's script again in each of them, and leave them behind when it is killed.
"""

import contextlib
import pickle
import queue
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from gentool.errors import GentoolError

Result = TypeVar("Result")

_PROGRAM = "import sys; sys.path[:] = {path!r}; from gentool.data.workers import serve; serve()"


class Workers:
    """`workers(function, *arguments)` runs a function of a module in a process that is free; call it in threads.

    The processes start on entering and end on leaving the context, and also when this process dies.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.processes: list[subprocess.Popen[bytes]] = []
        self.free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", _PROGRAM.format(path=sys.path)]
        for _ in range(self.count):
            # In a session of their own, Ctrl-C ends them through this process only.
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
            self.processes.append(process)
            self.free.put(process)
        return self

    def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """The result of a function. Raises GentoolError if the process dies."""
        process = self.free.get()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((function, arguments), process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
            result: Result = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise GentoolError(
                f"a process that reads images ended with code {process.wait()}; is there enough memory?"
            ) from error
        finally:
            self.free.put(process)
        return result

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            with contextlib.suppress(BrokenPipeError), process:  # closes its pipes and waits for it
                pass


def serve() -> None:
    """Call the functions that come in on the standard input, until it ends."""
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            function, arguments = pickle.load(sys.stdin.buffer)
            pickle.dump(function(*arguments), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
            sys.stdout.buffer.flush()
