"""Solvers against equations that have a solution in closed form."""

import math

import pytest
import torch
from torch import Tensor

from gentool.networks.ode import Solver, solve, steps_along


def decay(x: Tensor, t: float) -> Tensor:
    """dx/dt = -2 t x, whose solution is x(0) exp(-t^2)."""
    return -2 * t * x


def error(solver: Solver, steps: int) -> float:
    start = torch.tensor([1.0, -3.0], dtype=torch.double)
    return float((solve(decay, start, steps, solver) - start * math.exp(-1)).abs().max())


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_the_error_falls_with_the_order_of_the_solver(solver: Solver, order: int) -> None:
    assert error(solver, 40) / error(solver, 80) == pytest.approx(2**order, rel=0.1)


@pytest.mark.parametrize(("solver", "calls"), [("euler", 7), ("midpoint", 14), ("heun", 13)])
def test_how_often_the_velocity_is_computed(solver: Solver, calls: int) -> None:
    times = []

    def velocity(x: Tensor, t: float) -> Tensor:
        times.append(t)
        return x * 0 + 1

    assert solve(velocity, torch.zeros(1), 7, solver).item() == pytest.approx(1)
    assert len(times) == calls
    assert max(times) == pytest.approx({"euler": 6 / 7, "midpoint": 13 / 14, "heun": 6 / 7}[solver])


@pytest.mark.parametrize("solver", ["midpoint", "heun"])
def test_a_path_is_followed_backwards(solver: Solver) -> None:
    start = torch.tensor([1.0, -3.0], dtype=torch.double)
    end = solve(decay, start, 100, solver)
    assert torch.allclose(solve(decay, end, 100, solver, start=1.0, end=0.0), start, atol=1e-4)


def test_the_points_of_a_path_begin_at_its_start() -> None:
    points = list(steps_along(lambda x, t: torch.full_like(x, 2.0), torch.tensor([5.0]), 4, "euler"))
    assert [point.item() for point in points] == [5, 5.5, 6, 6.5, 7]
