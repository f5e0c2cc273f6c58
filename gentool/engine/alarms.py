"""Alarms: signs of a failed training while every number is still finite, seen in the rows of metrics.csv.

A check is a function of the rows alone, so a resumed run raises the same alarms. The checks here hold for every model;
a model's file has those of its own. The limits were chosen on runs that were spoilt on purpose (a learning rate 50
times too high for one network) and on healthy ones; docs/measurements.md has both.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, float]

PREFIX = "alarm_"
"""An alarm NAME is a column alarm_NAME of metrics.csv, 1 where it is raised."""
WARM_UP_STEPS, UNSETTLED_STEPS = 300, 100
"""Updates before signs that are normal at the beginning of a training count; and before a fall from a best value does,
because the first updates swing far."""
DIVERSITY_DROP, MIN_DIVERSITY = 0.25, 0.1
"""Diversity has collapsed below this share of its best value, or where it stays below the minimum after the warm-up."""
ALIKE_DIVERSITY, ALIKE_SHARE = 0.6, 0.5
"""In an epoch after the warm-up, samples are one picture with small changes where diversity and own share are both
below these."""
CONSTANT_DIVERSITY = 1e-6
"""Below this the output is the same for every input, which is a collapse from the first epoch on."""
OVERFIT_RATIO, OVERFIT_RISE = 3.0, 1.15
"""Memorising: the held-out loss is this many times the training loss, and this many times its own best value."""
EXPLOSION_RATIO = 5.0
"""A loss has exploded at this many times its value after the first epoch, or its best value since."""
MEMORISING, COPYING = "memorising", "copying"


@dataclass(frozen=True)
class Alarm:
    """`name` is the column alarm_NAME; `text` says what was seen and what to try."""

    name: str
    text: str

    @property
    def fatal(self) -> bool:
        """Whether the training is lost: every alarm but memorising and copying, which stopping earlier would have
        avoided."""
        return self.name not in (MEMORISING, COPYING)


Check = Callable[[Sequence[Row]], Iterable[Alarm]]
"""From the rows so far to the alarms of the last one."""


def alarms(rows: Sequence[Row], checks: Sequence[Check]) -> list[Alarm]:
    """The alarms of the last of these rows, each name once."""
    raised: dict[str, Alarm] = {}
    for check in checks:
        for alarm in check(rows):
            raised.setdefault(alarm.name, alarm)
    return list(raised.values())


def exploding(column: str) -> Check:
    """A check for a loss far above its value after the first epoch."""

    def check(rows: Sequence[Row]) -> Iterator[Alarm]:
        before = [abs(row[column]) for row in rows[:-1] if column in row]
        now = rows[-1].get(column, 0.0)
        if before and now > EXPLOSION_RATIO * max(before[0], min(before)) and now > 1:
            yield Alarm(
                "exploding_loss",
                f"exploding loss: {column} is {now:.3g}, and was {before[0]:.3g} after the first epoch; "
                "try a lower --lr",
            )

    return check


def mode_collapse(rows: Sequence[Row]) -> Iterator[Alarm]:
    """Samples, or reconstructions, that are all alike."""
    for column, what in (("diversity", "samples"), ("validation_diversity", "reconstructions")):
        if column not in rows[-1]:
            continue
        now, best = rows[-1][column], max(row[column] for row in rows if column in row)
        step = rows[-1]["step"]
        late = step >= WARM_UP_STEPS
        dropped = step >= UNSETTLED_STEPS and best > 2 * MIN_DIVERSITY and now < DIVERSITY_DROP * best
        if now < CONSTANT_DIVERSITY or dropped or (late and now < MIN_DIVERSITY):
            yield Alarm(
                "mode_collapse", f"mode collapse: {what} vary {now:.0%} as much as real images; try a lower --lr"
            )


def all_alike(rows: Sequence[Row]) -> Iterator[Alarm]:
    """Samples that are one picture with small changes, such as a blob of varying outline, which does vary.

    What tells it from samples that are only less varied than real images: most of what separates them from the mean
    real image is the same in all of them. A row is the mean of an epoch, which must have begun after the warm-up.
    """
    begun = rows[-2]["step"] if len(rows) > 1 else 0
    if "own_share" not in rows[-1] or begun < WARM_UP_STEPS:
        return
    diversity, own = rows[-1]["diversity"], rows[-1]["own_share"]
    if diversity < ALIKE_DIVERSITY and own < ALIKE_SHARE:
        yield Alarm(
            "mode_collapse",
            f"mode collapse: {1 - own:.0%} of what separates samples from the mean real image is the same in all of "
            f"them, and they vary {diversity:.0%} as much as real images; train longer, or try a lower --lr",
        )


def memorising(rows: Sequence[Row]) -> Iterator[Alarm]:
    """Training images that the model has memorised at the cost of others."""
    for name in ("loss", "negative_elbo", "negative_bound"):
        held_out = [row[f"validation_{name}"] for row in rows if f"validation_{name}" in row]
        if not held_out or rows[-1].get(name, 0.0) <= 0 or f"validation_{name}" not in rows[-1]:
            continue
        if held_out[-1] > OVERFIT_RATIO * rows[-1][name] and held_out[-1] > OVERFIT_RISE * min(held_out):
            yield Alarm(
                MEMORISING,
                f"memorising: {name} is {rows[-1][name]:.3g} on the training images and {held_out[-1]:.3g} on held-out "
                f"images, where it had been {min(held_out):.3g}; stop earlier, or use more images",
            )
            return


EVERY_MODEL: tuple[Check, ...] = (exploding("loss"), mode_collapse, all_alike, memorising)
