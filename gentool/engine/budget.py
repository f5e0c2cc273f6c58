"""How many updates fit into a time: tried out with short trainings."""

import re
from collections.abc import Callable

UNITS = {"s": 1, "m": 60, "h": 3600}
FIRST_STEPS = 5


def parse_seconds(text: str) -> float:
    """Seconds from `300s`, `5m` or `1.5h`. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smh])", text.strip())
    if not match or float(match[1]) <= 0:
        raise ValueError("expected a time such as 90s, 5m or 1.5h")
    return float(match[1]) * UNITS[match[2]]


def seconds_as_text(value: float) -> str:
    """300 as `300s`: the reverse of `parse_seconds`."""
    return f"{float(value):g}s"


def updates_within(
    seconds_of: Callable[[int], float], budget: float, *, share: float, steps_per_epoch: int | None = None
) -> tuple[int, list[tuple[int, float]]]:
    """The number of updates that fit into `budget` seconds, and the trials: their updates and seconds.

    `seconds_of` trains for some updates and returns how long that took. Each trial makes four times as many as the one
    before; the last one takes at least this share of the budget. The first one pays for what comes once in a process
    and is not counted. With `steps_per_epoch`, what trials shorter than an epoch pay beside their updates is expected
    at the end of every epoch; otherwise once in the run.
    """
    seconds_of(FIRST_STEPS)
    trials: list[tuple[int, float]] = []
    steps = FIRST_STEPS
    while len(trials) < 2 or trials[-1][1] < max(share * budget, 1.5 * trials[-2][1]):
        trials.append((steps, seconds_of(steps)))
        steps *= 4
    # The difference of two trials leaves out what is paid once in a run.
    (before, less), (after, more) = trials[-2:]
    per_step = (more - less) / (after - before)
    once = max(less - before * per_step, 0.0)
    if steps_per_epoch is not None and after <= steps_per_epoch:
        per_step += once / steps_per_epoch
    return max(1, round((budget - once) / per_step)), trials
