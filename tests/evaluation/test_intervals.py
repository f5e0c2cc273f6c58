"""Standard deviations over half-samples against those that are known."""

import math

import pytest
import torch
from torch import Tensor

from gentool.evaluation.fidelity import fidelity
from gentool.evaluation.intervals import half_sample_deviations, interval, mean_and_interval, share_and_interval


def gaussian(seed: int, count: int) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def test_the_deviation_of_a_mean_is_that_of_the_whole_sample() -> None:
    x = gaussian(0, 400)
    found = half_sample_deviations(lambda part: {"mean": part[:, 0].mean().item()}, (x,), 400, seed=0)
    assert found["mean"] == pytest.approx(x[:, 0].std().item() / math.sqrt(len(x)), rel=0.1)


def test_the_deviation_of_scores_is_that_of_fresh_samples() -> None:
    fresh = [fidelity(gaussian(2 * i, 300), 1.2 * gaussian(2 * i + 1, 300) + 0.3, subsets=2) for i in range(40)]
    points = gaussian(0, 300), 1.2 * gaussian(1, 300) + 0.3
    found = half_sample_deviations(lambda *half: fidelity(*half, subsets=2), points, 40, seed=0)
    for name in fresh[0]:
        known = torch.tensor([scores[name] for scores in fresh]).std().item()
        assert 0.6 < found[name] / known < 2, name  # near its end of 1, recall's is on the safe side


def test_intervals_are_functions_of_the_seed() -> None:
    x = gaussian(0, 50)
    first, again, other = (
        half_sample_deviations(lambda part: {"m": part.mean().item()}, (x,), 5, seed=s)["m"] for s in (1, 1, 2)
    )
    assert first == again != other


def test_mean_and_interval() -> None:
    mean, (low, high) = mean_and_interval(torch.tensor([1.0, 2.0, 3.0]))
    assert (mean, low, high) == pytest.approx((2, 2 - 1.96 / math.sqrt(3), 2 + 1.96 / math.sqrt(3)))
    assert interval(1.0, 0.5) == pytest.approx((0.02, 1.98))


def test_the_interval_of_a_share_has_a_width_at_its_ends() -> None:
    z2 = 1.959964**2
    share, (low, high) = share_and_interval(torch.ones(100, dtype=torch.bool))
    assert (share, high) == (1, pytest.approx(1))
    assert low == pytest.approx(100 / (100 + z2), abs=1e-6)
    share, ends = share_and_interval(torch.arange(50) < 20)  # Wilson's formula
    middle, width = 0.4 + z2 / 100, math.sqrt(z2 * (0.24 / 50 + z2 / (4 * 50**2)))
    assert share == pytest.approx(0.4)
    assert ends == pytest.approx([(middle + sign * width) / (1 + z2 / 50) for sign in (-1, 1)], abs=1e-6)
