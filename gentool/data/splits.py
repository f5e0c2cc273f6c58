"""Copies of the same picture, and which picture goes to which split."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gentool.data.raw import TEST, TRAIN, VALIDATION
from gentool.errors import DataError

UNDECIDED, DROPPED = -1, -2


@dataclass(frozen=True)
class Groups:
    """Pictures with equal pixels: `of[i]` is the group of picture i; a group's pictures are in source order."""

    of: NDArray[np.int64]
    members: list[list[int]]
    digests: list[bytes]

    @property
    def copies(self) -> int:
        """How many pictures repeat an earlier one."""
        return len(self.of) - len(self.members)


def group(digests: Sequence[bytes]) -> Groups:
    """Pictures grouped by the digest of their prepared pixels."""
    numbers: dict[bytes, int] = {}
    of = np.array([numbers.setdefault(digest, len(numbers)) for digest in digests], np.int64)
    members: list[list[int]] = [[] for _ in numbers]
    for picture, number in enumerate(of):
        members[number].append(picture)
    return Groups(of, members, list(numbers))


def assign(
    groups: Groups,
    own: NDArray[np.int8] | None,
    validation: float,
    test: float,
    seed: int,
    dedupe: bool,
    labels: NDArray[np.int64] | None = None,
) -> NDArray[np.int8]:
    """The split of each picture (TRAIN, VALIDATION, TEST), or DROPPED for a copy that `dedupe` removes.

    A source's own test and validation images stay what they are; the rest is drawn. The draw orders the pictures by a
    hash of the seed and their pixels, so it depends neither on names nor on order, and all copies of a picture that are
    not the source's own test images land in the same split.

    Where this leaves a class without training images, or without test images that it has enough images for, the draw is
    made class by class. Raises DataError when no training image is left.
    """
    count = len(groups.of)
    splits = np.full(count, UNDECIDED, np.int8)
    if own is not None:
        splits[own == TEST] = TEST
        splits[own == VALIDATION] = VALIDATION
    if dedupe:
        for members in groups.members:
            # A copy among the source's own test images is the one to keep: the test set stays what it is elsewhere.
            representative = max(members, key=lambda i: (splits[i] == TEST, splits[i] == VALIDATION, -i))
            splits[[i for i in members if i != representative]] = DROPPED
    free = int((splits == UNDECIDED).sum())
    sizes = {
        TEST: 0 if (splits == TEST).any() else round(test * free),
        VALIDATION: 0 if (splits == VALIDATION).any() else round(validation * free),
    }
    # In a tiny set, one image is for training whatever rounding says.
    sizes[TEST] = min(sizes[TEST], max(0, free - 1))
    sizes[VALIDATION] = min(sizes[VALIDATION], max(0, free - 1 - sizes[TEST]))
    salt = seed.to_bytes(8, "little")
    order = sorted(
        range(len(groups.members)), key=lambda g: hashlib.blake2b(groups.digests[g], key=salt, digest_size=16).digest()
    )
    undecided = (splits == UNDECIDED).tolist()
    free_groups = [[i for i in groups.members[number] if undecided[i]] for number in order]
    free_groups = [members for members in free_groups if members]
    drawn = _drawn(splits, free_groups, sizes)
    if labels is not None and not _covers(drawn, splits, labels, sizes):
        drawn = splits.copy()
        by_class = list(_by_class(free_groups, labels).values())
        shares = _shares(sizes, [sum(map(len, of_class)) for of_class in by_class])
        for of_class, share in zip(by_class, shares, strict=True):
            drawn = _drawn(drawn, of_class, share)
    drawn[drawn == UNDECIDED] = TRAIN
    if not (drawn == TRAIN).any():
        raise DataError("no image is left for training; add images outside the folders named test and validation")
    return drawn


def _drawn(splits: NDArray[np.int8], free_groups: list[list[int]], sizes: dict[int, int]) -> NDArray[np.int8]:
    """The splits with groups given to test and validation, in order, until each has its size."""
    drawn, sizes = splits.copy(), dict(sizes)
    for members in free_groups:
        for split in (TEST, VALIDATION):
            if len(members) <= sizes[split]:
                drawn[members] = split
                sizes[split] -= len(members)
                break
    return drawn


def _covers(
    drawn: NDArray[np.int8], splits: NDArray[np.int8], labels: NDArray[np.int64], sizes: dict[int, int]
) -> bool:
    """Whether every class that is drawn from keeps a training image, and gets test images in due proportion."""
    free = splits == UNDECIDED
    counts = np.bincount(labels[free])
    left = np.bincount(labels[free & (drawn == UNDECIDED)], minlength=len(counts))
    tested = np.bincount(labels[free & (drawn == TEST)], minlength=len(counts))
    due = counts * (sizes[TEST] / max(1, free.sum()))
    return bool(((left > 0) | (counts == 0)).all() and ((tested > 0) | (due < 1)).all())


def _by_class(free_groups: list[list[int]], labels: NDArray[np.int64]) -> dict[int, list[list[int]]]:
    """The groups by the class of their first picture, in order."""
    classes: dict[int, list[list[int]]] = {}
    for members in free_groups:
        classes.setdefault(int(labels[members[0]]), []).append(members)
    return dict(sorted(classes.items()))


def _shares(sizes: dict[int, int], counts: list[int]) -> list[dict[int, int]]:
    """The test and validation images of each class, in proportion to its images; one at least is left for training.

    The largest remainders are rounded up, so that the sums are those of `sizes` where the classes have enough images.
    """
    total = max(1, sum(counts))
    left = [count - 1 for count in counts]
    shares: list[dict[int, int]] = [{} for _ in counts]
    for split in (TEST, VALIDATION):
        due = [sizes[split] * count / total for count in counts]
        given = [min(free, int(part)) for free, part in zip(left, due, strict=True)]
        missing = sizes[split] - sum(given)
        for number in sorted(range(len(counts)), key=lambda number: given[number] - due[number]):
            if missing > 0 and given[number] < left[number]:
                given[number] += 1
                missing -= 1
        for number, part in enumerate(given):
            shares[number][split] = part
            left[number] -= part
    return shares
