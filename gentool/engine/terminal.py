"""The terminal contract: data on stdout, everything else on stderr.

In a terminal, progress is a live display of one or two lines, and a training leaves a line for each epoch behind.
Anywhere else it is a plain line soon, and then at most one for every tenth of the work. `--quiet` keeps only errors and
data; `--json` prints all data as JSON, one object per line.
"""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gentool.options import Validated, option
from gentool.progress import Reporter, columns_of, printable, wrapped

if TYPE_CHECKING:
    from torch import Tensor

PLAIN_SECONDS = 5.0
"""Where stderr is no terminal, a task has its first line after this many seconds, and a shorter one has none. Lines
within a task or an epoch are at least this far apart."""
PLAIN_LINES = 10
"""The most lines of a task there, and of the epochs of a training."""
NEXT = "Next: "
"""How a notice begins that is a command to copy."""
REFRESH_SECONDS = 0.2
"""Seconds between two updates of the live display."""
EPOCH_LINES, EPOCH_SECONDS = 50, 5.0
"""In a terminal, up to EPOCH_LINES epochs leave a line each. Of more, EPOCH_LINES evenly spaced ones do, and every
epoch that ends EPOCH_SECONDS or more after the last line."""
WIDEST_BAR, NARROWEST_BAR = 40, 6


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
        self.display: Live | None = None
        self.current = ""  # the task that is shown
        self.detail = ""
        self.done = self.first_done = self.last_epoch = 0
        self.total: int | None = None
        # Of the task: its beginning, the last drawing, and the last plain line and line of an epoch.
        self.began = self.shown = self.printed = self.epoch_shown = float("-inf")
        self.lines = self.first_share = self.printed_share = self.epoch_lines = self.epoch_share = 0
        self.printed_done = -1
        self.short_epochs = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the live display."""
        self._hide()
        self.current = ""

    # What a reporter shows.

    def notice(self, text: str, indent: int = 2) -> None:
        """A line for the user, on stderr. A terminal breaks it between words, but a command to copy stays whole."""
        if not self.quiet:
            text = printable(text)
            if self.live and not text.startswith(NEXT):
                text = wrapped(text, self.console.width, indent)
            with contextlib.suppress(OSError):  # the reader of stderr has left; the work goes on
                self.console.print(text, markup=False, emoji=False)

    def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
        """The live display, or now and then a plain line; one task at a time."""
        now = time.monotonic()
        if task != self.current or done < self.done:
            self._begin(task, done, total, now)
        self.done, self.total, self.detail = done, total, detail
        if self.live:
            if now - self.shown >= REFRESH_SECONDS:  # what takes no time is not shown
                self._show(now)
            if self.finished:
                self.close()
        elif self._line_due(now):
            self._print_line(now)

    def epoch(self, row: Mapping[str, int | float]) -> None:
        """With --json the row as an object. A line for the epoch; of very many epochs, not for each."""
        self.emit({"event": "epoch", **row})
        if not self.detail:
            return
        now = time.monotonic()
        share = _share(EPOCH_LINES if self.live else PLAIN_LINES, self.done, self.total)
        late = self.live and now - self.epoch_shown >= EPOCH_SECONDS
        due = not self.epoch_lines or share > self.epoch_share or self.finished or late
        self.short_epochs = self.total is not None and PLAIN_LINES * (self.done - self.last_epoch) <= self.total
        self.last_epoch = self.done
        if not due:
            return
        self.epoch_lines, self.epoch_share, self.epoch_shown = self.epoch_lines + 1, share, now
        if self.live:
            self.notice(fitted(self.detail, self.console.width))
        elif self.printed_done != self.done:
            self._print_line(now)

    @property
    def finished(self) -> bool:
        """Whether the task that was shown last has come to its end."""
        return self.total is not None and self.done >= self.total

    def draw(self, images: Callable[[], "Tensor"]) -> None:
        """The first of some images (N, C, H, W), where stderr is a terminal that can show them."""
        if self.live:
            from gentool.engine.blocks import draw_images, shows_pictures

            if shows_pictures(self.console):
                draw_images(images(), self.console)

    # Data.

    def data(self, text: str, indent: int = 2) -> None:
        """A line of data, on stdout. A terminal breaks it between words, and indents what goes on."""
        if sys.stdout is not None:  # it may have been closed
            text = printable(text)
            columns = columns_of(sys.stdout)
            self._print(wrapped(text, columns, indent) if columns else text)

    def emit(self, record: Mapping[str, Any]) -> None:
        """With --json, one JSON object on stdout; otherwise nothing."""
        if self.json and sys.stdout is not None:
            text = json.dumps(record, ensure_ascii=False, default=str)
            if not (_encodable(text, sys.stdout.encoding) and printable(text) == text):
                text = json.dumps(record, default=str).replace("\x7f", "\\u007f")
            self._print(text)

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

    def _print(self, text: str) -> None:
        """A line on stdout. Where that is a terminal, too, the live display makes room."""
        if self.display is not None and sys.stdout.isatty():
            self._hide()
        print(text, flush=True)

    # How progress looks.

    def _begin(self, task: str, done: int, total: int | None, now: float) -> None:
        self.close()
        self.current, self.first_done, self.last_epoch = task, done, done
        self.began = self.shown = self.printed = self.epoch_shown = now
        self.first_share = self.printed_share = _share(PLAIN_LINES, done, total)
        self.lines, self.printed_done = 0, -1  # plain ones
        self.epoch_lines, self.epoch_share, self.short_epochs = 0, 0, False

    def _line_due(self, now: float) -> bool:
        """Whether it is time for a plain line within a task. Short epochs have theirs when they end."""
        if self.finished:
            return self.lines > 0 and self.printed_done != self.done
        if self.total is None:
            return now - self.began >= PLAIN_SECONDS * 2**self.lines
        if now - self.printed < PLAIN_SECONDS:
            return False
        share = _share(PLAIN_LINES, self.done, self.total)
        few = self.lines < share - self.first_share
        return not self.lines or (share > self.printed_share and few and not self.short_epochs)

    def _print_line(self, now: float) -> None:
        self.lines, self.printed, self.printed_done = self.lines + 1, now, self.done
        self.printed_share = _share(PLAIN_LINES, self.done, self.total)
        separator = "  " if self.detail else ", "
        left = f"{separator}{self._left(now)}" if self.total is not None else ""
        self.notice(f"{self.detail or self._counted()}{left}")

    def _show(self, now: float) -> None:
        """Draw the live display: a line with the losses of a training, and a bar."""
        self.shown = now
        width = self.console.width
        left = Text(self._left(now), style="cyan")
        start = "" if self.detail else self._counted() if self.total is None else self.current
        room = min(WIDEST_BAR, width - len(start) - len(left) - 2)
        bar = Table.grid(padding=(0, 1, 0, 0))
        cells: list[RenderableType] = [Text(start, no_wrap=True)] if start else []
        if self.total is not None and room >= NARROWEST_BAR:
            cells.append(ProgressBar(total=self.total, completed=self.done, width=room))
        bar.add_row(*cells, left)
        losses = Text(fitted(self.detail, width), no_wrap=True, overflow="crop")
        shown = Group(losses, bar) if self.detail else bar
        if self.display is None:
            # What is printed on stdout stays there.
            self.display = Live(console=self.console, auto_refresh=False, transient=True, redirect_stdout=False)
            self.display.start()
        self.display.update(shown, refresh=True)

    def _hide(self) -> None:
        if self.display is not None:
            self.display.stop()
        self.display = None

    def _counted(self) -> str:
        """The task and how far it is, in numbers."""
        return f"{self.current} {self.done:,}" + ("" if self.total is None else f"/{self.total:,}")

    def _left(self, now: float) -> str:
        """The share that is done, and the time left at the speed so far, as h:mm:ss."""
        if self.total is None:
            return ""
        share, made = f"{self.done / max(self.total, 1):.0%}", self.done - self.first_done
        if self.finished or made <= 0:
            return share
        seconds = int((now - self.began) / made * (self.total - self.done))
        return f"{share}, {seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"


def _share(parts: int, done: int, total: int | None) -> int:
    """The number of finished parts when the work is cut into `parts` equal ones; 0 for an unknown total."""
    return parts * done // total if total else 0


def fitted(text: str, width: int) -> str:
    """As many parts of a line as fit: they have two spaces or more between them, and the last ones are left out."""
    if len(text) <= width:
        return text
    ends = [gap.start() for gap in re.finditer(" {2,}", text) if 0 < gap.start() <= width]
    return text[: ends[-1] if ends else width]


def _encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
