"""Near copies: by the ratio of the distances to the nearest and the second nearest training image."""

import math

import pytest
import torch

from gentool.metrics.copying import distinct, near_copies, neighbour_ratios, own_ratios

GENERATOR = torch.Generator().manual_seed(0)
TRAIN, HELD_OUT = torch.randn(100, 16, generator=GENERATOR), torch.randn(400, 16, generator=GENERATOR)


def test_ratios_by_hand() -> None:
    others = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 10.0]])
    assert neighbour_ratios(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), others).tolist() == pytest.approx(
        [1 / math.sqrt(18), 0]
    )
    assert own_ratios(others).tolist() == pytest.approx([5 / 10, 5 / math.sqrt(45), math.sqrt(45) / 10])


def test_copies_are_found_and_others_are_not() -> None:
    assert near_copies(TRAIN, TRAIN) == 1
    noisy = TRAIN + 0.05 * torch.randn(TRAIN.shape, generator=GENERATOR)
    assert near_copies(noisy, TRAIN) == 1
    assert near_copies(HELD_OUT, TRAIN) <= 0.02
    assert near_copies(torch.cat([TRAIN, HELD_OUT[:100]]), TRAIN) == pytest.approx(0.5, abs=0.02)


def test_what_is_near_to_all_is_no_copy() -> None:
    average = TRAIN.mean(0).expand(50, -1)
    assert torch.cdist(average[:1], TRAIN).min() < own_distances().median(), "nearer than real images are"
    assert near_copies(average, TRAIN) == 0
    assert near_copies(0.5 * (TRAIN + TRAIN.roll(1, 0)), TRAIN) <= 0.05


def own_distances() -> torch.Tensor:
    return torch.cdist(TRAIN, TRAIN).fill_diagonal_(torch.inf).amin(1)


def test_a_set_whose_images_come_in_pairs_is_no_alarm() -> None:
    """Unseen images of such a set are as near to one training image as these are to each other."""
    centres = torch.randn(80, 16, generator=GENERATOR)
    pairs = torch.cat([centres, centres]) + 0.05 * torch.randn(160, 16, generator=GENERATOR)
    unseen = centres + 0.05 * torch.randn(80, 16, generator=GENERATOR)
    assert near_copies(unseen, pairs) <= 0.1


def test_duplicates_among_training_images_hide_nothing() -> None:
    twice = distinct(torch.cat([TRAIN, TRAIN]))
    assert len(twice) == len(TRAIN)
    assert near_copies(TRAIN, twice) == 1
