"""What scores say of a model in one line each, where chance does not explain it."""

import math
from collections.abc import Mapping
from typing import Any

from gentool.evaluation.intervals import Interval
from gentool.evaluation.memorisation import COPYING_SHARE, ERROR_RATE
from gentool.progress import listed

COLLAPSED = 0.25
"""Samples are called collapsed where the median distance to the nearest other sample is below this share of that of
real images, in the features of each network."""


def below_floor(
    scores: Mapping[str, float],
    floor: Mapping[str, float],
    ends: Mapping[str, Interval],
    of_floor: Mapping[str, Interval],
) -> list[str]:
    """The FIDs that are below their floor by more than both intervals explain.

    For samples as good as training images, the probability of this is about 2.5% for each FID.
    """
    return [
        name
        for name in ends
        if name.startswith("fid_")
        and scores[name] + math.hypot(ends[name][1] - scores[name], of_floor[name][1] - floor[name]) < floor[name]
    ]


def verdict_lines(facts: Mapping[str, Any], scores: Mapping[str, float]) -> list[str]:
    """The verdicts among the facts of an evaluation, in words."""
    lines = []
    if facts["memorising"]:
        lines.append(
            f"memorising: more than {COPYING_SHARE:.0%} of the samples are nearer to a training image than 99% of the "
            f"held-out images are; see the nearest_*.png (wrong at most {ERROR_RATE:.0%} of the time)"
        )
    if facts["copying"]:
        lines.append(
            f"copying: {scores['copied']:.1%} of the samples equal a training image, and "
            f"{scores['copied_mirrored']:.1%} its mirror image; test images do so less often"
        )
    if facts["collapsed"]:
        spacing = max(facts["spacing"].values())
        lines.append(
            f"collapsed: samples repeat one another; their median distance to the nearest other sample is "
            f"{spacing:.0%} of that of real images"
        )
    if facts["missing_classes"]:
        names = facts["missing_classes"]
        which = f"{'class' if len(names) == 1 else 'classes'} {listed(names)}"
        lines.append(f"missing: {which}, which the classifier sees less than a tenth as often as in real images")
    for name in facts["below_floor"]:
        lines.append(
            f"below the floor: {name} is lower than that of real training images by more than their intervals "
            "explain; were test images among the training images?"
        )
    return lines
