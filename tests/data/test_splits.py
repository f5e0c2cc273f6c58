"""Which picture goes where: reproducible, and copies never apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gentool.data.raw import TEST, TRAIN, VALIDATION
from gentool.data.splits import DROPPED, assign, group
from gentool.errors import DataError

contents = st.lists(st.integers(0, 60), min_size=1, max_size=120)


def digests(numbers: list[int]) -> list[bytes]:
    return [bytes([number]) * 16 for number in numbers]


def test_the_shares_are_exact_where_all_differ() -> None:
    splits = assign(group(digests(list(range(200)))), None, 0.05, 0.1, 0, False)
    assert np.bincount(splits).tolist() == [170, 10, 20]


def test_another_seed_is_another_split_and_the_same_seed_the_same() -> None:
    groups = group(digests(list(range(200))))
    first, again, other = (assign(groups, None, 0.05, 0.1, seed, False) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_the_split_of_a_picture_depends_on_its_pixels_not_on_its_place() -> None:
    numbers = list(range(100))
    forward = assign(group(digests(numbers)), None, 0.1, 0.2, 3, False)
    backward = assign(group(digests(numbers[::-1])), None, 0.1, 0.2, 3, False)
    assert (forward == backward[::-1]).all()


@given(contents, st.floats(0, 0.4), st.floats(0, 0.4), st.integers(0, 2**31 - 1))
def test_copies_stay_together(numbers: list[int], validation: float, test: float, seed: int) -> None:
    splits = assign(group(digests(numbers)), None, validation, test, seed, False)
    for number in set(numbers):
        assert len({split for split, n in zip(splits, numbers, strict=True) if n == number}) == 1
    assert (splits == TEST).sum() <= round(test * len(numbers))
    assert (splits == VALIDATION).sum() <= round(validation * len(numbers))
    assert (splits == TRAIN).any()


@given(contents, st.integers(0, 5))
def test_dedupe_keeps_one_of_each(numbers: list[int], seed: int) -> None:
    splits = assign(group(digests(numbers)), None, 0.1, 0.1, seed, True)
    kept = [number for number, split in zip(numbers, splits, strict=True) if split != DROPPED]
    assert sorted(kept) == sorted(set(numbers))


def test_the_sources_own_test_set_is_kept() -> None:
    own = np.array([TRAIN] * 8 + [TEST] * 2, np.int8)
    numbers = [0, 1, 2, 3, 4, 5, 6, 9, 8, 9]
    splits = assign(group(digests(numbers)), own, 0.25, 0.5, 0, False)
    assert (splits == TEST).nonzero()[0].tolist() == [8, 9]
    assert (splits == VALIDATION).sum() == 2
    deduped = assign(group(digests(numbers)), own, 0.25, 0.5, 0, True)
    assert deduped[7] == DROPPED  # a training copy of a test image
    assert (deduped == TEST).nonzero()[0].tolist() == [8, 9]


def test_no_share_is_no_image() -> None:
    assert (assign(group(digests([1, 2, 3])), None, 0, 0, 0, False) == TRAIN).all()


def test_nothing_left_to_train_on() -> None:
    with pytest.raises(DataError, match="no image is left for training"):
        assign(group(digests([1, 2])), np.array([TEST, TEST], np.int8), 0, 0, 0, False)
