"""What a source holds before anything is prepared: pictures by number, with their names, labels and splits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gentool.errors import DataError

Pixels = NDArray[np.uint8]
SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)


@dataclass(frozen=True)
class Skipped:
    """A file that is not used, and why."""

    name: str
    reason: str


def nothing_to_close() -> None:
    """For sources that hold nothing open."""


@dataclass(frozen=True, kw_only=True)
class Raw:
    """The pictures of a source, in its own order, not yet read.

    `where` names it in messages. `get(i)` is the content of an image file, or pixels uint8 (H, W, C) when `uniform`
    gives their shape; it may raise OSError. `name(i)` is for people; with `folders` it is a path whose folders may name
    classes. `own` says for each picture to which split the source itself assigns it. `files` are the paths of
    pictures that are files on the disk. `left_out` has reasons for pictures that are not used, by number.
    """

    kind: str
    count: int
    where: str = ""
    get: Callable[[int], bytes | Pixels]
    name: Callable[[int], str]
    uniform: tuple[int, int, int] | None = None
    folders: bool = False
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    own: NDArray[np.int8] | None = None
    left_out: Mapping[int, str] = field(default_factory=dict)
    factors: NDArray[np.float32] | None = None
    factor_names: tuple[str, ...] = ()
    files: Sequence[str] = ()
    skipped: tuple[Skipped, ...] = ()
    ignored: int = 0
    notes: tuple[str, ...] = ()
    close: Callable[[], None] = nothing_to_close


def own_splits(counts: Sequence[tuple[int, int]]) -> NDArray[np.int8] | None:
    """The splits of images that lie one behind the other: (split, count) of each part. None for one part alone."""
    if len(counts) < 2:
        return None
    return np.concatenate([np.full(count, split, np.int8) for split, count in counts])


def from_arrays(
    kind: str,
    images: Pixels,
    labels: NDArray[np.int64] | None = None,
    *,
    classes: Sequence[str] = (),
    own: NDArray[np.int8] | None = None,
    skipped: Sequence[Skipped] = (),
    notes: Sequence[str] = (),
) -> Raw:
    """A source that is one array, uint8 (N, H, W, C). `own` (N,) are the splits that it has of its own.

    Raises DataError when labels and images do not fit together.
    """
    count, height, width, channels = images.shape
    if labels is not None and len(labels) != count:
        raise DataError(f"{kind}: {count} images but {len(labels)} labels; the files do not belong together")
    if labels is not None and count and not 0 <= int(labels.min()) <= int(labels.max()) < max(len(classes), 1):
        raise DataError(f"{kind}: labels from {labels.min()} to {labels.max()}, but there are {len(classes)} classes")
    return Raw(
        kind=kind,
        count=count,
        get=lambda i: images[i],
        name=lambda i: f"image {i}",
        uniform=(height, width, channels),
        labels=None if labels is None else labels.astype(np.int64),
        classes=tuple(classes),
        own=own,
        skipped=tuple(skipped),
        notes=tuple(notes),
    )
