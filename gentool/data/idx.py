"""The IDX format of MNIST and similar data sets: http://yann.lecun.com/exdb/mnist/."""

import gzip
import io
import math
import os
import re
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from gentool.data.arrays import classes_of
from gentool.data.raw import TEST, TRAIN, Pixels, Raw, from_arrays, own_splits
from gentool.errors import DataError
from gentool.progress import listed

_IMAGES = re.compile(r"(?P<set>.*?)[-_.]?images[-_.]idx3[-_.]ubyte(\.gz)?", re.IGNORECASE)
_LARGEST = 8 * 2**30
_SMALL, _LARGEST_RATIO = 2**26, 30
"""The limit of an unpacked file: this number of bytes, or this multiple of the gzipped size if that is more."""

Files = Mapping[str, Callable[[], bytes]]
"""Name to a function that reads the file; it may raise OSError."""


def read_idx(content: bytes, where: str) -> Pixels:
    """The array of bytes in an IDX file, gzipped or not. Raises DataError when it is not one, or incomplete."""
    try:
        if content[:2] == b"\x1f\x8b":
            most = max(_SMALL, _LARGEST_RATIO * len(content))
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(most + 1)
            if len(content) > most:
                raise DataError(f"{where}: unpacks to more than {_LARGEST_RATIO} times its size; unpack it with gunzip")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where}: cannot be read ({error}); fetch it again") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != 8 or not 1 <= content[3] <= 3:
        raise DataError(f"{where}: not an IDX file of bytes; expected for example train-images-idx3-ubyte.gz")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{where}: the file is cut short; fetch it again")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if math.prod(shape) > _LARGEST:
        raise DataError(f"{where}: its header says {math.prod(shape):,} bytes, which cannot be right")
    if len(content) - start != math.prod(shape):
        much = "too short" if len(content) - start < math.prod(shape) else "too long"
        raise DataError(f"{where}: {much} for its {' x '.join(map(str, shape))} values; fetch it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def idx_files(folder: Path) -> Files:
    """The IDX files of a folder, or of the one folder below it that has some; none where there are no images."""
    try:
        inner = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return {}  # a folder that may not be listed
    every: dict[str, Callable[[], bytes]] = {}
    whole: dict[str, dict[str, Callable[[], bytes]]] = {}
    for place in ("", *inner, *(f"{name}/raw" for name in inner)):
        try:
            names = [name for name in os.listdir(folder / place) if "idx" in name.lower()]
        except OSError:
            continue  # no folder, or one that may not be listed
        paths = [folder / place / name for name in sorted(names)]
        files: dict[str, Callable[[], bytes]] = {path.name: path.read_bytes for path in paths if path.is_file()}
        if any(not _is_test(key) for key in image_names(files)):
            whole[place] = files
        every |= {f"{place}/{name}" if place else name: read for name, read in files.items()}
    if "" in whole:
        return whole[""]
    if len(whole) > 1:
        raise DataError(f"{folder}: IDX files in {listed(sorted(whole))}; give one of these folders")
    if len(whole) == 1:
        (files,) = whole.values()
        return files if any(_is_test(key) for key in image_names(files)) else every
    return every if image_names(every) else {}


def _is_test(key: str) -> bool:
    return "test" in key or "t10k" in key


def image_names(files: Files) -> dict[str, str]:
    """The names of the files of images, by the word before `images`: train, t10k.

    Of several, the one in the fewest folders counts, unpacked before gzipped.
    """
    names: dict[str, str] = {}
    for name in sorted(files, key=lambda name: (name.count("/"), name), reverse=True):
        match = _IMAGES.fullmatch(PurePosixPath(name).name)
        if match:
            names[match["set"].lower()] = name
    return names


def _labels_beside(images: str, files: Files) -> str | None:
    place = PurePosixPath(images)
    name = re.sub("images", "labels", place.name, flags=re.IGNORECASE).replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    spellings = (name, plain, plain + ".gz")
    beside = next((one for spelling in spellings if (one := str(place.with_name(spelling))) in files), None)
    # Some archives have each file in a folder of its own.
    return beside or next((one for one in files if PurePosixPath(one).name in spellings), None)


def read_idx_files(files: Files, where: str, classes: Sequence[str] = ()) -> Raw:
    """All images of IDX files; those named test or t10k are the source's own test set. Raises DataError."""
    names = image_names(files)
    tests = [key for key in names if _is_test(key)]
    trains = [key for key in names if key not in tests]
    if len(trains) != 1 or len(tests) > 1:
        listed = ", ".join(sorted(names.values())) or "none"
        raise DataError(
            f"{where}: expected one IDX file of training images and at most one of test images, found {listed}; "
            "leave only those in the folder"
        )

    def read(name: str) -> Pixels:
        try:
            return read_idx(files[name](), f"{where}: {name}")
        except OSError as error:
            raise DataError(f"{where}: {name}: cannot be read ({error}); fetch it again") from None

    parts, labels = [], []
    for key in trains + tests:
        images = read(names[key])
        if images.ndim != 3:
            raise DataError(f"{where}: {names[key]}: not images: {images.ndim} dimensions instead of 3")
        beside = _labels_beside(names[key], files)
        parts.append(images)
        if beside is not None:
            numbers = read(beside)
            if numbers.shape != images.shape[:1]:
                raise DataError(
                    f"{where}: {beside}: {numbers.shape[0]} labels for {len(images)} images; fetch both files again"
                )
            labels.append(numbers.astype(np.int64))
    if parts[0].shape[1:] != parts[-1].shape[1:]:
        raise DataError(f"{where}: training images are {parts[0].shape[1:]}, test images {parts[-1].shape[1:]}")
    labelled = len(labels) == len(parts)
    joined = np.concatenate(labels) if labelled else None
    notes = []
    if not labelled:
        notes.append(
            "labels not used: one of the IDX files of labels is missing"
            if labels
            else "no class labels: there is no IDX file of labels"
        )
    if any("emnist" in names[key].lower() for key in names):
        parts = [part.transpose(0, 2, 1) for part in parts]
        notes.append("EMNIST stores its images on their side: they are turned upright")
    if joined is not None and not classes:
        joined, classes = classes_of(joined)
    return from_arrays(
        "folder of IDX files",
        np.concatenate(parts)[..., None],
        joined,
        classes=classes if labelled else (),
        own=own_splits([(split, len(part)) for split, part in zip((TRAIN, TEST), parts, strict=False)]),
        notes=notes,
    )


def read_idx_folder(folder: Path, classes: Sequence[str] = ()) -> Raw:
    """The images of a folder of IDX files. Raises DataError."""
    return read_idx_files(idx_files(folder), str(folder), classes)
