"""`gentool prepare DATA`."""

import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from gentool.cli.command import command
from gentool.data.catalog import CATALOG
from gentool.data.layout import LEFT_OUT
from gentool.data.prepare import PrepareOptions
from gentool.engine.terminal import Terminal
from gentool.errors import DataError, OptionError
from gentool.options import Validated, flag, option
from gentool.progress import columns_of, counted

if TYPE_CHECKING:
    from gentool.data.images import ImageData

_LISTED = 20
DATA_HELP = (
    "A named data set, or a folder, archive, .npy, .npz or sheet of images; or the word arithmetic, for sums as text "
    "and pictures."
)


@dataclass(frozen=True, kw_only=True)
class FolderOptions(Validated):
    """Where to write the prepared set."""

    panel: ClassVar[str] = "Output"

    out: Path | None = option(
        None, "The folder to write.", metavar="FOLDER", default_text="the cache, where --data finds it"
    )
    overwrite: bool = option(False, "Replace the prepared folder if it exists, or prepare again what is in the cache.")


@dataclass(frozen=True, kw_only=True)
class ArithmeticOptions(Validated):
    """What only `gentool prepare arithmetic` takes."""

    panel: ClassVar[str] = "Arithmetic"

    max_operand: int | None = option(None, "The largest operand.", min=1, max=9999, default_text="99")
    operators: str | None = option(None, "The operators to use: any of + - *.", default_text="+-")
    digits: str | None = option(
        None,
        "The data set of handwritten digits.",
        default_text="mnist if it is prepared, else scikit-learn's digits",
    )


def prepare(
    options: PrepareOptions,
    folder: FolderOptions,
    sums: ArithmeticOptions,
    terminal: Terminal,
    data: Annotated[
        str | None,
        typer.Argument(help=DATA_HELP),
    ] = None,
    list_sets: Annotated[bool, typer.Option("--list", help="List the named data sets.")] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Read everything and report sizes, copies, splits and bad files; prepare nothing."
        ),
    ] = False,
) -> None:
    """Turn a named data set, folder, archive or sprite sheet into a prepared set of images."""
    out, overwrite = folder.out, folder.overwrite
    given = {name: value for name, value in sums.to_json().items() if value is not None}
    if data == "arithmetic":
        if check or list_sets or set(options.changed()) - {"source"}:
            raise OptionError("arithmetic: is generated; it only takes --max-operand, --operators, --digits, --source")
        _prepare_arithmetic(given, options.source, folder, terminal)
        return
    if given:
        raise OptionError(f"{flag(next(iter(given)))}: only with `gentool prepare arithmetic`")
    run(data, options, out=out, check=check, list_sets=list_sets, overwrite=overwrite, terminal=terminal)


def run(
    data: str | None,
    options: PrepareOptions,
    *,
    out: Path | None,
    check: bool,
    list_sets: bool,
    overwrite: bool,
    terminal: Terminal,
) -> None:
    """The command without its flags. Raises DataError, OptionError."""
    if list_sets:
        if data is not None or check or out is not None or overwrite or options.changed():
            raise OptionError("--list: takes no data set and no other options")
        _list(terminal)
    elif data is None:
        raise OptionError("which data set? Give a name from `gentool prepare --list`, a folder, an archive or a file")
    elif check:
        if out is not None or overwrite:
            raise OptionError("--check: writes nothing; leave out --out and --overwrite")
        _check(data, options, terminal)
    else:
        _prepare(data, options, out, overwrite, terminal)


def _prepare_arithmetic(
    given: Mapping[str, Any], source: Path | None, folder: FolderOptions, terminal: Terminal
) -> None:
    """Write the queries of `gentool seq2seq` as an .npz, text and pictures."""
    from gentool.seq2seq.arrays import write_arrays
    from gentool.seq2seq.handwriting import load_pictures
    from gentool.seq2seq.options import PictureOptions

    path = folder.out or Path("arithmetic.npz")
    if path.exists() and not folder.overwrite:
        raise OptionError(f"--out {path}: exists; give --overwrite to replace it")
    options = PictureOptions(**given, source=source)
    pictures = load_pictures(options)
    assert pictures is not None
    counts = write_arrays(options, pictures, path)
    terminal.notice(
        f"{path}: {counts['queries']:,} queries, {counts['test']:,} of them held out; handwriting of {pictures.name}"
    )
    terminal.result(path, {"event": "prepared", "path": str(path), **counts})


def _list(terminal: Terminal) -> None:
    from gentool.data.cache import is_cached

    rows = [("name", "images", "size", "channels", "labels", "cached", "licence", "what")]
    for entry in CATALOG.values():
        cached = is_cached(entry)
        count = "any" if entry.count is None else f"{entry.count:,}"
        terminal.emit(
            {
                "event": "source",
                "name": entry.name,
                "images": entry.count,
                "size": entry.size,
                "channels": entry.channels,
                "labels": entry.labels or None,
                "licence": entry.licence,
                "origin": entry.origin,
                "cached": cached,
                "description": entry.description,
            }
        )
        facts = (entry.name, count, entry.size, str(entry.channels), entry.labels or "-", "yes" if cached else "-")
        rows.append((*facts, entry.licence, entry.description))
    if terminal.json:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    columns = columns_of(sys.stdout)
    beside = columns is None or sum(widths) + 2 * len(widths) <= columns  # else licence and text stand below
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        terminal.data("  ".join(cells if beside else cells[:-2]).rstrip())
        if not beside:
            terminal.data(f"    {row[-1]} ({row[-2]})", indent=4)


