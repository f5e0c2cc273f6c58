"""From the word after `--data` to images in memory: a named set, a prepared folder, or a raw source.

Named sets and raw sources are prepared into the cache, and found there again while files and options are unchanged.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gentool import __version__
from gentool.data import cache
from gentool.data.catalog import CATALOG, Entry
from gentool.data.detect import read_path
from gentool.data.images import ImageData
from gentool.data.pipeline import prepare_rows
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw
from gentool.data.store import open_prepared, scratch_in, write
from gentool.data.survey import Progress, silent
from gentool.data.target import building, is_prepared, replaceable
from gentool.errors import DataError, OptionError
from gentool.options import flag, suggestion

Notice = Callable[[str], None]
_DEFAULTS = PrepareOptions()


def to_stderr(text: str) -> None:
    """The notice of callers that name none."""
    print(text, file=sys.stderr)


@dataclass(frozen=True)
class Wanted:
    """A set that is to be prepared: its name, its options with nothing left open, and how to read its source."""

    name: str
    options: PrepareOptions
    read: Callable[[], Raw]
    stamp: str
    entry: Entry | None
    source: str


def load(
    data: str,
    options: PrepareOptions = _DEFAULTS,
    *,
    on_progress: Progress | None = None,
    notice: Notice = to_stderr,
) -> ImageData:
    """The images of a named set, a prepared folder or a raw source. Raises DataError, or OptionError for `options`."""
    folder = Path(data).expanduser()
    if data not in CATALOG and is_prepared(folder):
        if options.changed():
            flags = ", ".join(map(flag, options.changed()))
            raise OptionError(f"{flags}: {data} is already prepared; give these to `gentool prepare` with its source")
        return open_prepared(folder)
    wanted = find(data, options)
    found = _cached(wanted, notice)
    if found is not None:
        return found
    target = cache.prepared_folder(wanted.name, wanted.options, wanted.stamp)
    if wanted.entry is not None and folder.exists():
        notice(f"{data} is the named data set; for the file or folder of this name give {Path('.') / data}")
    if wanted.options.source != options.source:
        notice(f"{data}: from {wanted.options.source}, as given before")
    prepared = prepare_into(target, wanted, on_progress=on_progress or silent, notice=notice)
    _remember(wanted, target)
    return prepared


def prepare_to(
    data: str,
    options: PrepareOptions,
    out: Path | None,
    *,
    overwrite: bool = False,
    on_progress: Progress | None = None,
    notice: Notice = to_stderr,
) -> ImageData:
    """Prepare into the folder `out`, or anew into the cache. Raises DataError, OptionError.

    A prepared folder at `out` is only replaced with `overwrite`, anything else never.
    """
    wanted = find(data, options)
    target = out or cache.prepared_folder(wanted.name, wanted.options, wanted.stamp)
    if out is not None and out.exists() and replaceable(out) and any(out.iterdir()) and not overwrite:
        raise OptionError(f"--out {out}: holds a prepared set; give --overwrite to replace it, or another folder")
    prepared = prepare_into(target, wanted, overwrite=True, on_progress=on_progress or silent, notice=notice)
    if out is None:
        _remember(wanted, target)
    return prepared


def find(data: str, options: PrepareOptions) -> Wanted:
    """What `data` and `options` ask to be prepared. Raises DataError when there is no such source."""
    entry = CATALOG.get(data)
    if entry is None:
        return _from_path(data, options)
    resolved = options.with_defaults(entry.defaults)
    if resolved.source is None and entry.origin in ("fetched", "given"):
        resolved = resolved.with_defaults({"source": cache.known_source(entry.name)})
    source = resolved.source
    if source is not None and not source.exists():
        raise DataError(f"--source {source}: no such file or folder")
    stamp = cache.stamp(source) if source is not None else ""
    downloads = cache.downloads_folder(entry.name)
    where = str(source.resolve()) if source is not None else entry.origin
    return Wanted(entry.name, resolved, lambda: entry.read(resolved, downloads), stamp, entry, where)


def _from_path(data: str, options: PrepareOptions) -> Wanted:
    path = Path(data).expanduser()
    if not path.exists():
        if path.name == data and not path.suffix:
            raise DataError(
                f"{data!r} is neither a data set nor a file or folder.{suggestion(data.lower(), CATALOG)} "
                "`gentool prepare --list` shows the data sets"
            )
        raise DataError(f"{data}: no such file or folder")
    if options.source is not None:
        raise OptionError("--source goes with a named data set; a path needs none")
    if is_prepared(path):
        raise DataError(f"{data}: already a prepared folder; prepare from its source instead")
    name = path.resolve().name.split(".")[0] or "images"
    return Wanted(name, options, lambda: read_path(path, options), cache.stamp(path), None, str(path.resolve()))


def _cached(wanted: Wanted, notice: Notice) -> ImageData | None:
    """The set from the cache: of the same source and options, or, where the source is not at hand, of these options."""
    found = _whole(cache.prepared_folder(wanted.name, wanted.options, wanted.stamp), notice)
    if found is not None:
        _remember(wanted, found.folder)
    elif wanted.options.source is None and wanted.entry is not None:
        noted = cache.known_folder(wanted.name, wanted.options)
        found = None if noted is None else _whole(noted, notice)
    return found


def _remember(wanted: Wanted, folder: Path | None) -> None:
    """Let the set be found by its name alone; not where another source would hide what is built in."""
    entry = wanted.entry
    if folder is not None and entry and (entry.origin in ("fetched", "given") or wanted.options.source is None):
        cache.remember(wanted.name, wanted.options, folder)


def _whole(folder: Path, notice: Notice) -> ImageData | None:
    """A prepared folder in the cache; None when it is not there, or was damaged and is now removed."""
    if not folder.is_dir():
        return None
    try:
        return open_prepared(folder)
    except DataError as error:
        notice(f"{error}: doing so now")
        shutil.rmtree(folder, ignore_errors=True)
        return None


def prepare_into(
    target: Path, wanted: Wanted, *, overwrite: bool = False, on_progress: Progress = silent, notice: Notice = to_stderr
) -> ImageData:
    """Prepare a set into the folder `target`. Raises DataError, OptionError."""
    raw = wanted.read()
    try:
        with building(target, overwrite) as folder:
            rows = prepare_rows(raw, wanted.options, scratch=scratch_in(folder), on_progress=on_progress)
            write(folder, rows, raw, description(wanted))
            summary = rows.info
            del rows  # a scratch file must be closed before Windows lets it be removed
    finally:
        raw.close()
    for line in remarks(summary):
        notice(line)
    return open_prepared(target)


def examine(wanted: Wanted, on_progress: Progress = silent) -> dict[str, Any]:
    """What preparing would give, as in dataset.json, with nothing written but what a named set needs to fetch."""
    raw = wanted.read()
    try:
        rows = prepare_rows(raw, wanted.options, scratch=None, on_progress=on_progress)
    finally:
        raw.close()
    return {**description(wanted), **rows.facts(), **rows.info}


def description(wanted: Wanted) -> dict[str, Any]:
    """The part of dataset.json that is known before anything is read."""
    return {
        "name": wanted.name,
        "gentool": __version__,
        "source": {"path": wanted.source, "stamp": wanted.stamp},
        "options": {name: value for name, value in wanted.options.to_json().items() if name != "source"},
        "licence": wanted.entry.licence if wanted.entry else None,
        "photographic": wanted.entry is not None and wanted.entry.photographic,
    }


def remarks(info: Mapping[str, Any], listed: str = "in dataset.json") -> list[str]:
    """What a preparation has to say beyond its counts, in lines for people; the skipped files are `listed` there."""
    lines = list(info["notes"])
    reasons = Counter(skipped["reason"] for skipped in info["skipped"])
    if reasons:
        told = "; ".join(f"{number} {reason}" for reason, number in reasons.most_common(5))
        more = "" if len(reasons) <= 5 else "; …"
        lines.append(f"skipped {len(info['skipped'])} files ({told}{more}); each is listed {listed}")
    copies = info["duplicates"]
    if copies["copies"]:
        done = "dropped" if copies["dropped"] else "kept, always in the same split; --dedupe drops them"
        lines.append(f"{copies['copies']} images are exact copies of another one ({done})")
    if copies["across_own_splits"]:
        lines.append(f"{copies['across_own_splits']} test images are also among the training images, as in the source")
    if copies["with_different_labels"]:
        lines.append(f"{copies['with_different_labels']} groups of copies have different labels")
    return lines
