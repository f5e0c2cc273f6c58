"""What a long computation reports: how far it is, and notices in words. Nothing is shown unless a reporter shows it."""

import os
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO


class Reporter:
    """Receives progress and notices. This one ignores them; `gentool.Terminal` shows them. Subclass it for your own.

    Every function that takes long has a `reporter` argument, which is this one by default.
    """

    def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
        """`done` of `total` steps of a task are done; `total` is None where it is unknown.

        `detail` is one line about the steps so far, such as the losses of a training. Its parts have two spaces between
        them, the most important ones first: a narrow display leaves the last ones out.
        """

    def notice(self, text: str) -> None:
        """Something that the user should know, in one line."""

    def epoch(self, row: Mapping[str, int | float]) -> None:
        """An epoch of a training has ended; `row` is its row of metrics.csv."""

    def close(self) -> None:
        """Nothing more is reported for now: a display may end."""

    def task(self, name: str, total: int | None = None) -> Callable[[int], None]:
        """`update(done)`, which reports the progress of one task."""
        return lambda done: self.progress(name, done, total)


NARROWEST, USUAL = 20, 80
"""Lines are never broken at fewer characters; the width of a terminal that does not tell its own."""
SILENT = Reporter()
"""The default reporter."""


def printable(text: str) -> str:
    """A text whose control characters, such as those of a file's name, are shown and not obeyed; new lines stay."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda match: repr(match[0])[1:-1], text)


def columns_of(stream: TextIO) -> int | None:
    """The width of the terminal that a stream writes to; None where it writes to none."""
    return os.get_terminal_size(stream.fileno()).columns or USUAL if stream.isatty() else None


def wrapped(text: str, width: int, indent: int = 2) -> str:
    """A text in lines of at most `width` characters, broken between words; the lines that go on are indented, by half
    of the width at most."""
    width = max(width, NARROWEST)
    indent = min(indent, width // 2)
    return "\n".join(
        textwrap.fill(
            line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False,
            replace_whitespace=False, drop_whitespace=True,
        )
        for line in text.split("\n")
    )  # fmt: skip


def counted(count: int, noun: str) -> str:
    """`1 row`, `2,000 rows`: a number with its noun, for messages."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
