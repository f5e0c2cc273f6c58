"""From the word after `--data` to images in memory: a named set, a prepared folder, or a raw source.

Named sets and raw sources are prepared into the cache, and found there again while files and options are unchanged.
"""

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentool import __version__
from gentool.data import cache
from gentool.data.arrays import as_pixels, classes_of, labels_of
from gentool.data.catalog import CATALOG, Entry
from gentool.data.detect import read_path
from gentool.data.fetch import Downloads
from gentool.data.images import ImageData
from gentool.data.layout import LEFT_OUT
from gentool.data.pipeline import prepare_rows
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw, from_arrays
from gentool.data.store import in_memory, open_prepared, scratch_in, write
from gentool.data.target import DESCRIPTION, building, is_prepared, replaceable
from gentool.errors import DataError, GentoolError, OptionError
from gentool.options import flag, suggestion
from gentool.progress import SILENT, Reporter, counted

Array: TypeAlias = NDArray[Any] | Tensor | Sequence[Any]
Source: TypeAlias = ImageData | Path | str | Array
"""What functions take as `data`: images that are loaded, or what `load_data` reads."""


OF_EVERY_COMMAND = ("source", "tile", "size", "label")
"""Options of a preparation that every command with --data has."""


@dataclass(frozen=True)
class Request:
    """A set that is to be prepared: its name, its options with nothing left open, and how to read its source."""

    name: str
    options: PrepareOptions
    read: Callable[[Reporter], Raw]
    stamp: str
    entry: Entry | None
    source: str


