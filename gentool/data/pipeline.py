"""From the pictures of a source to the rows of a prepared set: survey, convert, find copies, split."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.data.conform import conform, is_pixel_art, with_channels
from gentool.data.decode import Unreadable, decode, pillow_warnings
from gentool.data.folders import Meaning, meaning_of_folders
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import SPLITS, TEST, Pixels, Raw
from gentool.data.splits import DROPPED, Groups, assign, group
from gentool.data.survey import Progress, Survey, in_chunks, silent, survey
from gentool.errors import DataError, OptionError

DEFAULT_TEST = 0.1
_LISTED = 100
_SAMPLED = 64


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
    """Turns picture i of a source into its prepared pixels (H, W, C)."""

    def __init__(self, raw: Raw, options: PrepareOptions, facts: Survey, notes: list[str]) -> None:
        self.raw, self.options = raw, options
        self.size = facts.target_size(options, notes)
        self.channels = options.channels or (1 if facts.grey else 3)
        self.background = options.background_colour
        self.pixel_art = False
        if options.resample == "auto" and set(facts.sizes) != {self.size}:
            self.pixel_art = self._looks_like_pixel_art(facts)
            notes.append(f"resized as {'pixel art' if self.pixel_art else 'photographs (antialiased)'}")

    def native(self, i: int) -> Pixels:
        """The pixels at their own size. Raises OSError or Unreadable."""
        content = self.raw.get(i)
        if isinstance(content, bytes):
            enough = 2 * max(self.size)
            return decode(content, self.background, grey=self.channels == 1, enough=enough)
        return with_channels(content, self.channels)

    def __call__(self, i: int) -> Pixels:
        """The prepared pixels. Raises OSError or Unreadable."""
        options = self.options
        return conform(self.native(i), self.size, options.crop, options.resample, self.background, self.pixel_art)

    def _looks_like_pixel_art(self, facts: Survey) -> bool:
        """Whether nine in ten images have few colours, judged by a sample."""
        good = [i for i in range(self.raw.count) if i not in facts.bad]
        verdicts = []
        for i in good[:: max(1, len(good) // _SAMPLED)]:
            try:
                verdicts.append(is_pixel_art(self.native(i)))
            except (OSError, Unreadable):
                continue
        return bool(verdicts) and sum(verdicts) >= 0.9 * len(verdicts)


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
    with pillow_warnings():
        facts = survey(raw, on_progress)
        if len(facts.bad) == raw.count:
            raise DataError(facts.nothing_readable(raw))
        convert = _Converter(raw, options, facts, notes)
        shape = convert.channels, convert.size[1], convert.size[0]
        images = scratch((raw.count, *shape)) if scratch else None
        digests = [b""] * raw.count

        def work(chunk: range) -> None:
            for i in chunk:
                if i in facts.bad:
                    continue
                try:
                    pixels = np.ascontiguousarray(convert(i).transpose(2, 0, 1))
                except (OSError, Unreadable) as error:
                    facts.bad[i] = str(error)
                    continue
                digests[i] = hashlib.blake2b(pixels.data, digest_size=16).digest()
                if images is not None:
                    images[i] = pixels

        passes = 1 if raw.uniform else 2
        in_chunks(raw.count, work, on_progress, (passes - 1) * raw.count, passes * raw.count)
    good = [i for i in range(raw.count) if digests[i]]
    if not good:
        raise DataError(facts.nothing_readable(raw))
    meaning = meaning_of_folders([raw.name(i) for i in good]) if raw.folders else _stated(raw, good)
    notes += meaning.notes
    if facts.animated:
        notes.append(f"{facts.animated} files hold several frames: the first is used")
    own_test = meaning.own is not None and bool((meaning.own == TEST).any())
    if own_test and options.test is not None:
        raise OptionError("--test: this data set has test images of its own; leave the option out")
    groups = group([digests[i] for i in good])
    test = DEFAULT_TEST if options.test is None else options.test
    splits = assign(groups, meaning.own, options.validation, test, options.split_seed, options.dedupe)
    info = {
        "found": {
            "kind": raw.kind,
            "readable": len(good),
            "sizes": {f"{w}x{h}": n for (w, h), n in facts.sizes.most_common(_LISTED)},
            "modes": dict(facts.modes.most_common()),
            "several_frames": facts.animated,
            "turned_by_exif": facts.turned,
            "ignored": raw.ignored,
        },
        "own_test": own_test,
        "pixel_art": convert.pixel_art,
        "skipped": [{"name": one.name, "reason": one.reason} for one in facts.skipped(raw)],
        "duplicates": _duplicates(raw, groups, good, splits, meaning.labels),
        "notes": notes,
    }
    return Rows(images, np.array(good, np.int64), splits, meaning.labels, meaning.classes, info, shape)


def _stated(raw: Raw, good: Sequence[int]) -> Meaning:
    """The labels and splits that the source itself states, of the readable pictures."""
    labels = None if raw.labels is None else raw.labels[good]
    return Meaning(labels, raw.classes, None if raw.own is None else raw.own[good], ())


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
