"""From the pictures of a source to the rows of a prepared set: survey, convert, find copies, split."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.data.conform import conform, is_pixel_art, with_channels
from gentool.data.decode import Header, Unreadable, decode, header, pillow_warnings
from gentool.data.folders import Meaning, meaning_of_folders
from gentool.data.prepare import DEFAULT_SIDE, LARGEST, SMALLEST, PrepareOptions, image_size
from gentool.data.raw import SPLITS, TEST, Pixels, Raw, Skipped
from gentool.data.splits import DROPPED, Groups, assign, group
from gentool.errors import DataError, OptionError

Progress = Callable[[int, int], None]
IN_MEMORY = 2**30
_CHUNK = 64
_LISTED = 100


def silent(done: int, total: int) -> None:
    """For callers that show no progress."""


@dataclass
class Survey:
    """What the headers say: how many pictures of each size and mode, and which cannot be used."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    grey: bool = True
    animated: int = 0
    turned: int = 0
    bad: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """The prepared images in source order, and where each belongs; `kept` are their positions in the source.

    `images` is None when they were only checked.
    """

    images: Pixels | None
    kept: NDArray[np.int64]
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


def _in_chunks(count: int, work: Callable[[range], None], on_progress: Progress, done: int, total: int) -> None:
    """`work` on consecutive ranges in threads. Pillow decodes and resizes outside Python's lock."""
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    with ThreadPoolExecutor(max_workers=min(32, os.cpu_count() or 1)) as pool:
        try:
            for chunk, _ in zip(chunks, pool.map(work, chunks), strict=True):
                done += len(chunk)
                on_progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def survey(raw: Raw, on_progress: Progress) -> Survey:
    """Read every header."""
    found = Survey()
    if raw.uniform is not None:
        height, width, channels = raw.uniform
        found.sizes[width, height] = raw.count
        found.modes["L" if channels == 1 else "RGB"] = raw.count
        found.grey = channels == 1
        return found
    headers: list[Header | str] = [""] * raw.count

    def work(chunk: range) -> None:
        for i in chunk:
            try:
                content = raw.get(i)
                assert isinstance(content, bytes)
                headers[i] = header(content)
            except (OSError, Unreadable) as error:
                headers[i] = str(error)

    _in_chunks(raw.count, work, on_progress, 0, 2 * raw.count)
    for i, facts in enumerate(headers):
        if isinstance(facts, str):
            found.bad[i] = facts
            continue
        found.sizes[facts.width, facts.height] += 1
        found.modes[facts.mode] += 1
        found.grey &= facts.grey
        found.animated += facts.frames > 1
        found.turned += facts.turned
    return found


def _target_size(options: PrepareOptions, found: Survey, notes: list[str]) -> tuple[int, int]:
    """The width and height of the prepared images, with a note when they were not given and had to be chosen."""
    if options.size is not None:
        return image_size(options.size)
    if len(found.sizes) == 1:
        (size,) = found.sizes
        if SMALLEST <= min(size) and max(size) <= LARGEST:
            return size
        why = f"the images are {size[0]}x{size[1]}, sides must be {SMALLEST} to {LARGEST}"
    else:
        why = f"the images have {len(found.sizes)} different sizes"
    notes.append(f"{why}: prepared at {DEFAULT_SIDE}x{DEFAULT_SIDE}; --size chooses another")
    return DEFAULT_SIDE, DEFAULT_SIDE


