"""Write a prepared folder completely or not at all, and never replace what gentool did not write."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gentool.errors import DataError
from gentool.files import cannot_write, left_behind, temporary_beside
from gentool.reading import check_regular

FORMAT = "gentool prepared images"
DESCRIPTION = "dataset.json"
SCRATCH = "scratch.npy"


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
    GentoolError when the system refuses to write.
    """
    if target.exists() and not replaceable(target):
        raise DataError(f"{target} exists and is not a prepared folder; choose another place")
    temporary = temporary_beside(target.with_name(f"{secrets.token_hex(4)}-{target.name}"))
    try:
        try:  # a signal may come at any moment once the folder is there
            temporary.mkdir(parents=True)
            for leftover in left_behind(target.parent):  # of earlier preparations that were killed
                shutil.rmtree(leftover, ignore_errors=True)
            yield temporary
            (temporary / SCRATCH).unlink(missing_ok=True)
            _take_place(temporary, target, overwrite)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise cannot_write(target, error) from error


def replaceable(target: Path) -> bool:
    """Whether something that exists may be replaced: an empty folder, or one that gentool wrote."""
    return target.is_dir() and (not any(target.iterdir()) or is_ours(target))


def _take_place(temporary: Path, target: Path, overwrite: bool) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    if not replaceable(target):
        raise DataError(f"{target} appeared meanwhile and is not a prepared folder; choose another place")
    if any(target.iterdir()) and not overwrite:
        return
    old = temporary_beside(target.with_name(f"{secrets.token_hex(4)}-old-{target.name}"))
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
