"""What a source's pictures have in common: their size, channels and range, expected from a sample of them."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gentool.data.conform import is_pixel_art
from gentool.data.decode import Picture, Unreadable, read_picture, value_range
from gentool.data.folder_names import role_and_others
from gentool.data.prepare import DEFAULT_SIDE, LARGEST, SMALLEST, PrepareOptions
from gentool.data.raw import TRAIN, Pixels, Raw, Skipped
from gentool.progress import counted

Progress = Callable[[int, int], None]
"""(done, total) of the pictures of a source."""
_CHUNK = 64
_SAMPLED = 64
_KEPT = 2**20
"""Bytes of a picture of the sample that is kept."""
_CONTAINERS = {"npy", "npz", "csv", "zip", "tar", "tgz", "parquet"}
_FOREIGN = {
    "mat": "MATLAB files", "h5": "HDF5", "hdf5": "HDF5", "pkl": "pickles", "pickle": "pickles",
    "arrow": "Arrow files", "tfrecord": "TFRecords", "pt": "PyTorch files", "xlsx": "workbooks",
    "bin": "raw binary files",
}  # fmt: skip
LARGE = 80 * 80
"""Pictures of more pixels are worth a thread per core."""

Result = TypeVar("Result")


def silent(done: int, total: int) -> None:
    """For callers that show no progress."""


def cores() -> int:
    """The threads or processes that read images."""
    return min(32, os.cpu_count() or 1)


def in_chunks(
    numbers: Sequence[int], work: Callable[[Sequence[int]], Result], on_progress: Progress, *, threaded: bool
) -> Iterator[Result]:
    """The results of `work` on parts of `numbers`, in order.

    Pillow decodes and resizes outside Python's lock, but for small pictures threads mostly wait for the lock.
    """
    count = len(numbers)
    chunks = [numbers[start : start + _CHUNK] for start in range(0, count, _CHUNK)]
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        try:
            for done, result in enumerate(pool.map(work, chunks) if threaded else map(work, chunks), start=1):
                yield result
                on_progress(min(count, done * _CHUNK), count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@dataclass(frozen=True)
class Form:
    """What all pictures are expected to be.

    `native` is their size (width, height), None where they differ; `channels` what they are prepared with; `largest`
    the largest value of pictures of more than 8 bits; `binary` whether no value is above 1.
    """

    native: tuple[int, int] | None
    channels: int
    largest: int | None = None
    binary: bool = False

    def size(self, options: PrepareOptions) -> tuple[int, int]:
        """Width and height of the prepared images."""
        if options.size is not None:
            return options.size
        fits = self.native is not None and min(self.native) >= SMALLEST and max(self.native) <= LARGEST
        return self.native if fits and self.native else (DEFAULT_SIDE, DEFAULT_SIDE)


class Unexpected(Exception):
    """A picture that the form does not fit; `form` is one that does."""

    def __init__(self, form: Form) -> None:
        super().__init__("a picture is not like the others")
        self.form = form


def widened(form: Form, picture: Picture, options: PrepareOptions) -> Form:
    """The form that also fits a picture: the same, if it already does.

    The pixels of a coloured picture need three channels, unless `options` say how many there are.
    """
    if form.native is not None and (picture.width, picture.height) != form.native:
        form = replace(form, native=None)
    if form.channels == 1 and options.channels is None and is_coloured(picture):
        form = replace(form, channels=3)
    if picture.largest is not None:
        limit = value_range(picture.largest)
        if limit is not None and limit > (form.largest or 0):
            form = replace(form, largest=limit)
    return form


def is_coloured(picture: Picture) -> bool:
    """Whether any pixel of a picture is not grey."""
    pixels = picture.pixels
    return pixels.shape[2] > 1 and bool((pixels[..., :3] != pixels[..., :1]).any())


@dataclass(frozen=True)
class Sample:
    """About 64 pictures of a source, evenly spread.

    `form` fits all of them, None where none can be read. `pixels` is their mean number of pixels. `pixel_art` says
    whether nine in ten have few colours. `kept` are the smaller ones by number, so that they are not read again.
    """

    form: Form | None
    pixels: float
    pixel_art: bool
    kept: Mapping[int, Picture]

    @classmethod
    def of(cls, raw: Raw, options: PrepareOptions, numbers: Sequence[int]) -> "Sample":
        """A sample of the pictures of these numbers."""
        form = None
        kept = {}
        areas, verdicts = [], []
        for number in numbers[:: max(1, len(numbers) // _SAMPLED)]:
            try:
                picture = read(raw.get(number), options)
            except (OSError, Unreadable):
                continue
            if form is None:
                form = Form((picture.width, picture.height), options.channels or 1)
            form = widened(form, picture, options)
            areas.append(picture.width * picture.height)
            verdicts.append(is_pixel_art(picture.pixels))
            if picture.pixels.size <= _KEPT and picture.largest is None:
                kept[number] = picture
        few_colours = bool(verdicts) and sum(verdicts) >= 0.9 * len(verdicts)
        return cls(form, sum(areas) / max(1, len(areas)), few_colours, kept)


def read(
    content: bytes | Pixels, options: PrepareOptions, *, enough: int | None = None, largest: int | None = None
) -> Picture:
    """The picture that a source gave. Raises Unreadable."""
    if isinstance(content, bytes):
        return read_picture(
            content, options.background_colour, channels=options.channels, enough=enough, largest=largest
        )
    height, width, channels = content.shape
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    transparent = channels == 4 and bool((content[..., 3] < 255).any())
    return Picture(content, width, height, mode, False, False, transparent=transparent)


def hint_for(name: str) -> str:
    """What to do with a file that is no image but holds some, by its name; empty for others.

    >>> hint_for("a/train.csv")
    '; give only train.csv'
    """
    file = name.rpartition("/")[2]
    suffix = file.lower().rpartition(".")[2]
    if suffix in _CONTAINERS or file.lower().endswith((".tar.gz", ".tar.xz")):
        return f"; give only {file}"
    if suffix in _FOREIGN:
        return f"; gentool does not read {_FOREIGN[suffix]}: save the images as .npz with images and labels"
    return "; `gentool prepare cifar10 --source` reads these" if re.fullmatch(r"(data|test)_batch(_\d)?", file) else ""


Facts = tuple[int, int, str, bool, bool, bool]
"""Width, height and mode of a picture, whether it is animated, was turned, and has transparent parts."""


def facts_of(picture: Picture) -> Facts:
    """What is counted of a picture."""
    return picture.width, picture.height, picture.mode, picture.animated, picture.turned, picture.transparent


@dataclass
class Survey:
    """Counts of readable pictures by size (width, height) and mode; `bad` is the reason by number of the others."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    animated: int = 0
    turned: int = 0
    transparent: int = 0
    bad: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Counter[Facts], bad: dict[int, str]) -> "Survey":
        """The counts, from those of whole facts."""
        survey = cls(bad=bad)
        for (width, height, mode, animated, turned, transparent), count in facts.items():
            survey.sizes[width, height] += count
            survey.modes[mode] += count
            survey.animated += animated * count
            survey.turned += turned * count
            survey.transparent += transparent * count
        return survey

    def skipped(self, raw: Raw) -> list[Skipped]:
        """Everything in the source that is not used, each with its reason."""
        return [*raw.skipped, *(Skipped(raw.name(i), reason) for i, reason in sorted(self.bad.items()))]

    def nothing_readable(self, raw: Raw) -> str:
        """The message when no picture is left."""
        skipped, where = self.skipped(raw), raw.where or raw.kind
        if not skipped:
            return f"{where}: an empty {raw.kind}; expected images in it"
        examples = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:3])
        more = "; ..." if len(skipped) > 3 else ""
        likely = sorted(skipped, key=lambda one: role_and_others(one.name.rpartition("/")[2])[0] != TRAIN)
        hint = next((hint for one in likely if (hint := hint_for(one.name))), "")
        if raw.kind.endswith("archive"):
            hint = hint.replace("; give", "; unpack it and give")
        return f"{where}: no readable image among {counted(len(skipped), 'file')} ({examples}{more}){hint}"

    def note_on_size(self, options: PrepareOptions) -> str | None:
        """Why the size of the prepared images had to be chosen, where it had to."""
        if options.size is not None:
            return None
        if len(self.sizes) == 1:
            ((width, height),) = self.sizes
            if min(width, height) >= SMALLEST and max(width, height) <= LARGEST:
                return None
            why = f"the images are {width}x{height}, sides must be {SMALLEST} to {LARGEST}"
        else:
            why = f"the images have {len(self.sizes)} different sizes"
        return f"{why}: prepared at {DEFAULT_SIDE}x{DEFAULT_SIDE}; --size chooses another"
