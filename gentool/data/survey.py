"""Read the headers of a source's files: their sizes and modes, and which files cannot be used."""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from gentool.data.decode import PictureInfo, Unreadable, picture_info
from gentool.data.prepare import DEFAULT_SIDE, LARGEST, SMALLEST, PrepareOptions
from gentool.data.raw import Raw, Skipped

Progress = Callable[[int, int], None]
"""(done, total) of the passes over a source."""
_CHUNK = 64


def silent(done: int, total: int) -> None:
    """For callers that show no progress."""


def in_chunks(count: int, work: Callable[[range], None], on_progress: Progress, done: int, total: int) -> None:
    """`work` on consecutive ranges of 0..count in threads: Pillow decodes and resizes outside Python's lock."""
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    with ThreadPoolExecutor(max_workers=min(32, os.cpu_count() or 1)) as pool:
        try:
            for chunk, _ in zip(chunks, pool.map(work, chunks), strict=True):
                done += len(chunk)
                on_progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@dataclass
class Survey:
    """Counts of readable pictures by size (width, height) and mode; `bad` is the reason by number of the others."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    grey: bool = True
    animated: int = 0
    turned: int = 0
    bad: dict[int, str] = field(default_factory=dict)

    def skipped(self, raw: Raw) -> list[Skipped]:
        """Everything in the source that is not used, each with its reason."""
        return [*raw.skipped, *(Skipped(raw.name(i), reason) for i, reason in sorted(self.bad.items()))]

    def nothing_readable(self, raw: Raw) -> str:
        """The message when no picture is left."""
        skipped = self.skipped(raw)
        if not skipped:
            return f"{raw.kind}: empty; expected images in it"
        examples = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:3])
        return f"{raw.kind}: none of {len(skipped)} files is a readable image ({examples})"

    def target_size(self, options: PrepareOptions, notes: list[str]) -> tuple[int, int]:
        """Width and height of the prepared images, with a note when they were not given and had to be chosen."""
        if options.size is not None:
            return options.size
        if len(self.sizes) == 1:
            (size,) = self.sizes
            if min(size) >= SMALLEST and max(size) <= LARGEST:
                return size
            why = f"the images are {size[0]}x{size[1]}, sides must be {SMALLEST} to {LARGEST}"
        else:
            why = f"the images have {len(self.sizes)} different sizes"
        notes.append(f"{why}: prepared at {DEFAULT_SIDE}x{DEFAULT_SIDE}; --size chooses another")
        return DEFAULT_SIDE, DEFAULT_SIDE


def survey(raw: Raw, on_progress: Progress) -> Survey:
    """Read every header."""
    result = Survey()
    if raw.uniform is not None:
        height, width, channels = raw.uniform
        result.sizes[width, height] = raw.count
        result.modes["L" if channels == 1 else "RGB"] = raw.count
        result.grey = channels == 1
        return result
    headers: list[PictureInfo | str] = [""] * raw.count

    def work(chunk: range) -> None:
        for i in chunk:
            try:
                content = raw.get(i)
                assert isinstance(content, bytes)
                headers[i] = picture_info(content)
            except OSError as error:
                headers[i] = f"cannot be read: {error.strerror or error}"
            except Unreadable as error:
                headers[i] = str(error)

    in_chunks(raw.count, work, on_progress, 0, 2 * raw.count)
    for i, facts in enumerate(headers):
        if isinstance(facts, str):
            result.bad[i] = facts
            continue
        result.sizes[facts.width, facts.height] += 1
        result.modes[facts.mode] += 1
        result.grey &= facts.grey
        result.animated += facts.animated
        result.turned += facts.turned
    return result
