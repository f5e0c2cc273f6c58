"""Fidelity metrics on cases with a known answer."""

import pytest
import torch

from gentool.metrics import neighbours
from gentool.metrics.neighbours import manifold_scores, nearest


def gaussian(seed: int, count: int = 500, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)) + shift


def test_real_points_against_real_points() -> None:
    scores = manifold_scores(gaussian(0), gaussian(1))
    assert scores["precision"] > 0.6
    assert scores["recall"] > 0.6
    assert scores["density"] == pytest.approx(1, abs=0.1)
    assert scores["coverage"] > 0.9


def test_far_away_is_0_in_all_four() -> None:
    assert set(manifold_scores(gaussian(0), gaussian(1, shift=50)).values()) == {0}


def test_one_point_has_no_recall_and_no_coverage() -> None:
    scores = manifold_scores(gaussian(0), gaussian(0)[:1].repeat(100, 1))
    assert scores["precision"] == 1
    assert scores["recall"] == 1 / 500  # the one real point that was copied
    assert scores["coverage"] < 0.05


def test_precision_and_recall_change_places() -> None:
    narrow, wide = 0.2 * gaussian(1), gaussian(0)
    one, other = manifold_scores(wide, narrow), manifold_scores(narrow, wide)
    assert one["precision"] > 0.95
    assert one["recall"] < 0.1
    assert (other["precision"], other["recall"]) == (one["recall"], one["precision"])


def test_density_and_coverage_by_hand() -> None:
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # radii to the nearest other: 1, 1, 2, 4
    fake = torch.tensor([[0.5], [0.6], [20.0]])  # in the balls of 0 and 1, both; in none
    scores = manifold_scores(real, fake, k=1, density_k=1)
    assert scores["density"] == pytest.approx(4 / 3)
    assert scores["coverage"] == 2 / 4
    assert scores["precision"] == pytest.approx(2 / 3)
    assert scores["recall"] == 3 / 4  # the balls reach .1, .1 and 19.4: the last one from .6 on


def test_blocks_change_nothing_and_agree_with_plain_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = gaussian(0), 0.8 * gaussian(1, count=300, shift=0.3)
    whole = manifold_scores(real, fake)
    monkeypatch.setattr(neighbours, "BLOCK", 37 * 300)
    assert manifold_scores(real, fake) == whole
    distances, own = torch.cdist(real, fake), torch.cdist(real, real)
    balls = distances <= own.sort().values[:, 5:6]
    assert whole["density"] == pytest.approx(balls.float().mean().item() * len(real) / 5)
    assert whole["coverage"] == pytest.approx(balls.any(1).float().mean().item())


def test_nearest() -> None:
    points, others = gaussian(0), gaussian(1)
    others[17] = points[3]
    distance, index = nearest(points, others)
    expected = torch.cdist(points, others).min(1)
    assert (distance[3], index[3]) == (0, 17)
    assert torch.equal(index, expected.indices)
    torch.testing.assert_close(distance.float(), expected.values, rtol=1e-4, atol=1e-3)
