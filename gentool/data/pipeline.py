"""From the pictures of a source to the rows of a prepared set: read, convert, find copies, split."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.data.convert import Again, Converted, convert_all
from gentool.data.decode import FLATTENED, pillow_warnings
from gentool.data.layout import Meaning
from gentool.data.meaning import meaning_of
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import SPLITS, TEST, TRAIN, VALIDATION, Pixels, Raw
from gentool.data.splits import DROPPED, Groups, assign, group
from gentool.data.survey import Progress, Survey, silent
from gentool.errors import DataError, OptionError
from gentool.progress import counted

DEFAULT_TEST = 0.1
DARK = 64
"""Images whose brightest pixel is below this are called dark."""
CUT = 0.25
"""A note says so when cropping removes a larger share of an image."""
MANY_CLASSES = 10
"""Fewer classes are never called too many for their images."""
FEW_IMAGES = 5
"""Classes with fewer training images are named."""
_LISTED = 100


@dataclass(frozen=True)
class Rows:
    """The readable pictures in source order, and where each belongs.

    `images` uint8 (source count, C, H, W) has a row for every picture of the source; it is None when they were only
    checked. `readable` has the numbers of the rows that hold one; `splits` and `labels` go with it.
    """

    images: Pixels | Again | None
    readable: NDArray[np.int64]
    splits: NDArray[np.int8]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    info: dict[str, Any]
    shape: tuple[int, int, int]

    def facts(self) -> dict[str, Any]:
        """Shape, counts and classes as dataset.json has them."""
        per_class = None
        if self.labels is not None:
            blocks = [self.labels[self.splits == split] for split in range(len(SPLITS))]
            numbers = [np.bincount(block, minlength=len(self.classes)).tolist() for block in blocks]
            per_class = dict(zip(SPLITS, numbers, strict=True))
        return {
            "shape": list(self.shape),
            "counts": {name: int((self.splits == split).sum()) for split, name in enumerate(SPLITS)},
            "classes": list(self.classes),
            "labelled": self.labels is not None,
            "class_counts": per_class,
        }


def prepare_rows(
    raw: Raw,
    options: PrepareOptions,
    *,
    scratch: Callable[[tuple[int, ...]], Pixels | None] | None,
    on_progress: Progress = silent,
) -> Rows:
    """All pictures of a source, prepared and split. `scratch` is that of `convert_all`; None: only check.

    Raises DataError when no picture can be read, OptionError for an option that has no effect on this source.
    """
    notes = list(raw.notes)
    if not raw.count:
        raise DataError(Survey().nothing_readable(raw))
    meaning = meaning_of(raw, options)
    with pillow_warnings():
        done = convert_all(raw, options, meaning.left_out, scratch, on_progress)
    good = list(done.part.digests)
    if not good:
        raise DataError(done.survey.nothing_readable(raw))
    notes += _notes_on_pixels(done, options)
    notes += meaning.notes
    labels, classes = _occurring(meaning, good) if raw.folders else (_at(meaning.labels, good), meaning.classes)
    own = _at(meaning.own, good)
    own_test = own is not None and bool((own == TEST).any())
    if own_test and options.test is not None:
        raise OptionError("--test: this data set has test images of its own; leave the option out")
    if own is not None and (own == VALIDATION).any() and options.validation and "validation" in options.changed():
        raise OptionError("--validation: this data set has validation images of its own; leave the option out")
    groups = group(list(done.part.digests.values()))
    test = DEFAULT_TEST if options.test is None else options.test
    splits = assign(groups, own, options.validation, test, options.split_seed, options.dedupe, labels)
    notes += _notes_on_classes(labels, classes, splits)
    info = {
        "found": {
            "kind": raw.kind,
            "readable": len(good),
            "sizes": {f"{w}x{h}": n for (w, h), n in done.survey.sizes.most_common(_LISTED)},
            "modes": dict(done.survey.modes.most_common()),
            "several_frames": done.survey.animated,
            "turned_by_exif": done.survey.turned,
            "ignored": raw.ignored,
        },
        "layout": [
            {"folder": one.folder, "role": one.role, "images": one.images, "classes": dict(one.classes)}
            for one in meaning.tree
        ],
        "range": [done.part.darkest, done.part.brightest],
        "own_test": own_test,
        "pixel_art": done.converter.resizes and done.converter.pixel_art,
        "skipped": [{"name": one.name, "reason": one.reason} for one in done.survey.skipped(raw)],
        "duplicates": _duplicates(raw, groups, good, splits, labels),
        "notes": notes,
    }
    return Rows(done.images, np.array(good, np.int64), splits, labels, classes, info, done.converter.shape)


def _at(values: NDArray[Any] | None, numbers: Sequence[int]) -> NDArray[Any] | None:
    return None if values is None else values[numbers]


def _occurring(meaning: Meaning, good: Sequence[int]) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """The labels of the readable pictures, and the classes that they have."""
    if meaning.labels is None:
        return None, ()
    numbers, labels = np.unique(meaning.labels[good], return_inverse=True)
    return labels.astype(np.int64), tuple(meaning.classes[number] for number in numbers)


def _notes_on_pixels(done: Converted, options: PrepareOptions) -> Iterator[str]:
    """What people should know about the sizes and values of the pictures."""
    part, facts, form = done.part, done.survey, done.converter.form
    size_note = facts.note_on_size(options)
    if size_note:
        yield size_note
    if done.converter.resizes and options.resample == "auto":
        yield f"resized as {'pixel art' if done.converter.pixel_art else 'photographs (antialiased)'}"
    cut = sum(n for size, n in facts.sizes.items() if _share_cut(size, done.converter.size) > CUT)
    if options.crop == "center" and cut > len(part.digests) / 2:
        yield "most images lose more than a quarter to cropping: --crop pad keeps all of it, --size sets another shape"
    if facts.animated:
        yield f"{facts.animated} files hold several frames: the first is used"
    if options.channels == 4 and not facts.transparent:
        yield "no image has transparent parts"
    elif facts.transparent and options.channels != 4 and options.background is None:
        yield f"{counted(facts.transparent, 'image')} with transparent parts, {FLATTENED}"
    if form.largest not in (None, 255, 65535):
        kind = "floating-point values" if form.largest == 1 else "values of more than 8 bits"
        yield f"{kind}: {form.largest} is white"
    if form.binary:
        yield "values 0 and 1: 1 is white"
    if part.darkest == part.brightest and form.channels != 4:
        yield f"every pixel of every image is {part.brightest}"
    elif part.brightest < DARK and form.channels != 4:
        yield f"the images are dark: their brightest pixel is {part.brightest} of 255"


def _share_cut(size: tuple[int, int], target: tuple[int, int]) -> float:
    """The share of an image (width, height) that is cut off to give it the proportions of the target."""
    part = min(size[0] / target[0], size[1] / target[1])
    return 1 - part * target[0] * part * target[1] / (size[0] * size[1])


def _notes_on_classes(
    labels: NDArray[np.int64] | None, classes: tuple[str, ...], splits: NDArray[np.int8]
) -> Iterator[str]:
    """The classes that have no training image, and the smallest one where it is very small."""
    if labels is None:
        return
    if len(classes) > len(labels) / 2 and len(classes) > MANY_CLASSES:
        yield f"{len(classes):,} classes for {len(labels):,} images: perhaps their labels are not classes"
    counts = np.bincount(labels[splits == TRAIN], minlength=len(classes))
    missing = [name for name, count in zip(classes, counts, strict=True) if not count]
    if missing:
        yield f"no training image of class {', '.join(missing[:10])}{', …' if len(missing) > 10 else ''}"
    few = [f"{name} ({count})" for name, count in zip(classes, counts, strict=True) if 0 < count < FEW_IMAGES]
    if few:
        yield f"fewer than {FEW_IMAGES} training images of class {', '.join(few[:10])}{', …' if len(few) > 10 else ''}"


def _duplicates(
    raw: Raw, groups: Groups, good: Sequence[int], splits: NDArray[np.int8], labels: NDArray[np.int64] | None
) -> dict[str, Any]:
    """How many pictures repeat another one, with examples, and what that touches."""
    repeated = [members for members in groups.members if len(members) > 1]
    return {
        "copies": groups.copies,
        "groups": len(repeated),
        "dropped": int((splits == DROPPED).sum()),
        "across_own_splits": sum(len({splits[i] for i in members if splits[i] != DROPPED}) > 1 for members in repeated),
        "with_different_labels": 0 if labels is None else sum(len(set(labels[members])) > 1 for members in repeated),
        "examples": [[raw.name(good[i]) for i in members[:10]] for members in repeated[:_LISTED]],
    }
