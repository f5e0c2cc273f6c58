"""From the pictures of a source to the rows of a prepared set: read, convert, find copies, split."""

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gentool.data.annotations import FILES, Annotation, matched, read_annotations
from gentool.data.conform import conform, is_pixel_art, with_channels
from gentool.data.decode import Picture, Unreadable, pillow_warnings
from gentool.data.layout import LEFT_OUT, Meaning, understand
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import SPLITS, TEST, TRAIN, Pixels, Raw
from gentool.data.splits import DROPPED, Groups, assign, group
from gentool.data.survey import (
    LARGE,
    Form,
    Progress,
    Survey,
    Unexpected,
    expected_form,
    in_chunks,
    read,
    sample,
    silent,
    widened,
)
from gentool.errors import DataError, OptionError

DEFAULT_TEST = 0.1
DARK = 64
"""Images whose brightest pixel is below this are called dark."""
FEW_IMAGES = 5
"""Classes with fewer training images are named."""
LABELLED_SHARE = 0.5
"""A file of labels beside the images is used if it names at least this share of them."""
_LISTED = 100


@functools.cache
def image_suffixes() -> frozenset[str]:
    """The suffixes of files that Pillow can read, and of HEIC: `.png`, `.jpg`, ..."""
    return frozenset(Image.registered_extensions()) | {".heic", ".heif"}


@dataclass(frozen=True)
class Rows:
    """The readable pictures in source order, and where each belongs.

    `images` uint8 (source count, C, H, W) has a row for every picture of the source; it is None when they were only
    checked. `readable` has the numbers of the rows that hold one; `splits` and `labels` go with it.
    """

    images: Pixels | None
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


