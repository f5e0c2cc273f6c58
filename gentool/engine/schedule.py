"""Learning-rate schedules as functions of the share of a run that is done.

Because they look only at `step / total`, a run that is resumed with more epochs follows the rest of the longer curve:
after a finished decay the rate rises again to what the longer run has at that point.
"""

import math

WARM_UP = {"onecycle": 0.3, "warmup": 0.1}
"""Share of the run in which the rate rises. onecycle: Smith & Topin 2017, arXiv:1708.07120."""
START = 0.04
"""Where onecycle and warmup start, as a share of the peak."""


def factor(schedule: str, step: int, total: int) -> float:
    """The learning rate of update `step` (from 0) of `total`, as a share of the peak, in [0, 1].

    constant: 1. linear: 1 for the first half, then straight to 0. cosine: half a cosine from 1 to 0.
    onecycle, warmup: half a cosine up to 1 over the first 30 % or 10 %, then half a cosine down to 0.
    """
    progress = step / max(total, 1)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return min(1.0, 2 * (1 - progress))
    if schedule == "cosine":
        return _fall(progress)
    rise = WARM_UP[schedule]
    if progress < rise:
        return START + (1 - START) * (1 - _fall(progress / rise))
    return _fall((progress - rise) / (1 - rise))


def _fall(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))
