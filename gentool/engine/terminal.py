"""The terminal contract: data on stdout, everything else on stderr.

In a terminal, progress is a live Rich display; anywhere else it is one plain line every few seconds. `--quiet` keeps
only errors and data; `--json` prints all data as JSON, one object per line.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from gentool.options import Validated, option
from gentool.progress import Reporter, printable

if TYPE_CHECKING:
    from torch import Tensor

PLAIN_SECONDS = 5.0
"""Seconds between two plain lines of progress where stderr is no terminal."""
REFRESH_SECONDS = 0.2
"""Seconds between two updates of the live display."""


@dataclass(frozen=True, kw_only=True)
class TerminalOptions(Validated):
    """What a command prints."""

    panel: ClassVar[str] = "Terminal"

    quiet: bool = option(False, "Print only errors and data.", resume="free")
    json: bool = option(False, "Print data as JSON, one object per line.", resume="free")


class Terminal(Reporter):
    """Shows progress and notices on stderr, and prints data on stdout. Use it as a context to remove the live display.

    `live` is true when stderr is a terminal that can redraw a line.
    """

    def __init__(self, options: TerminalOptions | None = None) -> None:
        options = options or TerminalOptions()
        self.quiet = options.quiet
        self.json = options.json
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        # Rich takes a file for a terminal where FORCE_COLOR is set.
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self.live = terminal and self.console.is_terminal and not self.console.is_dumb_terminal and not self.quiet
        self.bar: Progress | None = None
        self.current = ""  # the task that is shown
        self.line = ""
        self.began = self.shown = self.printed = float("-inf")
        self.first_done = self.done = 0
        self.finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the live display."""
        if self.bar is not None:
            self.bar.stop()
        self.bar, self.current = None, ""

    # What a reporter shows.

    def notice(self, text: str) -> None:
        """A line for the user, on stderr."""
        if not self.quiet:
            with contextlib.suppress(OSError):  # the reader of stderr has left; the work goes on
                self.console.print(printable(text), markup=False, emoji=False)

    def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
        """The live display, or now and then a plain line; one task at a time."""
        now = time.monotonic()
        if task != self.current or done < self.done:
            self._begin(task, done, total, now)
        self.done, self.finished = done, total is not None and done >= total
        if self.bar is not None:
            if now - self.shown >= REFRESH_SECONDS:
                self.bar.update(self.bar.task_ids[0], completed=done, total=total, detail=detail)
                self.bar.start()  # what takes no time is not shown
                self.shown = now
            if self.finished:
                self.close()
            return
        if detail and total:
            left = "" if self.finished else f", {self._remaining(done, total, now)} left"
            self.line = f"{detail}, {done / total:.0%}{left}"
        else:
            self.line = f"{detail or task} {done:,}/{'?' if total is None else f'{total:,}'}"
        if now - self.shown >= PLAIN_SECONDS and not self.finished:
            self._print_line(now)

    def epoch(self, row: Mapping[str, int | float]) -> None:
        """With --json the row as an object; where there is no live display, a line unless one was printed just now;
        the last epoch always has one."""
        self.emit({"event": "epoch", **row})
        now = time.monotonic()
        if not self.live and self.line and (self.finished or now - self.printed >= PLAIN_SECONDS):
            self._print_line(now)

    def draw(self, images: Callable[[], "Tensor"]) -> None:
        """The first of some images (N, C, H, W), where stderr is a terminal that can show them."""
        if self.live:
            from gentool.figures.blocks import draw_images, shows_pictures

            if shows_pictures(self.console):
                draw_images(images(), self.console)

    # Data.

    def data(self, text: str) -> None:
        """A line of data, on stdout."""
        if sys.stdout is not None:  # it may have been closed
            print(printable(text), flush=True)

    def emit(self, record: Mapping[str, Any]) -> None:
        """With --json, one JSON object on stdout; otherwise nothing."""
        if self.json and sys.stdout is not None:
            text = json.dumps(record, ensure_ascii=False, default=str)
            if not (_encodable(text, sys.stdout.encoding) and printable(text) == text):
                text = json.dumps(record, default=str).replace("\x7f", "\\u007f")
            print(text, flush=True)

    def result(self, path: Any, record: Mapping[str, Any]) -> None:
        """What a command made: its path for a script that reads stdout, or the record with --json."""
        if self.json:
            self.emit(record)
        elif sys.stdout is not None and not sys.stdout.isatty():
            binary = getattr(sys.stdout, "buffer", None)
            if binary is None or os.name == "nt":
                self.data(str(path))
            else:  # the very bytes of the name, which may be no text
                binary.write(os.fsencode(path) + b"\n")
                binary.flush()

    def _begin(self, task: str, done: int, total: int | None, now: float) -> None:
        self.close()
        self.current, self.first_done, self.line = task, done, ""
        self.began = self.shown = now
        self.printed = float("-inf")  # so that the first epoch of a training is printed
        if self.live:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=16),
                TextColumn("{task.percentage:>3.0f}%, left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[detail]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
                expand=True,
                console=self.console,
                transient=True,
                refresh_per_second=4,
            )
            self.bar.add_task(task, total=total, completed=done, detail="")

    def _print_line(self, now: float) -> None:
        self.shown = self.printed = now
        self.notice(self.line)

    def _remaining(self, done: int, total: int, now: float) -> str:
        """The time left at the speed so far, as h:mm:ss."""
        made = done - self.first_done
        if made <= 0:
            return "?"
        seconds = int((now - self.began) / made * (total - done))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
