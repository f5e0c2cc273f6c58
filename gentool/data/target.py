"""Write a prepared folder completely or not at all, and never replace what gentool did not write."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gentool.errors import DataError
from gentool.reading import check_regular

FORMAT = "gentool prepared images"
DESCRIPTION = "dataset.json"
SCRATCH = "scratch.npy"
_LEFTOVER_SECONDS = 24 * 3600
_TEMPORARY = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.tmp")


def is_ours(folder: Path) -> bool:
    """Whether a folder holds a description that gentool wrote, complete or not."""
    try:
        check_regular(folder / DESCRIPTION)
        with (folder / DESCRIPTION).open("rb") as file:
            return FORMAT.encode() in file.read(200)
    except OSError:
        return False


def is_prepared(folder: Path) -> bool:
    """Whether a folder is a prepared one, or was before its description was lost."""
    return is_ours(folder) or all((folder / name).is_file() for name in ("images.npy", "order.npy", "preview.png"))


@contextmanager
def building(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder that takes the place of `target` when the block ends well, and is gone otherwise.

    A file named SCRATCH in it is removed before. A prepared folder that already is there is replaced with `overwrite`;
    without it, it stays (another process was faster). Raises DataError at once when `target` holds something else, and
    when the system refuses to write.
    """
    if target.exists() and not replaceable(target):
        raise DataError(f"{target} exists and is not a prepared folder; choose another place")
    token = f"{os.getpid()}-{secrets.token_hex(4)}"
    temporary = target.with_name(f".{target.name}.{token}.tmp")
    try:
        try:  # a signal may come at any moment once the folder is there
            temporary.mkdir(parents=True)
            _remove_leftovers(target)
            yield temporary
            (temporary / SCRATCH).unlink(missing_ok=True)
            _take_place(temporary, target, overwrite)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        there = next(folder for folder in target.absolute().parents if folder.is_dir())
        free = shutil.disk_usage(there).free / 2**20
        reason = f"{error.strerror or error} ({free:,.0f} MiB free)"
        raise DataError(f"cannot write {target}: {reason}; free some space or choose another place") from error


def replaceable(target: Path) -> bool:
    """Whether something that exists may be replaced: an empty folder, or one that gentool wrote."""
    return target.is_dir() and (not any(target.iterdir()) or is_ours(target))


def _remove_leftovers(target: Path) -> None:
    """What earlier preparations left beside this target when they were killed, once it is a day old."""
    for leftover in target.parent.glob(".*.tmp"):
        if _TEMPORARY.fullmatch(leftover.name) and leftover.stat().st_mtime < time.time() - _LEFTOVER_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)


def _take_place(temporary: Path, target: Path, overwrite: bool) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    if not replaceable(target):
        raise DataError(f"{target} appeared meanwhile and is not a prepared folder; choose another place")
    if any(target.iterdir()) and not overwrite:
        return
    old = temporary.with_suffix(".old")
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
