"""What a signal does to a command: while it works, and after.

While it works, an exception removes what is half-made on its way out. Before (see `gentool.__main__`) and after there
is nothing to remove, so the process ends at once: an exception could get lost in the middle of an import. A training
handles the signals itself, and saves its state.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

ENDING = ("SIGTERM", "SIGHUP", "SIGUSR1")
ALL = ("SIGINT", *ENDING)
EXIT_CODES = {128 + getattr(signal, name) for name in ALL if hasattr(signal, name)}
"""Those of a process that a signal has ended."""
STOPS_WITH_INPUT = "GENTOOL_STOPS_WITH_INPUT"
"""Set for a process that is to stop when its standard input ends, which it does when the parent process dies."""
AGAIN_SECONDS = 0.05

Handler = Callable[[int, FrameType | None], None] | signal.Handlers


class Terminated(BaseException):
    """A signal to end has come. An exception, so that temporary files are removed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def end_at_once(code: int) -> None:
    """From now on, signals end the process with this exit code: its work is done."""
    _handle(ALL, lambda *_: os._exit(code))


def ignore() -> None:
    """From now on, signals change nothing."""
    _handle(ALL, signal.SIG_IGN)


@contextlib.contextmanager
def end_in_order() -> Iterator[None]:
    """In the block, SIGTERM, SIGHUP and SIGUSR1 raise Terminated, and Ctrl-C raises KeyboardInterrupt.

    Only the first of the former counts: another one would cut short what removes temporary files.
    """
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if not came:
            came.append(number)
            raise Terminated(number)

    def lost(unraisable: Any) -> None:
        """Python ignores an exception in a finalizer, such as that of a signal that comes meanwhile."""
        if not isinstance(unraisable.exc_value, Terminated | KeyboardInterrupt):
            hook(unraisable)
            return
        number = came.pop() if came else signal.SIGINT
        again = threading.Timer(AGAIN_SECONDS, _thread.interrupt_main, [number])
        again.daemon = True
        again.start()

    before = _handle(ENDING, end) | _handle(("SIGINT",), signal.default_int_handler)
    hook, sys.unraisablehook = sys.unraisablehook, lost
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(names: tuple[str, ...], handler: Handler) -> dict[int, Any]:
    """Set the handler of some signals, and return the earlier ones. What is ignored, as SIGHUP below nohup, stays so.

    Outside the main thread Python delivers no signals.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in names:
            number = getattr(signal, name, None)  # Windows has neither SIGHUP nor SIGUSR1
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    return before


def stop_with_input() -> None:
    """Ask this process to stop once its standard input ends."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        _thread.interrupt_main(signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
