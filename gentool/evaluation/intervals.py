"""How sure a number is: intervals from half-samples.

A half-sample is drawn without copies, which would spoil distances to neighbours. For a statistic of independent points
the spread of half-samples is the spread of the whole: the delete-d jackknife with d = n / 2 (Shao & Wu 1989,
doi:10.1214/aos/1176347263).
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gentool.engine.randomness import generator

NORMAL_95 = 1.96

Statistic = Callable[..., Mapping[str, float]]


def _silent(done: int, total: int) -> None:
    """Tells nobody."""


def spreads(
    statistic: Statistic,
    points: tuple[Tensor, ...],
    repeats: int,
    seed: int,
    on_progress: Callable[..., None] = _silent,
) -> dict[str, float]:
    """The standard deviation of each number of `statistic(*points)`; each tensor's first dimension is halved."""
    found: dict[str, list[float]] = {}
    for repeat in range(repeats):
        halves = [
            part[torch.randperm(len(part), generator=generator(seed, "half-sample", repeat, place))[: len(part) // 2]]
            for place, part in enumerate(points)
        ]
        for name, value in statistic(*halves).items():
            found.setdefault(name, []).append(value)
        on_progress(repeat + 1, repeats)
    return {name: torch.tensor(values, dtype=torch.float64).std().item() for name, values in found.items()}


def interval(value: float, spread: float) -> tuple[float, float]:
    """The 95 % interval of a normal distribution."""
    return value - NORMAL_95 * spread, value + NORMAL_95 * spread


def mean_and_interval(values: Tensor) -> tuple[float, tuple[float, float]]:
    """The mean of independent values (N,), at least 2, and its 95 % interval."""
    mean = values.double().mean().item()
    return mean, interval(mean, values.double().std().item() / math.sqrt(len(values)))
