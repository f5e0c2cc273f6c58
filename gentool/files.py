"""Write files completely or not at all: beside the target, flushed to the disk, renamed."""

import contextlib
import csv
import errno
import functools
import hashlib
import io
import json
import os
import platform
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gentool.errors import GentoolError

_BLOCK = 2**24
LEFT_SECONDS = 24 * 3600
_TEMPORARY = re.compile(r"\..+\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)\.tmp", re.DOTALL)


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it takes the place of `path` when the block ends well.

    Parent folders are made. Raises GentoolError naming `path` and the size reached when the system refuses (full
    disk, no permission); after any failure the temporary file is gone, a new file is not there, and an older file at
    `path` is as it was; where only the flush of the folder fails, the new one has replaced it. A file keeps the
    permissions that it had.
    """
    path = Path(path)
    temporary = temporary_beside(path)
    is_new = not os.path.lexists(path)
    size = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_once(path.parent)
        try:
            yield temporary
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            if path.is_file():
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            os.replace(temporary, path)
            try:
                _sync_folder(path.parent)
            except OSError:
                if is_new:
                    path.unlink()
                raise
        finally:
            if temporary.exists():
                size = temporary.stat().st_size
                temporary.unlink()
    except OSError as error:
        raise cannot_write(path, error, f"after {size:,} bytes") from error


def cannot_write(path: Path, error: OSError, detail: str = "") -> GentoolError:
    """What to say when the system refuses to write a file; `detail` says how much was written or is needed."""
    reason = error.strerror or str(error)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return GentoolError(f"cannot write {path}: {reason}; choose another place")
    there = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free / 2**20
    detail = f"{detail}, {free:,.0f} MiB free" if detail else f"{free:,.0f} MiB free"
    return GentoolError(f"cannot write {path}: {reason} ({detail}). Free some space or choose another place")


def append_text(path: Path, text: str) -> None:
    """Add a text at the end of a file. Raises GentoolError naming `path` when the system refuses."""
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise cannot_write(path, error) from error


def temporary_beside(path: Path) -> Path:
    """A hidden name beside `path` for what will take its place. It says which process writes it."""
    name = os.fsdecode(os.fsencode(path.name)[:100])
    return path.with_name(f".{name}.{_machine()}-{os.getpid()}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file or folder has a name of `temporary_beside`."""
    return _TEMPORARY.fullmatch(name) is not None


def left_behind(folder: Path) -> list[Path]:
    """What killed processes left in a folder: they ran here and are gone, or a day has passed."""
    found = []
    for path in folder.glob(".*.tmp"):
        of = _TEMPORARY.fullmatch(path.name)
        with contextlib.suppress(FileNotFoundError):  # its process has just ended
            if of and (
                (of["machine"] == _machine() and not _is_running(int(of["process"])))
                or path.stat().st_mtime < time.time() - LEFT_SECONDS
            ):
                found.append(path)
    return found


@functools.cache
def _sweep_once(folder: Path) -> None:
    """Remove files that killed processes left in a folder, when this process first writes there."""
    for path in left_behind(folder):
        if path.is_file():
            path.unlink(missing_ok=True)


@functools.cache
def _machine() -> str:
    """A short text for this machine."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_running(process: int) -> bool:
    """Whether a process of this number runs here."""
    if os.name == "nt":  # where this would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder outlast a power failure, where the system can."""
    if os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems sync no folders
            raise
    finally:
        os.close(descriptor)


def reserve(path: Path) -> None:
    """Give a file that is to be memory-mapped its room on the disk: a disk that is full later would end the process.

    Raises OSError when there is too little.
    """
    with path.open("r+b") as file:
        size = path.stat().st_size
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        for start in range(0, size, _BLOCK):  # macOS and Windows; what the file holds is written again
            file.seek(start)
            block = file.read(_BLOCK)
            file.seek(start)
            file.write(block)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Iterable[str] | None = None) -> None:
    """Write rows as CSV, completely or not at all; by default the columns of all rows in order of appearance."""
    write_text(path, csv_text(rows, columns))


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Iterable[str] | None = None) -> str:
    """Rows as CSV, by default with the columns of all rows in order of appearance."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row) if columns is None else columns)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, completely or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def text_digest(value: Any) -> str:
    """SHA-256 of a value as JSON, whatever the order of its keys: for files that state their own digest."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