def load_data(
    data: str | Path | Array,
    options: PrepareOptions | None = None,
    *,
    labels: Array | Path | str | None = None,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> ImageData:
    """The images of a named data set, of a prepared folder, of a file or folder of images, or of an array.

    Images are prepared as `gentool prepare` does: brought to one size, split into training, validation and test images.
    Everything but an array is kept in the cache, where it is found again.

    Args:
        data: A name (see `gentool prepare --list`), a path, or an array (N, H, W), (N, H, W, C) or (N, C, H, W) of
            uint8, or of floats in [0, 1].
        options: How to prepare the images; or give the fields of `PrepareOptions` as `settings`, such as `size=32`.
        labels: The classes (N,) of the images of an array: numbers, names, or one-hot rows (N, K). For image files, a
            CSV or JSON-lines file with their labels.

    Raises DataError for images that cannot be read, OptionError for options that do not fit them.
    """
    of_files = isinstance(data, str | Path)
    if labels is not None and of_files != isinstance(labels, str | Path):
        raise OptionError("labels: an array for an array of images, a file of labels for image files")
    if isinstance(labels, str | Path):
        settings["labels"], labels = Path(labels).expanduser(), None
    options = PrepareOptions.resolve(options, settings)
    if not isinstance(data, str | Path):
        if not isinstance(data, np.ndarray | Tensor | list | tuple):
            raise DataError(f"expected a name, a path or an array of images, got {type(data).__name__}")
        return _from_array(data, labels, options, reporter)
    data = str(data)
    if not data:
        raise DataError("which data? Give a name from `gentool prepare --list`, or a path; `.` is the current folder")
    folder = Path(data).expanduser()
    if data not in CATALOG and is_prepared(folder):
        if options.changed():
            flags = ", ".join(map(flag, options.changed()))
            raise OptionError(f"{flags}: {data} is already prepared; give these to `gentool prepare` with its source")
        return open_prepared(folder)
    request = find(data, options)
    cached = _cached(request, reporter)
    if cached is not None:
        return cached
    _say_what_is_left_out(data, request, reporter)
    target = cache.prepared_folder(request.name, request.options, request.stamp)
    if request.entry is not None and folder.exists():
        reporter.notice(f"{data} is the named data set; for the file or folder of this name give {Path('.') / data}")
    if request.options.source != options.source:
        reporter.notice(f"{data}: from {request.options.source}, as given before")
    prepared = prepare_into(target, request, overwrite=target.exists(), reporter=reporter)  # exists: it is damaged
    _remember(request, target, reporter)
    return prepared


def _say_what_is_left_out(data: str, request: Request, reporter: Reporter) -> None:
    """Say that the latest preparation of these images had options that this one has not."""
    latest = cache.newest_preparation(request.name, request.source)
    if latest is None:
        return
    folder, before = latest
    now = request.options.to_json()
    other = {name: value for name, value in before.items() if name not in OF_EVERY_COMMAND and now.get(name) != value}
    flags = " ".join(f"{flag(name)} {value}" for name, value in other.items() if value is not None)
    if flags:
        quoted = shlex.quote(str(folder))
        reporter.notice(f"{data}: was prepared with {flags}, which is not used here; to use it, give --data {quoted}")


def prepare_to(
    data: str,
    options: PrepareOptions,
    out: Path | None,
    *,
    overwrite: bool = False,
    reporter: Reporter = SILENT,
) -> ImageData:
    """Prepare into the folder `out`, or again into the cache. Raises DataError, OptionError.

    A prepared folder at `out` is only replaced with `overwrite`, anything else never.
    """
    request = find(data, options)
    target = out or cache.prepared_folder(request.name, request.options, request.stamp)
    if out is not None and out.exists() and replaceable(out) and any(out.iterdir()) and not overwrite:
        raise OptionError(f"--out {out}: holds a prepared set; give --overwrite to replace it, or another folder")
    prepared = prepare_into(target, request, overwrite=True, reporter=reporter)
    if out is None:
        _remember(request, target, reporter)
    return prepared


def find(data: str, options: PrepareOptions) -> Request:
    """What `data` and `options` ask to be prepared. Raises DataError when there is no such source."""
    entry = CATALOG.get(data)
    if entry is None:
        return _from_path(data, options)
    if entry.origin == "given" and options.source is None and not cache.known_source(data) and Path(data).exists():
        raise DataError(
            f"{data} is a named data set, which needs --source; for the folder or file of this name here, give ./{data}"
        )
    entry.check(options)
    resolved = options.with_defaults(entry.defaults)
    if resolved.source is None and entry.origin in ("fetched", "given"):
        resolved = resolved.with_defaults({"source": cache.known_source(entry.name)})
    source = resolved.source
    if source is not None and not source.exists():
        raise DataError(f"--source {source}: no such file or folder")
    stamp = cache.stamp(source, options.labels) if source is not None else ""
    folder = cache.downloads_folder(entry.name)
    where = str(source.resolve()) if source is not None else entry.origin
    return Request(
        entry.name, resolved, lambda reporter: entry.read(resolved, Downloads(entry.name, folder, reporter)), stamp,
        entry, where,
    )  # fmt: skip


def _from_path(data: str, options: PrepareOptions) -> Request:
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
    if options.label is not None:
        raise OptionError("--label: only for a named data set with known attributes; give a file of labels to --labels")
    if is_prepared(path):
        raise DataError(f"{data}: already a prepared folder; prepare from its source instead")
    if (path / "options.json").is_file() and (path / "metrics.csv").is_file():
        raise DataError(f"{data}: a run folder, not images; give the images that you mean")
    name = path.resolve().name.split(".")[0] or "images"
    return Request(
        name, options, lambda _: read_path(path, options), cache.stamp(path, options.labels), None, str(path.resolve())
    )


def _cached(request: Request, reporter: Reporter) -> ImageData | None:
    """The set from the cache: of the same source and options, or of these options where the source is not there."""
    cached = _whole(cache.prepared_folder(request.name, request.options, request.stamp), reporter)
    if cached is not None:
        _remember(request, cached.folder, reporter)
    elif request.options.source is None and request.entry is not None:
        noted = cache.known_folder(request.name, request.options)
        cached = None if noted is None else _whole(noted, reporter)
    return cached


def _remember(request: Request, folder: Path | None, reporter: Reporter) -> None:
    """Let the set be found by its name alone; not where another source would hide what is built in."""
    entry = request.entry
    if folder is not None and entry and (entry.origin in ("fetched", "given") or request.options.source is None):
        try:
            cache.remember(request.name, request.options, folder)
        except GentoolError as error:  # a cache that others share may be read-only
            reporter.notice(f"{error}. The data set is used anyway")


def _whole(folder: Path, reporter: Reporter) -> ImageData | None:
    """A prepared folder in the cache; None when it is not there or damaged. It stays until another takes its place."""
    if not folder.is_dir():
        return None
    try:
        return open_prepared(folder)
    except DataError as error:
        reporter.notice(f"{error} (gentool does this now)")
        return None


def prepare_into(target: Path, request: Request, *, overwrite: bool = False, reporter: Reporter = SILENT) -> ImageData:
    """Prepare a set into the folder `target`. Raises DataError, OptionError."""
    raw = request.read(reporter)
    try:
        with building(target, overwrite) as folder:
            rows = prepare_rows(
                raw, request.options, scratch=scratch_in(folder, raw), on_progress=_on_progress(request, reporter)
            )
            write(folder, rows, raw, provenance(request), _on_progress(request, reporter, "writing"))
            summary = rows.info
            del rows  # a scratch file must be closed before Windows lets it be removed
    finally:
        raw.close()
    for line in remarks(summary, f"in {target / DESCRIPTION}"):
        reporter.notice(line)
    return open_prepared(target)


def _from_array(data: Array, labels: Array | None, options: PrepareOptions, reporter: Reporter) -> ImageData:
    """The images of an array, prepared in memory."""
    for name in ("source", "tile", "gap", "count", "layout", "labels", "label"):
        if name in options.changed():
            raise OptionError(f"{flag(name)}: has no effect with an array of images")
    what = "the array of images"
    (pixels,), notes = as_pixels([_numpy(data, what)], [what], options)
    numbers = None
    classes: list[str] = []
    if labels is not None:
        numbers, classes = classes_of(labels_of(_numpy(labels, "labels"), len(pixels), "labels"))
    raw = from_arrays("array", pixels, numbers, classes=classes, notes=notes)
    request = Request("array", options, lambda _: raw, "", None, "memory")
    on_progress = _on_progress(request, reporter)
    rows = prepare_rows(raw, options, scratch=lambda shape: np.empty(shape, np.uint8), on_progress=on_progress)
    for line in remarks(rows.info, ""):
        reporter.notice(line)
    return in_memory(rows, provenance(request))


def _numpy(values: Array, what: str) -> NDArray[Any]:
    """Raises DataError for lists that are no array, such as rows of different lengths."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype is torch.bfloat16 else values).numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"{what}: not an array ({error})") from None


def examine(request: Request, reporter: Reporter = SILENT) -> dict[str, Any]:
    """What preparing would give, as in dataset.json, with nothing written but what a named set needs to fetch."""
    raw = request.read(reporter)
    try:
        rows = prepare_rows(raw, request.options, scratch=None, on_progress=_on_progress(request, reporter))
    finally:
        raw.close()
    return {**provenance(request), **rows.facts(), **rows.info}


def _on_progress(request: Request, reporter: Reporter, doing: str = "reading") -> Callable[[int, int], None]:
    return lambda done, total: reporter.progress(f"{doing} {request.name}", done, total)


def provenance(request: Request) -> dict[str, Any]:
    """The part of dataset.json that is known before anything is read."""
    return {
        "name": request.name,
        "gentool": __version__,
        "source": {"path": request.source, "stamp": request.stamp},
        "options": {name: value for name, value in request.options.to_json().items() if name != "source"},
        "licence": request.entry.licence if request.entry else None,
        "photographic": request.entry is not None and request.entry.photographic,
    }


def remarks(info: Mapping[str, Any], listed: str) -> list[str]:
    """What a preparation has to say beyond its counts, in lines for people; the skipped files are `listed` there."""
    lines = list(info["notes"])
    left_out = [one["reason"] for one in info["skipped"] if one["reason"].startswith(LEFT_OUT)]
    skipped = [one["reason"] for one in info["skipped"] if not one["reason"].startswith(LEFT_OUT)]
    noun = "tile" if info["found"]["kind"].startswith("sheet") else "file"
    for what, reasons, where in (
        (f"skipped {counted(len(skipped), noun)}", skipped, listed),
        (f"left out {counted(len(left_out), 'file')}", left_out, listed.replace("above", "")),
    ):
        if reasons:
            several = Counter(reason.removeprefix(LEFT_OUT) for reason in reasons)
            shown = several.most_common(5)
            listing = "; ".join(f"{reason} ({number:,})" if len(several) > 1 else reason for reason, number in shown)
            more = "" if len(several) <= 5 else "; …"
            lines.append(f"{what}: {listing}{more}" + (f"; each is listed {where}" if where else ""))
    copies = info["duplicates"]
    if copies["copies"]:
        done = "dropped" if copies["dropped"] else "kept, always in the same split; --dedupe drops them"
        verb = "is an exact copy" if copies["copies"] == 1 else "are exact copies"
        lines.append(f"{counted(copies['copies'], 'image')} {verb} of another one ({done})")
    if copies["across_own_splits"]:
        verb = "is" if copies["across_own_splits"] == 1 else "are"
        count = counted(copies["across_own_splits"], "test image")
        lines.append(f"{count} {verb} also among the training images, as in the source")
    if copies["with_different_labels"]:
        lines.append(f"{counted(copies['with_different_labels'], 'group')} of copies with different labels")
    return lines
