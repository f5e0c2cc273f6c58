"""The pictures of a source as pixels of one size, each read once."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from gentool.data.conform import conform, with_channels
from gentool.data.decode import Picture, Unreadable, pillow_warnings
from gentool.data.folders import content_of
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Pixels, Raw
from gentool.data.survey import (
    LARGE,
    Facts,
    Form,
    Progress,
    Sample,
    Survey,
    Unexpected,
    cores,
    facts_of,
    in_chunks,
    read,
    widened,
)
from gentool.data.workers import Workers

MANY = 20_000
"""From this number of small picture files on, processes read them. Starting them takes as long as reading thousands."""

Get = Callable[[], bytes | Pixels | Picture]


@dataclass(frozen=True)
class Converter:
    """Turns pictures into their prepared pixels (C, H, W)."""

    options: PrepareOptions
    form: Form
    pixel_art: bool

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the prepared images."""
        return self.form.size(self.options)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the prepared images."""
        width, height = self.size
        return self.form.channels, height, width

    @cached_property
    def resizes(self) -> bool:
        """Whether not all pictures have the size of the prepared images."""
        return self.form.native != self.size

    @cached_property
    def enough(self) -> int | None:
        """The sides that a picture needs for a good image of the prepared size."""
        return 2 * max(self.size) if self.resizes else None

    def __call__(self, picture: Picture) -> Pixels:
        """The prepared pixels. Raises Unexpected for a picture that does not fit the form."""
        form = widened(self.form, picture, self.options)
        if form is not self.form:
            raise Unexpected(form)
        options, pixels = self.options, picture.pixels
        if form.binary:
            pixels = _as_bright_as_can_be(pixels)
        pixels = with_channels(pixels, form.channels)
        background = options.background_colour
        pixels = conform(pixels, self.size, options.crop, options.resample, background, self.resizes and self.pixel_art)
        return pixels.transpose(2, 0, 1)


def _as_bright_as_can_be(pixels: Pixels) -> Pixels:
    """Pixels (H, W, C) whose colours are 0 and 1, with 1 as white: 255, or the alpha of premultiplied RGBA."""
    if pixels.shape[2] < 4:
        return pixels * np.uint8(255)
    return np.concatenate([pixels[..., :3] * pixels[..., 3:], pixels[..., 3:]], axis=2)


@dataclass
class Part:
    """What reading some pictures gave, by their numbers.

    `bad` has the reasons for those that cannot be read, `digests` of the prepared pixels all others. `darkest` and
    `brightest` are of all pixels, without an alpha channel.
    """

    digests: dict[int, bytes] = field(default_factory=dict)
    facts: Counter[Facts] = field(default_factory=Counter)
    bad: dict[int, str] = field(default_factory=dict)
    darkest: int = 255
    brightest: int = 0

    def add(self, other: "Part") -> None:
        """Take in what reading others gave."""
        self.digests |= other.digests
        self.facts.update(other.facts)
        self.bad |= other.bad
        self.darkest, self.brightest = min(self.darkest, other.darkest), max(self.brightest, other.brightest)


def convert(converter: Converter, pictures: Iterable[tuple[int, Get]], rows: Iterable[Pixels]) -> Part:
    """Read and convert pictures, given by number, each into its row. Raises Unexpected."""
    done = Part()
    for (number, get), row in zip(pictures, rows, strict=False):
        try:
            content = get()
            if not isinstance(content, Picture):
                content = read(content, converter.options, enough=converter.enough, largest=converter.form.largest)
            row[:] = converter(content)
        except OSError as error:
            done.bad[number] = f"cannot be read: {error.strerror or error}"
            continue
        except Unreadable as error:
            done.bad[number] = str(error)
            continue
        done.digests[number] = hashlib.blake2b(row.data, digest_size=16).digest()
        done.facts[facts_of(content)] += 1
        colours = row[:3]
        if done.darkest:
            done.darkest = min(done.darkest, int(colours.min()))
        if done.brightest < 255:
            done.brightest = max(done.brightest, int(colours.max()))
    return done


def convert_files(converter: Converter, numbers: Sequence[int], paths: Sequence[str]) -> tuple[Part, Pixels] | Form:
    """Picture files: their part and pixels (N, C, H, W), or the form that one of them needs; for a process."""
    images = np.empty((len(paths), *converter.shape), np.uint8)
    pictures = [(number, partial(content_of, path)) for number, path in zip(numbers, paths, strict=True)]
    try:
        with pillow_warnings():
            return convert(converter, pictures, images), images
    except Unexpected as other:
        return other.form


@dataclass(frozen=True)
class Again:
    """The rows of a source of pixels, uint8 (source count, C, H, W), converted whenever they are asked for.

    Reading pixels twice takes less than a second copy of a large set on the disk.
    """

    raw: Raw
    converter: Converter

    @property
    def shape(self) -> tuple[int, ...]:
        """(source count, C, H, W)."""
        return self.raw.count, *self.converter.shape

    def __getitem__(self, numbers: NDArray[np.int64]) -> Pixels:
        """The rows of these numbers, (n, C, H, W)."""
        rows = np.empty((len(numbers), *self.converter.shape), np.uint8)
        for row, number in zip(rows, numbers.tolist(), strict=True):
            row[:] = self.converter(read(self.raw.get(number), self.converter.options))
        return rows


@dataclass(frozen=True)
class Converted:
    """All pictures of a source: `images` uint8 (source count, C, H, W) unless only checked, and what was found."""

    images: Pixels | Again | None
    part: Part
    converter: Converter
    survey: Survey


def convert_all(
    raw: Raw,
    options: PrepareOptions,
    left_out: Mapping[int, str],
    scratch: Callable[[tuple[int, ...]], Pixels | None] | None,
    on_progress: Progress,
) -> Converted:
    """Every picture of a source, read once. Where one is not like the sample led to expect, from the start again.

    `scratch` gives the array to keep them in, or None where they are to be converted again; without it, they are only
    checked.
    """
    used = [i for i in range(raw.count) if i not in left_out]
    sample = Sample.of(raw, options, used)
    form = sample.form or Form(None, options.channels or 1)
    with ExitStack() as stack:
        workers = None
        if raw.files and len(used) >= MANY and sample.pixels <= LARGE and cores() > 1:
            workers = stack.enter_context(Workers(cores()))
        while True:
            converter = Converter(options, form, options.resample == "auto" and sample.pixel_art)
            images = scratch((raw.count, *converter.shape)) if scratch else None
            try:
                part = _convert(raw, converter, used, images, on_progress, sample, workers)
            except Unexpected as other:
                form = other.form
                continue
            if part.brightest != 1 or form.binary:
                rows = Again(raw, converter) if scratch and images is None else images
                return Converted(rows, part, converter, Survey.of(part.facts, {**left_out, **part.bad}))
            form = replace(form, binary=True)


def _convert(
    raw: Raw,
    converter: Converter,
    used: Sequence[int],
    images: Pixels | None,
    on_progress: Progress,
    sample: Sample,
    workers: Workers | None,
) -> Part:
    """The pictures `used` of a source, in processes, threads or one after the other; their rows go to `images`."""

    def get(number: int) -> Get:
        kept = sample.kept.get(number)
        # A JPEG of twice the size that is enough is decoded at less than its full size.
        if kept is None or (converter.enough and min(kept.width, kept.height) >= 2 * converter.enough):
            return partial(raw.get, number)
        return lambda: kept

    def here(numbers: Sequence[int]) -> Part:
        if images is None:
            rows: Iterable[Pixels] = repeat(np.empty(converter.shape, np.uint8))
        else:
            rows = (images[number] for number in numbers)
        return convert(converter, ((number, get(number)) for number in numbers), rows)

    def there(numbers: Sequence[int]) -> Part:
        assert workers is not None
        result = workers(convert_files, converter, numbers, [raw.files[number] for number in numbers])
        if isinstance(result, Form):
            raise Unexpected(result)
        part, pixels = result
        if images is not None:
            images[list(numbers)] = pixels
        return part

    whole = Part()
    for part in in_chunks(
        used, there if workers else here, on_progress, threaded=bool(workers) or sample.pixels > LARGE
    ):
        whole.add(part)
    return whole
