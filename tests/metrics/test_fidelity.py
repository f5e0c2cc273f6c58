"""Fidelity metrics on cases with a known answer."""

import pytest
import torch

from gentool.metrics.fidelity import distinct_share, palette_score, precision_recall


def gaussian(seed: int, count: int = 500, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)) + shift


def test_precision_and_recall_of_the_same_distribution_are_high() -> None:
    precision, recall = precision_recall(gaussian(0), gaussian(1))
    assert precision > 0.6
    assert recall > 0.6


def test_far_away_is_0_and_0_one_point_has_no_recall() -> None:
    assert precision_recall(gaussian(0), gaussian(1, shift=50)) == (0, 0)
    precision, recall = precision_recall(gaussian(0), gaussian(0)[:1].repeat(100, 1))
    assert precision == 1
    assert recall == pytest.approx(1 / 500)  # the one real point that was copied


def test_precision_and_recall_change_places() -> None:
    narrow, wide = 0.2 * gaussian(1), gaussian(0)
    precision, recall = precision_recall(wide, narrow)
    assert precision > 0.95
    assert recall < 0.1
    assert precision_recall(narrow, wide) == (recall, precision)


def test_palette_score_of_all_pixels_and_of_the_foreground() -> None:
    background = torch.tensor([100, 130, 150], dtype=torch.uint8)
    images = background[None, :, None, None].repeat(2, 1, 4, 4)
    images[0, :, 0, 0] = torch.tensor([208, 8, 0])  # within 8 of red
    images[1, :, 0, 0] = torch.tensor([209, 0, 0])  # 9 away
    colours = torch.tensor([[100, 130, 150], [200, 0, 0]], dtype=torch.uint8)
    assert palette_score(images, colours, background) == pytest.approx((31 / 32, 1 / 2))


def test_distinct_share() -> None:
    images = torch.arange(8, dtype=torch.uint8).reshape(4, 1, 1, 2)
    assert distinct_share(images) == 1
    assert distinct_share(images[[0, 0, 1, 1]]) == 0.5
