"""The terminal contract: data on stdout, everything else on stderr.

In a terminal progress is a live Rich display; anywhere else it is one plain line every few seconds.
`--quiet` keeps only errors and data; `--json` makes every datum one JSON object a line.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gentool.options import Validated, option

PLAIN_SECONDS = 5.0
"""Seconds between two plain progress lines where there is no terminal."""


@dataclass(frozen=True, kw_only=True)
class TerminalOptions(Validated):
    """What a command says, and how."""

    panel: ClassVar[str] = "Terminal"

    quiet: bool = option(False, "Say nothing but errors and data.", resume="free")
    json: bool = option(False, "Print data as JSON, one object a line.", resume="free")


class Terminal:
    """Where a command speaks. `live` is true when stderr is a terminal that can redraw a line."""

    def __init__(self, options: TerminalOptions | None = None) -> None:
        options = options or TerminalOptions()
        self.quiet = options.quiet
        self.json = options.json
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal and not self.quiet

    def say(self, text: str) -> None:
        """A line for a person, on stderr."""
        if not self.quiet:
            self.console.print(text, markup=False)

    def data(self, text: str) -> None:
        """A line of data, on stdout."""
        print(text, flush=True)

    def emit(self, record: Mapping[str, Any]) -> None:
        """With --json, one JSON object on stdout; otherwise nothing."""
        if self.json:
            print(json.dumps(record, ensure_ascii=False, default=str), flush=True)

    def result(self, path: Any, record: Mapping[str, Any]) -> None:
        """What a command made: its path for a script that reads stdout, or the record with --json."""
        if self.json:
            self.emit(record)
        elif not sys.stdout.isatty():
            self.data(str(path))

    @contextlib.contextmanager
    def progress(self, description: str, total: int | None = None) -> Iterator[Callable[..., None]]:
        """A bar; the caller gives `update(done)` or `update(done, total)`."""
        known = total
        if not self.live:
            said = time.monotonic()

            def tell(done: int, total: int | None = None) -> None:
                nonlocal said
                if time.monotonic() - said >= PLAIN_SECONDS:
                    said = time.monotonic()
                    self.say(f"{description} {done:,}/{total or known or '?'}")

            yield tell
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bar = Progress(*columns, console=self.console, transient=True)
        task = bar.add_task(description, total=total)

        def draw(done: int, total: int | None = None) -> None:
            bar.start()  # what is already there needs no bar
            bar.update(task, completed=done, total=total or known)

        try:
            yield draw
        finally:
            bar.stop()
