"""Straight paths, times, and the pairing of noise with images."""

import itertools

import pytest
import torch

from gentool.metrics.flow_matching import even_times, paired_noise, straight_path


def test_a_path_goes_from_noise_to_the_image() -> None:
    x, noise = torch.randn(3, 2, 4, 5), torch.randn(3, 2, 4, 5)
    start, velocity = straight_path(x, noise, torch.zeros(3))
    assert torch.equal(start, noise)
    assert torch.equal(straight_path(x, noise, torch.ones(3))[0], x)
    quarter, same = straight_path(x, noise, torch.full((3,), 0.25))
    assert torch.equal(same, velocity)
    assert torch.allclose(quarter, noise + 0.25 * velocity, atol=1e-6)


@pytest.mark.parametrize("count", [500, 5000])
def test_even_times_are_logit_normal_as_a_whole_and_in_parts(count: int) -> None:
    normal = torch.distributions.Normal(0.0, 1.0)
    t = even_times(count)
    for part in (t, t[: count // 2], t[count // 2 :]):
        uniform = normal.cdf(part.logit()).sort().values
        expected = (torch.arange(len(part)) + 0.5) / len(part)
        assert (uniform - expected).abs().max() < 6 / len(part)


def cost(x: torch.Tensor, noise: torch.Tensor) -> float:
    return float((x - noise).square().sum())


def test_pairs_have_the_smallest_sum_of_squared_distances() -> None:
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(6, 1, 2, 2, generator=generator), torch.randn(6, 1, 2, 2, generator=generator)
    paired = paired_noise(x, noise)
    best = min(cost(x, noise[list(order)]) for order in itertools.permutations(range(6)))
    assert cost(x, paired) == pytest.approx(best)
    assert sorted(paired.flatten().tolist()) == sorted(noise.flatten().tolist())


def test_noise_changes_places_within_a_class_only() -> None:
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(8, 1, 2, 2, generator=generator), torch.randn(8, 1, 2, 2, generator=generator)
    labels = torch.tensor([0, 1, 0, 1, 2, 1, 0, 0])
    paired = paired_noise(x, noise, labels)
    for label in range(3):
        rows = labels == label
        assert torch.equal(paired[rows], paired_noise(x[rows], noise[rows]))
    assert cost(x, paired_noise(x, noise)) < cost(x, paired) < cost(x, noise)
