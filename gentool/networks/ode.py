"""Solvers of an ordinary differential equation dx/dt = v(x, t) with steps of equal length."""

from collections.abc import Callable, Iterator
from typing import Literal

from torch import Tensor

Solver = Literal["euler", "midpoint", "heun"]
Velocity = Callable[[Tensor, float], Tensor]
"""(x, t) -> dx/dt, in the shape of x."""


def steps_along(
    velocity: Velocity, x: Tensor, steps: int, solver: Solver, *, start: float = 0.0, end: float = 1.0
) -> Iterator[Tensor]:
    """x at `steps` + 1 times from `start` to `end`, both included.

    Euler's method computes the velocity once in a step and has an error of order h. The midpoint rule and Heun's method
    compute it twice and have one of order h^2 (Hairer, Norsett & Wanner 1993, "Solving ordinary differential equations
    I", section II.1). Heun's method ends with a step of Euler's, so that no velocity is computed at `end`, where that
    of a generative model may not be defined (Karras et al. 2022, arXiv:2206.00364, algorithm 1). `end` may lie before
    `start`: then the path is followed backwards.
    """
    h = (end - start) / steps
    yield x
    for step in range(steps):
        t = start + step * h
        v = velocity(x, t)
        if solver == "midpoint":
            v = velocity(x + h / 2 * v, t + h / 2)
        elif solver == "heun" and step < steps - 1:
            v = (v + velocity(x + h * v, t + h)) / 2
        x = x + h * v
        yield x


def solve(velocity: Velocity, x: Tensor, steps: int, solver: Solver, *, start: float = 0.0, end: float = 1.0) -> Tensor:
    """The last point of `steps_along`."""
    for point in steps_along(velocity, x, steps, solver, start=start, end=end):
        x = point
    return x
