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
    groups: Groups, own: NDArray[np.int8] | None, validation: float, test: float, seed: int, dedupe: bool
) -> NDArray[np.int8]:
    """The split of each picture (TRAIN, VALIDATION, TEST), or DROPPED for a copy that `dedupe` removes.

    A source's own test and validation images stay what they are; the rest is drawn. The draw orders the pictures by a
    hash of the seed and their pixels, so it depends neither on names nor on order, and all copies of a picture that are
    not the source's own test images land in the same split. Raises DataError when no training image is left.
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
    for number in order:
        undecided = [i for i in groups.members[number] if splits[i] == UNDECIDED]
        for split in (TEST, VALIDATION):
            if undecided and len(undecided) <= sizes[split]:
                splits[undecided] = split
                sizes[split] -= len(undecided)
                break
    splits[splits == UNDECIDED] = TRAIN
    if not (splits == TRAIN).any():
        raise DataError("no image is left for training; add images outside the folders named test and validation")
    return splits
