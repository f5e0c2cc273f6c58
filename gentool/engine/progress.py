"""How a training shows itself: a live display in a terminal, plain lines anywhere else."""

import time
from collections.abc import Mapping

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from gentool.engine.terminal import PLAIN_SECONDS, Terminal

REFRESH_SECONDS = 0.2


class TrainingProgress:
    """Epoch, losses, `unit`s per second and the time left, over `steps` updates of which `done` are behind."""

    def __init__(self, terminal: Terminal, unit: str, steps: int, done: int) -> None:
        self.terminal = terminal
        self.unit = unit
        self.steps = steps
        self.done = done
        self.started_at = done
        self.started = self.shown = time.monotonic()
        self.spoken = float("-inf")  # so that the first epoch is always said
        self.losses = ""
        self.bar: Progress | None = None
        if terminal.live:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=16),
                TextColumn("{task.percentage:>3.0f}%, left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
                expand=True,
                console=terminal.console,
                transient=True,
                refresh_per_second=4,
            )
            self.task = self.bar.add_task("", total=self.steps, completed=self.done, losses="")
            self.bar.start()

    def close(self) -> None:
        """Take the live display away."""
        if self.bar is not None:
            self.bar.stop()

    def step(self, epoch: str, done: int, per_second: float) -> None:
        """One update more; costs a clock reading unless it is time to show something."""
        self.done = done
        now = time.monotonic()
        if now - self.shown < (REFRESH_SECONDS if self.bar is not None else 2 * PLAIN_SECONDS):
            return
        self.shown = now
        speed = f"{per_second:,.0f} {self.unit}/s"
        if self.bar is not None:
            self.bar.update(self.task, completed=done, description=f"{epoch} {speed}", losses=self.losses)
        else:
            self.spoken = now
            self.terminal.say(f"{epoch} {self.losses} {speed}, {done / self.steps:.0%}, {self.remaining()} left")

    def epoch(self, epoch: str, losses: Mapping[str, float], per_second: float, last: bool) -> None:
        """An epoch ended: a plain line unless one was said a moment ago."""
        self.losses = " ".join(f"{name} {value:.4g}" for name, value in losses.items())
        now = time.monotonic()
        if self.bar is None and (last or now - self.spoken >= PLAIN_SECONDS):
            self.spoken = self.shown = now
            self.terminal.say(f"{epoch} {self.losses} {per_second:,.0f} {self.unit}/s, {self.remaining()} left")

    def remaining(self) -> str:
        """The time left at the speed so far, as h:mm:ss."""
        made = self.done - self.started_at
        if made <= 0:
            return "?"
        seconds = int((time.monotonic() - self.started) / made * (self.steps - self.done))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
