"""How long a run is: steps, epochs, and the learning rate as a function of the share of the run that is done.

Everything here is a pure function of the options and the number of examples. Because a schedule looks only at
`step / total`, a run that is resumed with more epochs follows the rest of the longer curve: after a finished decay the
learning rate rises again to what the longer run has at that point.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gentool.progress import counted

if TYPE_CHECKING:
    from gentool.engine.options import TrainOptions

Schedule = Literal["constant", "linear", "cosine", "onecycle", "warmup"]

WARM_UP = {"onecycle": 0.3, "warmup": 0.1}
"""Share of the run in which the learning rate rises. onecycle: Smith & Topin 2017, arXiv:1708.07120."""
SHORT, NOTED = 20, 200
"""A run of fewer epochs than SHORT notes its losses about NOTED times, between the ends of epochs as well."""
FEWER = ((200, 1), (2_000, 10), (math.inf, 100))
"""Up to which epoch pictures are saved every how many epochs, without --sample-every."""
MOST_EPOCHS = 2_000
"""The default length has at most this many epochs: few images would otherwise be seen tens of thousands of times."""
START = 0.04
"""Where onecycle and warmup start, as a share of the peak."""


@dataclass(frozen=True)
class Plan:
    """A run's length and its division into epochs. A step is one update, counted from 0; an epoch counts from 1."""

    batch_size: int
    steps_per_epoch: int
    total_steps: int
    schedule: Schedule
    sample_every: int | None
    asked: Literal["epochs", "steps", "budget"] | None
    """The option that the length was given with; None for the default length."""
    capped: bool = False
    """Whether the default length would be longer, but for `MOST_EPOCHS`."""

    @classmethod
    def of(
        cls, options: "TrainOptions", examples: int, within_budget: int | None = None, updates: int | None = None
    ) -> "Plan":
        """The plan for this many training examples. Those that do not fill a last batch wait for the next epoch.

        `within_budget` is the number of updates that fit into --budget, `updates` the default length on the data.
        """
        batch_size = min(options.batch_size, examples)
        steps_per_epoch = examples // batch_size
        default = max(1, round((updates or options.default_updates) / steps_per_epoch))
        epochs = options.epochs or min(default, MOST_EPOCHS)
        total = within_budget or options.steps or epochs * steps_per_epoch
        asked: Literal["epochs", "steps", "budget"] | None = None
        if within_budget or options.steps:
            asked = "budget" if within_budget else "steps"
        elif options.epochs:
            asked = "epochs"
        capped = asked is None and default > MOST_EPOCHS
        return cls(batch_size, steps_per_epoch, total, options.schedule, options.sample_every, asked, capped)

    @property
    def total_epochs(self) -> int:
        """The number of epochs; the last one may be cut short by --steps."""
        return self.epochs_begun(self.total_steps)

    def epoch_of(self, step: int) -> int:
        """The epoch in which update `step` is made."""
        return step // self.steps_per_epoch + 1

    def end_of(self, epoch: int) -> int:
        """The number of updates at the end of an epoch."""
        return min(epoch * self.steps_per_epoch, self.total_steps)

    def epochs_begun(self, steps: int) -> int:
        """The number of epochs that have begun after this many updates."""
        return -(-steps // self.steps_per_epoch)

    def lr_share(self, step: int) -> float:
        """The learning rate of update `step`, as a share of the peak."""
        return lr_share(self.schedule, step, self.total_steps)

    def pictures_due(self, steps: int) -> bool:
        """Whether the epoch that ended after this many updates is one to save pictures of.

        The first and the last are, and those in between as --sample-every says: by default fewer in later epochs, since
        the pictures of very short epochs would take longer than the epochs.
        """
        return self.due(steps, self.sample_every)

    def due(self, steps: int, every: int | None) -> bool:
        """Whether something is due at the end of the epoch that ended after this many updates: in every `every`th, in
        the first and in the last; 0: never; None: in fewer of the later epochs."""
        epoch = self.epochs_begun(steps)
        if every is None:
            every = next(every for last, every in FEWER if epoch <= last)
        return every > 0 and (epoch == 1 or epoch % every == 0 or steps >= self.total_steps)

    @property
    def pictures_every(self) -> int | str:
        """After how many epochs pictures are saved, in words where it changes."""
        if self.sample_every is not None:
            return self.sample_every
        parts = [f"{every} to epoch {last:,}" for last, every in FEWER if last < self.total_epochs]
        every = next(every for last, every in FEWER if self.total_epochs <= last)
        return ", ".join([*parts, f"then {every}"]) if parts else every

    @property
    def note_every(self) -> int:
        """The number of updates between two rows of updates.csv; 0: none, the ends of epochs are close enough."""
        return 0 if self.total_epochs >= SHORT else max(1, self.total_steps // NOTED)

    def length(self) -> str:
        """The length in words: `8 epochs of 23 updates`, or `30 updates` with --steps."""
        epochs = self.total_epochs
        if self.asked in ("steps", "budget") or self.total_steps != epochs * self.steps_per_epoch:
            return counted(self.total_steps, "update")
        return f"{counted(epochs, 'epoch')} of {counted(self.steps_per_epoch, 'update')}"


def lr_share(schedule: Schedule, step: int, total: int) -> float:
    """The learning rate of update `step` of `total`, as a share of the peak, in [0, 1].

    constant: 1. linear: 1 for the first half, then straight to 0. cosine: half a cosine from 1 to 0.
    onecycle, warmup: half a cosine up to 1 over the first 30% or 10%, then half a cosine down to 0.
    """
    progress = step / max(total, 1)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return min(1.0, 2 * (1 - progress))
    if schedule == "cosine":
        return _cosine_decay(progress)
    rise = WARM_UP[schedule]
    if progress < rise:
        return START + (1 - START) * (1 - _cosine_decay(progress / rise))
    return _cosine_decay((progress - rise) / (1 - rise))


def _cosine_decay(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))