class _Converter:
    """Turns picture i of a source into its prepared pixels (C, H, W)."""

    def __init__(self, raw: Raw, options: PrepareOptions, form: Form, pictures: Sequence[int]) -> None:
        self.raw, self.options, self.form = raw, options, form
        self.size = form.size(options)
        self.background = options.background_colour
        self.resizes = form.native != self.size
        self.pixel_art = self.resizes and options.resample == "auto" and self._looks_like_pixel_art(pictures)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the prepared images."""
        return self.form.channels, self.size[1], self.size[0]

    def read(self, i: int) -> Picture:
        """The picture at its own size. Raises OSError, Unreadable; Unexpected where it does not fit the form."""
        enough = 2 * max(self.size) if self.resizes else None
        picture = read(self.raw, self.options, i, enough=enough, largest=self.form.largest)
        form = widened(self.form, picture, self.options)
        if form != self.form:
            raise Unexpected(form)
        return picture

    def convert(self, picture: Picture) -> Pixels:
        """The prepared pixels."""
        options, pixels = self.options, with_channels(picture.pixels, self.form.channels)
        if self.form.binary:
            pixels = pixels * np.uint8(255)
        pixels = conform(pixels, self.size, options.crop, options.resample, self.background, self.pixel_art)
        return pixels.transpose(2, 0, 1)

    def _looks_like_pixel_art(self, pictures: Sequence[int]) -> bool:
        """Whether nine in ten images have few colours, judged by a sample."""
        verdicts = []
        for i in sample(pictures):
            try:
                verdicts.append(is_pixel_art(with_channels(self.read(i).pixels, self.form.channels)))
            except (OSError, Unreadable):
                continue
        return bool(verdicts) and sum(verdicts) >= 0.9 * len(verdicts)


@dataclass
class _Converted:
    """What one pass over a source gave. A picture that cannot be read has an empty digest, and a reason in `facts`."""

    images: Pixels | None
    digests: list[bytes]
    facts: Survey
    darkest: int
    brightest: int
    converter: _Converter


def _convert_all(
    raw: Raw,
    options: PrepareOptions,
    left_out: Mapping[int, str],
    scratch: Callable[[tuple[int, ...]], Pixels] | None,
    on_progress: Progress,
) -> _Converted:
    """Every picture of a source, read once. Where one is not like the sample led to expect, from the start again."""
    used = [i for i in range(raw.count) if i not in left_out]
    form, pixels = expected_form(raw, options, left_out)
    while True:
        form = form or Form(None, options.channels or 1)
        try:
            result = _convert(raw, _Converter(raw, options, form, used), left_out, scratch, on_progress, pixels > LARGE)
        except Unexpected as other:
            form = other.form
            continue
        if result.brightest != 1 or form.binary:
            return result
        form = replace(form, binary=True)


def _convert(
    raw: Raw,
    converter: _Converter,
    left_out: Mapping[int, str],
    scratch: Callable[[tuple[int, ...]], Pixels] | None,
    on_progress: Progress,
    threaded: bool,
) -> _Converted:
    images = scratch((raw.count, *converter.shape)) if scratch else None
    digests = [b""] * raw.count
    details: list[Any] = [None] * raw.count
    bad = dict(left_out)

    def work(chunk: range) -> tuple[int, int]:
        darkest, brightest = 255, 0
        for i in chunk:
            if i in left_out:
                continue
            try:
                picture = converter.read(i)
                pixels = np.ascontiguousarray(converter.convert(picture))
            except OSError as error:
                bad[i] = f"cannot be read: {error.strerror or error}"
                continue
            except Unreadable as error:
                bad[i] = str(error)
                continue
            digests[i] = hashlib.blake2b(pixels.data, digest_size=16).digest()
            details[i] = picture.width, picture.height, picture.mode, picture.animated, picture.turned
            darkest, brightest = min(darkest, int(pixels.min())), max(brightest, int(pixels.max()))
            if images is not None:
                images[i] = pixels
        return darkest, brightest

    ranges = in_chunks(raw.count, work, on_progress, threaded=threaded)
    facts = Survey(bad=bad)
    for one in details:
        if one is not None:
            facts.add(one)
    darkest, brightest = min(low for low, _ in ranges), max(high for _, high in ranges)
    return _Converted(images, digests, facts, darkest, brightest, converter)


def prepare_rows(
    raw: Raw,
    options: PrepareOptions,
    *,
    scratch: Callable[[tuple[int, ...]], Pixels] | None,
    on_progress: Progress = silent,
) -> Rows:
    """All pictures of a source, prepared and split. `scratch` gives the array to write them to; None: only check.

    Raises DataError when no picture can be read, OptionError for an option that has no effect on this source.
    """
    notes = list(raw.notes)
    if not raw.count:
        raise DataError(Survey().nothing_readable(raw))
    meaning = _meaning(raw, options)
    with pillow_warnings():
        done = _convert_all(raw, options, meaning.left_out, scratch, on_progress)
    good = [i for i in range(raw.count) if done.digests[i]]
    if not good:
        raise DataError(done.facts.nothing_readable(raw))
    notes += _notes_on_pixels(done, options)
    notes += meaning.notes
    labels, classes = _occurring(meaning, good) if raw.folders else (_at(meaning.labels, good), meaning.classes)
    own = _at(meaning.own, good)
    own_test = own is not None and bool((own == TEST).any())
    if own_test and options.test is not None:
        raise OptionError("--test: this data set has test images of its own; leave the option out")
    groups = group([done.digests[i] for i in good])
    test = DEFAULT_TEST if options.test is None else options.test
    splits = assign(groups, own, options.validation, test, options.split_seed, options.dedupe, labels)
    notes += _notes_on_classes(labels, classes, splits)
    info = {
        "found": {
            "kind": raw.kind,
            "readable": len(good),
            "sizes": {f"{w}x{h}": n for (w, h), n in done.facts.sizes.most_common(_LISTED)},
            "modes": dict(done.facts.modes.most_common()),
            "several_frames": done.facts.animated,
            "turned_by_exif": done.facts.turned,
            "ignored": raw.ignored,
        },
        "layout": [
            {"folder": one.folder, "role": one.role, "images": one.images, "classes": dict(one.classes)}
            for one in meaning.tree
        ],
        "range": [done.darkest, done.brightest],
        "own_test": own_test,
        "pixel_art": done.converter.pixel_art,
        "skipped": [{"name": one.name, "reason": one.reason} for one in done.facts.skipped(raw)],
        "duplicates": _duplicates(raw, groups, good, splits, labels),
        "notes": notes,
    }
    return Rows(done.images, np.array(good, np.int64), splits, labels, classes, info, done.converter.shape)


def _meaning(raw: Raw, options: PrepareOptions) -> Meaning:
    """The labels and splits of all pictures: what the source itself states, a file of labels, or the folders."""
    if not raw.folders:
        for name in ("layout", "labels"):
            if name in options.changed():
                raise OptionError(f"--{name}: only for a folder or archive of image files, and this is {raw.kind}")
        return Meaning(raw.labels, raw.classes, raw.own)
    names = [raw.name(i) for i in range(raw.count)]
    images = [name[name.rfind(".") :].lower() in image_suffixes() for name in names]
    deciding = images if any(images) else [True] * len(names)
    meaning = understand(names, deciding, options.layout)
    where, annotations = _annotations(raw, names, options)
    found = matched(names, annotations)
    labelled = sum(one is not None and decides for one, decides in zip(found, deciding, strict=True))
    if options.labels is not None and not labelled:
        raise DataError(f"--labels {options.labels}: names none of the images, such as {names[deciding.index(True)]}")
    if not annotations or (options.labels is None and labelled < LABELLED_SHARE * sum(deciding)):
        return meaning
    splits = understand(names, deciding, "splits" if meaning.own is not None else "flat")
    return _annotated(found, deciding, splits, where)


def _annotations(raw: Raw, names: Sequence[str], options: PrepareOptions) -> tuple[str, dict[str, Annotation]]:
    """The annotations of the file that is given, or of those that lie beside the images."""
    if options.labels is not None:
        try:
            content = options.labels.read_bytes()
        except OSError as error:
            raise DataError(f"--labels {options.labels}: {error.strerror}") from None
        return options.labels.name, read_annotations(content, str(options.labels), options.label_columns or ())
    every: dict[str, Annotation] = {}
    for number, name in enumerate(names):
        if name.rpartition("/")[2].lower() not in FILES:
            continue
        path = PurePosixPath(name)
        try:
            text = raw.get(number)
            assert isinstance(text, bytes)
            here = read_annotations(text, path.name.lower())
        except (OSError, DataError):
            continue  # a file of this name with another content; it is listed as no image
        every |= {str(path.parent / one): annotation for one, annotation in here.items()}
    return "the file of labels beside them", every


def _annotated(found: Sequence[Annotation | None], images: Sequence[bool], splits: Meaning, where: str) -> Meaning:
    """The labels and splits of a file; its splits go before those of folders."""
    texts = [None if one is None else one.label for one in found]
    names = {text for text, is_image in zip(texts, images, strict=True) if text is not None and is_image}
    classes = tuple(sorted(names, key=(lambda name: (int(name), name)) if all(map(str.isdecimal, names)) else None))
    left_out = dict(splits.left_out)
    own = splits.own
    if any(one is not None and one.split is not None for one in found):
        own = np.array([TRAIN if one is None or one.split is None else one.split for one in found], np.int8)
        left_out = {}
    labels = None
    notes = [*splits.notes]
    if classes:
        numbers = {name: number for number, name in enumerate(classes)}
        labels = np.array([numbers.get(text or "", 0) for text in texts], np.int64)
        unlabelled = [i for i, text in enumerate(texts) if text not in numbers and images[i]]
        left_out |= dict.fromkeys(unlabelled, f"{LEFT_OUT}without a label in {where}")
        notes.append(f"class labels taken from {where}")
    return Meaning(labels, classes, own, tuple(notes), left_out, splits.tree)


def _at(values: NDArray[Any] | None, numbers: Sequence[int]) -> NDArray[Any] | None:
    return None if values is None else values[numbers]


def _occurring(meaning: Meaning, good: Sequence[int]) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """The labels of the readable pictures, and the classes that they have."""
    if meaning.labels is None:
        return None, ()
    numbers, labels = np.unique(meaning.labels[good], return_inverse=True)
    return labels.astype(np.int64), tuple(meaning.classes[number] for number in numbers)


def _notes_on_pixels(done: _Converted, options: PrepareOptions) -> Iterator[str]:
    """What people should know about the sizes and values of the pictures."""
    facts, form = done.facts, done.converter.form
    size_note = facts.note_on_size(options)
    if size_note:
        yield size_note
    if done.converter.resizes and options.resample == "auto":
        yield f"resized as {'pixel art' if done.converter.pixel_art else 'photographs (antialiased)'}"
    if facts.animated:
        yield f"{facts.animated} files hold several frames: the first is used"
    if form.largest not in (None, 255, 65535):
        yield f"values of more than 8 bits: {form.largest} is white"
    if form.binary:
        yield "values 0 and 1: 1 is white"
    if done.darkest == done.brightest:
        yield f"every pixel of every image is {done.brightest}"
    elif done.brightest < DARK:
        yield f"the images are dark: their brightest pixel is {done.brightest} of 255"


def _notes_on_classes(
    labels: NDArray[np.int64] | None, classes: tuple[str, ...], splits: NDArray[np.int8]
) -> Iterator[str]:
    """The classes that have no training image, and the smallest one where it is very small."""
    if labels is None:
        return
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