class _Converter:
    """Turns picture i of a source into its prepared pixels (H, W, C)."""

    def __init__(
        self, raw: Raw, options: PrepareOptions, size: tuple[int, int], channels: int, bad: dict[int, str]
    ) -> None:
        self.raw, self.options, self.size, self.channels, self.bad = raw, options, size, channels, bad
        self.background = options.background_colour
        self.pixel_art = False

    def native(self, i: int) -> Pixels:
        """The pixels at their own size. Raises OSError or Unreadable."""
        content = self.raw.get(i)
        if isinstance(content, bytes):
            enough = 2 * self.size[0], 2 * self.size[1]
            return decode(content, self.background, grey=self.channels == 1, enough=enough)
        return with_channels(content, self.channels)

    def __call__(self, i: int) -> Pixels:
        options = self.options
        return conform(self.native(i), self.size, options.crop, options.resample, self.background, self.pixel_art)

    def look_for_pixel_art(self) -> None:
        """Pixel art is a set in which nine of ten images have few colours; asked of up to 64 of them."""
        good = [i for i in range(self.raw.count) if i not in self.bad]
        verdicts = []
        for i in good[:: max(1, len(good) // 64)]:
            try:
                verdicts.append(is_pixel_art(self.native(i)))
            except (OSError, Unreadable):
                continue
        self.pixel_art = bool(verdicts) and sum(verdicts) >= 0.9 * len(verdicts)


def prepare_rows(
    raw: Raw,
    options: PrepareOptions,
    *,
    scratch: Callable[[tuple[int, ...]], Pixels] | None,
    on_progress: Progress = silent,
) -> Rows:
    """All pictures of a source, prepared and split. `scratch` gives the array to write them to; None: only check.

    Raises DataError when no picture can be read, OptionError for an option that means nothing for this source.
    """
    notes = list(raw.notes)
    with pillow_warnings():
        found = survey(raw, on_progress)
        if len(found.bad) == raw.count:
            raise DataError(_nothing_readable(raw, found))
        width, height = _target_size(options, found, notes)
        channels = options.channels or (1 if found.grey else 3)
        convert = _Converter(raw, options, (width, height), channels, found.bad)
        if options.resample == "auto" and set(found.sizes) != {(width, height)}:
            convert.look_for_pixel_art()
            notes.append(f"resampled as {'pixel art' if convert.pixel_art else 'photographs (antialiased)'}")
        images = scratch((raw.count, channels, height, width)) if scratch else None
        digests = [b""] * raw.count

        def work(chunk: range) -> None:
            for i in chunk:
                if i in found.bad:
                    continue
                try:
                    pixels = np.ascontiguousarray(convert(i).transpose(2, 0, 1))
                except (OSError, Unreadable) as error:
                    found.bad[i] = str(error)
                    continue
                digests[i] = hashlib.blake2b(pixels.data, digest_size=16).digest()
                if images is not None:
                    images[i] = pixels

        passes = 1 if raw.uniform else 2
        _in_chunks(raw.count, work, on_progress, (passes - 1) * raw.count, passes * raw.count)
    good = [i for i in range(raw.count) if i not in found.bad]
    if not good:
        raise DataError(_nothing_readable(raw, found))
    meaning = meaning_of_folders([raw.name(i) for i in good]) if raw.folders else _given(raw, good)
    notes += meaning.notes
    if options.test is not None and meaning.own is not None and (meaning.own == TEST).any():
        raise OptionError("--test: this data set has test images of its own; leave the option out")
    groups = group([digests[i] for i in good])
    test = 0.1 if options.test is None else options.test
    splits = assign(groups, meaning.own, options.validation, test, options.split_seed, options.dedupe)
    kept = np.array(good, np.int64)
    info = {
        "found": {
            "kind": raw.kind,
            "readable": len(good),
            "sizes": {f"{w}x{h}": n for (w, h), n in found.sizes.most_common(_LISTED)},
            "modes": dict(found.modes.most_common()),
            "animated": found.animated,
            "turned": found.turned,
            "ignored": raw.ignored,
        },
        "skipped": [{"name": s.name, "reason": s.reason} for s in _all_skipped(raw, found)],
        "duplicates": _duplicates(raw, groups, good, splits, meaning.labels),
        "own_test": meaning.own is not None and bool((meaning.own == TEST).any()),
        "notes": notes,
    }
    if found.animated:
        notes.append(f"{found.animated} animated: their first frame is used")
    return Rows(images, kept, splits, meaning.labels, meaning.classes, info, (channels, height, width))


def _given(raw: Raw, good: Sequence[int]) -> Meaning:
    """The labels and splits that the source itself states, of the readable pictures."""
    labels = None if raw.labels is None else raw.labels[good]
    return Meaning(labels, raw.classes, None if raw.own is None else raw.own[good], ())


def _all_skipped(raw: Raw, found: Survey) -> list[Skipped]:
    return [*raw.skipped, *(Skipped(raw.name(i), reason) for i, reason in sorted(found.bad.items()))]


def _nothing_readable(raw: Raw, found: Survey) -> str:
    skipped = _all_skipped(raw, found)
    if not skipped:
        return f"{raw.kind}: empty; expected images in it"
    examples = "; ".join(f"{s.name}: {s.reason}" for s in skipped[:3])
    return f"{raw.kind}: none of {len(skipped)} files is a readable image ({examples})"


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


def scratch_in(folder: Path) -> Callable[[tuple[int, ...]], Pixels]:
    """Room for rows: in memory up to 1 GiB, beyond that in a file of the folder."""

    def room(shape: tuple[int, ...]) -> Pixels:
        if np.prod(shape, dtype=np.int64) <= IN_MEMORY:
            return np.empty(shape, np.uint8)
        return np.lib.format.open_memmap(folder / "scratch.npy", mode="w+", dtype=np.uint8, shape=shape)

    return room
