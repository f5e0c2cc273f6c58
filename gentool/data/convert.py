"""The pictures of a source as pixels of one size, each read once."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gentool.data.conform import conform, with_channels
from gentool.data.decode import Picture, Unreadable
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Pixels, Raw
from gentool.data.survey import (
    LARGE,
    Form,
    Progress,
    Sample,
    Survey,
    Unexpected,
    in_chunks,
    read,
    widened,
)


class Converter:
    """Turns picture i of a source into its prepared pixels (C, H, W)."""

    def __init__(self, raw: Raw, options: PrepareOptions, form: Form, sample: Sample) -> None:
        self.raw, self.options, self.form, self.kept = raw, options, form, sample.kept
        self.size = form.size(options)
        self.background = options.background_colour
        self.resizes = form.native != self.size
        self.pixel_art = self.resizes and options.resample == "auto" and sample.pixel_art

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the prepared images."""
        return self.form.channels, self.size[1], self.size[0]

    def read(self, i: int) -> Picture:
        """The picture at its own size. Raises OSError, Unreadable; Unexpected where it does not fit the form."""
        enough = 2 * max(self.size) if self.resizes else None
        picture = self.kept.get(i)
        # A JPEG of twice the size that is enough is decoded at less than its full size.
        if picture is None or (enough and min(picture.width, picture.height) >= 2 * enough):
            picture = read(self.raw, self.options, i, enough=enough, largest=self.form.largest)
        form = widened(self.form, picture, self.options)
        if form != self.form:
            raise Unexpected(form)
        return picture

    def convert(self, picture: Picture) -> Pixels:
        """The prepared pixels."""
        options, pixels = self.options, picture.pixels
        if self.form.binary:
            pixels = _as_bright_as_can_be(pixels)
        pixels = with_channels(pixels, self.form.channels)
        pixels = conform(pixels, self.size, options.crop, options.resample, self.background, self.pixel_art)
        return pixels.transpose(2, 0, 1)


def _as_bright_as_can_be(pixels: Pixels) -> Pixels:
    """Pixels (H, W, C) whose colours are 0 and 1, with 1 as white: 255, or the alpha of premultiplied RGBA."""
    if pixels.shape[2] < 4:
        return pixels * np.uint8(255)
    return np.concatenate([pixels[..., :3] * pixels[..., 3:], pixels[..., 3:]], axis=2)


@dataclass
class Converted:
    """What one pass over a source gave.

    A picture that cannot be read has an empty digest, and a reason in `facts`. `darkest` and `brightest` are of all
    pixels, without an alpha channel.
    """

    images: Pixels | None
    digests: list[bytes]
    facts: Survey
    darkest: int
    brightest: int
    converter: Converter


def convert_all(
    raw: Raw,
    options: PrepareOptions,
    left_out: Mapping[int, str],
    scratch: Callable[[tuple[int, ...]], Pixels] | None,
    on_progress: Progress,
) -> Converted:
    """Every picture of a source, read once. Where one is not like the sample led to expect, from the start again."""
    sample = Sample.of(raw, options, [i for i in range(raw.count) if i not in left_out])
    form = sample.form or Form(None, options.channels or 1)
    while True:
        try:
            result = _convert(
                raw, Converter(raw, options, form, sample), left_out, scratch, on_progress, sample.pixels > LARGE
            )
        except Unexpected as other:
            form = other.form
            continue
        if result.brightest != 1 or form.binary:
            return result
        form = replace(form, binary=True)


def _convert(
    raw: Raw,
    converter: Converter,
    left_out: Mapping[int, str],
    scratch: Callable[[tuple[int, ...]], Pixels] | None,
    on_progress: Progress,
    threaded: bool,
) -> Converted:
    images = scratch((raw.count, *converter.shape)) if scratch else None
    digests = [b""] * raw.count
    details: list[Any] = [None] * raw.count
    bad = dict(left_out)

    def work(chunk: range) -> tuple[int, int]:
        darkest, brightest = 255, 0
        space = np.empty(converter.shape, np.uint8)
        for i in chunk:
            if i in left_out:
                continue
            try:
                picture = converter.read(i)
                pixels = converter.convert(picture)
            except OSError as error:
                bad[i] = f"cannot be read: {error.strerror or error}"
                continue
            except Unreadable as error:
                bad[i] = str(error)
                continue
            row = space if images is None else images[i]
            row[:] = pixels
            digests[i] = hashlib.blake2b(row.data, digest_size=16).digest()
            details[i] = (
                picture.width, picture.height, picture.mode, picture.animated, picture.turned, picture.transparent
            )  # fmt: skip
            colours = row[:3]
            if darkest:
                darkest = min(darkest, int(colours.min()))
            if brightest < 255:
                brightest = max(brightest, int(colours.max()))
        return darkest, brightest

    ranges = in_chunks(raw.count, work, on_progress, threaded=threaded)
    facts = Survey(bad=bad)
    for one in details:
        if one is not None:
            facts.add(one)
    darkest, brightest = min(low for low, _ in ranges), max(high for _, high in ranges)
    return Converted(images, digests, facts, darkest, brightest, converter)
