"""How certain a number is: 95% intervals from half-samples.

A half-sample is drawn without replacement, because copies would spoil distances to neighbours. For a statistic of
independent points the standard deviation over half-samples is that of the whole: the delete-d jackknife with d = n / 2
(Shao & Wu 1989, doi:10.1214/aos/1176347263).
"""

import math
from collections.abc import Callable, Mapping

import torch
from scipy.stats import binomtest
from torch import Tensor

from gentool.engine.randomness import rng

NORMAL_95 = 1.96

Interval = tuple[float, float]
Statistic = Callable[..., Mapping[str, float]]


def half_sample_deviations(
    statistic: Statistic,
    points: tuple[Tensor, ...],
    repeats: int,
    seed: int,
    on_repeat: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:
    """The standard deviation of each number of `statistic(*points)`, each tensor halved along its first dimension."""
    values: dict[str, list[float]] = {}
    for repeat in range(repeats):
        halves = [
            part[torch.randperm(len(part), generator=rng(seed, "half-sample", repeat, place))[: len(part) // 2]]
            for place, part in enumerate(points)
        ]
        for name, value in statistic(*halves).items():
            values.setdefault(name, []).append(value)
        on_repeat(repeat + 1)
    return {name: torch.tensor(numbers, dtype=torch.float64).std().item() for name, numbers in values.items()}


def interval(value: float, deviation: float) -> Interval:
    """The 95% interval of a normal distribution."""
    return value - NORMAL_95 * deviation, value + NORMAL_95 * deviation


def share_and_interval(found: Tensor) -> tuple[float, Interval]:
    """The share of True among independent values (N,), and Wilson's 95% interval (1927, JASA 22), which has a width
    also where all or none are True."""
    count = int(found.sum())
    ends = binomtest(count, len(found)).proportion_ci(method="wilson")
    return count / len(found), (float(ends.low), float(ends.high))


def mean_and_interval(values: Tensor) -> tuple[float, Interval]:
    """The mean of independent values (N,), at least 2, and its 95% interval."""
    mean = values.double().mean().item()
    return mean, interval(mean, values.double().std().item() / math.sqrt(len(values)))
