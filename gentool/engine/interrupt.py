"""Ctrl-C, SIGTERM and SIGUSR1 as a wish to stop: the loop finishes its step, saves, and leaves."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self


class StopSignal:
    """While entered, `wanted` turns true on the first signal; a second Ctrl-C is a KeyboardInterrupt at once."""

    def __init__(self) -> None:
        self.wanted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in ("SIGINT", "SIGTERM", "SIGUSR1"):  # Windows has no SIGUSR1
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.wanted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.wanted = True