def _check(data: str, options: PrepareOptions, terminal: Terminal) -> None:
    from gentool.data.load import examine, find, remarks
    from gentool.data.target import is_prepared

    if data not in CATALOG and is_prepared(Path(data).expanduser()):
        _check_prepared(data, options, terminal)
        return
    info = examine(find(data, options), reporter=terminal)
    terminal.emit({"event": "checked", **info})
    if terminal.json:
        return
    for line in _report(info):
        terminal.data(line)
    for skipped in info["skipped"]:
        if not skipped["reason"].startswith(LEFT_OUT):  # those are in the layout
            terminal.data(f"  skipped   {skipped['name']}: {skipped['reason']}", indent=12)
    for copies in info["duplicates"]["examples"][:_LISTED]:
        terminal.data(f"  copies    {' = '.join(copies)}")
    for line in remarks(info, listed="above"):
        terminal.data(f"  note      {line}", indent=12)


def _check_prepared(data: str, options: PrepareOptions, terminal: Terminal) -> None:
    """Compare a prepared folder with the fingerprint that it states."""
    from gentool.data.load import load_data
    from gentool.data.store import content_fingerprint

    images = load_data(data, options)
    if content_fingerprint(images) != images.fingerprint:
        raise DataError(
            f"{data}: the images are not those that were prepared (the fingerprint differs); prepare them again"
        )
    terminal.emit({"event": "checked", **images.info})
    if not terminal.json:
        for line in _report(images.info):
            terminal.data(line)
        terminal.data(f"  intact    fingerprint {images.fingerprint[:16]}… matches")


def _prepare(data: str, options: PrepareOptions, out: Path | None, overwrite: bool, terminal: Terminal) -> None:
    from gentool.data.images import FEWEST
    from gentool.data.load import load_data, prepare_to

    if out is None and not overwrite:
        images = load_data(data, options, reporter=terminal)
    else:
        images = prepare_to(data, options, out, overwrite=overwrite, reporter=terminal)
    assert images.folder is not None
    for line in _report(images.info):
        terminal.notice(line)
    plain = out is None and data in CATALOG and set(options.changed()) <= {"source"}
    word = data if plain else shlex.quote(str(images.folder))
    terminal.notice(f"{images.folder}: prepared")
    if len(images) < FEWEST:
        terminal.notice(f"Training needs at least {FEWEST} images: add some, and prepare the folder again")
    else:
        terminal.notice(f"Next: gentool train vae --data {word}")
    terminal.result(images.folder, {"event": "prepared", "folder": str(images.folder), **_summary(images)})


def _summary(images: "ImageData") -> Mapping[str, Any]:
    names = ("name", "shape", "counts", "classes", "fingerprint", "duplicates", "skipped", "notes")
    return {name: images.info[name] for name in names}


def _report(info: Mapping[str, Any]) -> list[str]:
    """What a data set is, in lines for people."""
    from gentool.data.images import channels_text

    channels, height, width = info["shape"]
    source = info["found"]
    total = sum(info["counts"].values())
    lines = [
        f"{info['name']}: {counted(total, 'image')} of {width}x{height}, {channels_text(channels)}",
        f"  source    {source['kind']}: {info['source']['path']}",
        f"  sizes     {_counted(source['sizes'])}",
        f"  modes     {_counted(source['modes'])}",
        f"  splits    {_counted(info['counts'])}{' (its own test images)' if info['own_test'] else ''}",
    ]
    if "range" in info:
        lines.append(f"  values    {info['range'][0]} to {info['range'][1]} of 255")
    lines += _tree(info)
    if source["ignored"]:
        lines.append(f"  ignored   {source['ignored']:,} system files")
    skipped = sum(not one["reason"].startswith(LEFT_OUT) for one in info["skipped"])
    if skipped:
        lines.append(f"  skipped   {skipped:,}")
    return lines


def _tree(info: Mapping[str, Any]) -> Iterator[str]:
    """The folders, what each is taken for, its images and its classes; then the classes of all splits together."""
    branches = info.get("layout", [])
    if len(branches) > 1 or any(branch["classes"] for branch in branches):
        names = [f"{branch['folder']}/" if branch["folder"] else "." for branch in branches]
        width = max(map(len, names))
        for number, (name, branch) in enumerate(zip(names, branches, strict=True)):
            of_branch = branch["classes"]
            several = "class" if len(of_branch) == 1 else "classes"
            classes = f" in {len(of_branch)} {several}: {_counted(of_branch)}" if of_branch else ""
            what = f"{branch['role']}, {counted(branch['images'], 'image')}{classes}"
            yield f"  {'' if number else 'layout':9} {name:{width}}  {what}"
    if info["labelled"]:
        counts = Counter[str]()
        for of_split in (info["class_counts"] or {}).values():
            counts.update(dict(zip(info["classes"], of_split, strict=True)))
        least = min(counts, key=counts.__getitem__)
        yield f"  classes   {len(counts)}: {_counted(counts)}; the smallest is {least} with {counts[least]:,}"


def _counted(counts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:8])
    return listed + (f", and {len(counts) - 8} more" if len(counts) > 8 else "")


app = command(prepare)
