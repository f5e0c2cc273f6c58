"""What a path holds: a folder of images or of IDX files, an archive, an array, a table, a sheet of tiles."""

import zipfile
from pathlib import Path

from gentool.data.archives import is_tar, read_tar, read_zip
from gentool.data.arrays import read_npy, read_npz
from gentool.data.folders import read_folder
from gentool.data.idx import idx_files, read_idx_folder
from gentool.data.parquet import parquet_files, read_parquet
from gentool.data.pixel_tables import read_csv
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw
from gentool.data.sheet import read_sheet
from gentool.data.survey import hint_for
from gentool.errors import DataError, OptionError
from gentool.options import flag

KNOWN = "a folder, .zip, .tar(.gz), .npy, .npz, .parquet or .csv"


def read_path(path: Path, options: PrepareOptions) -> Raw:
    """The pictures at a path. Raises DataError when there is nothing of a known kind, OptionError for options that have
    no effect on it."""
    if options.count is not None:
        raise OptionError(f"--count: only for generated data sets; {path} is read from files")
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir():
        if options.tile is not None:
            raise OptionError(f"--tile: {path} is a folder; give the one image that holds the tiles")
        if idx_files(path):
            _check_no_layout(path, options)
            return read_idx_folder(path)
        if files := parquet_files(path):
            _check_no_layout(path, options)
            return read_parquet(files)
        return read_folder(path)
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; give {KNOWN}")
    suffix = path.suffix.lower()
    if suffix == ".pt":
        raise DataError(f"{path}: a checkpoint, not images")
    if options.tile is not None or suffix in (".npy", ".npz", ".parquet", ".csv"):
        _check_no_layout(path, options)
    if options.tile is not None:
        return read_sheet(path, options)
    if suffix == ".npy":
        return read_npy(path, options)
    if suffix == ".npz":
        return read_npz(path, options)
    if suffix == ".parquet":
        return read_parquet([path])
    if suffix == ".csv":
        return read_csv(path, options)
    if zipfile.is_zipfile(path):
        return read_zip(path)
    if is_tar(path):
        return read_tar(path)
    raise DataError(f"{path}: {_what_else(path)}")


def _check_no_layout(path: Path, options: PrepareOptions) -> None:
    """Raises OptionError for options of pictures in folders."""
    for name in ("layout", "labels"):
        if name in options.changed():
            raise OptionError(f"{flag(name)}: only for pictures in a folder or archive; {path} is not one")


def _what_else(path: Path) -> str:
    """Why a file is none of the known kinds, from its first bytes."""
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if not start:
        return "an empty file"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, not the data: the download failed, or needs a login"
    if start.startswith(b"pk\x03\x04"):
        return "a zip archive that is cut short or damaged; fetch it again"
    if start.startswith((b"7z\xbc\xaf", b"rar!")):
        return f"an archive of another kind; unpack it and give the folder, or give {KNOWN}"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the data; run `git lfs pull`"
    hint = hint_for(path.name)
    if hint:
        return f"not {KNOWN}{hint}"
    if path.suffix.lower() == ".gz":
        return f"not {KNOWN}; unpack it: gunzip {path.name}"
    return f"not {KNOWN}; if it is one image made of tiles, give --tile, for example --tile 24"
