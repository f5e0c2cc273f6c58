"""The IDX format of MNIST and similar data sets: http://yann.lecun.com/exdb/mnist/."""

import gzip
import math
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gentool.data.raw import Pixels, Raw, from_arrays
from gentool.errors import DataError

_IMAGES = re.compile(r"(?P<set>.*?)[-_.]?images[-_.]idx3[-_.]ubyte(\.gz)?", re.IGNORECASE)
_LARGEST = 8 * 2**30


def read_idx(path: Path) -> Pixels:
    """The array of bytes in an IDX file, gzipped or not. Raises DataError when it is not one, or incomplete."""
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] != 8 or not 1 <= head[3] <= 3:
                raise DataError(f"{path}: not an IDX file of bytes; expected for example train-images-idx3-ubyte.gz")
            sides = file.read(4 * head[3])
            if len(sides) < 4 * head[3]:
                raise DataError(f"{path}: the file is cut short; fetch it again")
            shape = struct.unpack(f">{head[3]}I", sides)
            if math.prod(shape) > _LARGEST:
                raise DataError(f"{path}: its header says {math.prod(shape):,} bytes, which cannot be right")
            content = file.read(math.prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); fetch it again") from None
    if len(content) != math.prod(shape):
        much = "too short" if len(content) < math.prod(shape) else "too long"
        raise DataError(f"{path}: {much} for its {' x '.join(map(str, shape))} values; fetch it again")
    return np.frombuffer(content, np.uint8).reshape(shape)


def image_files(folder: Path) -> dict[str, Path]:
    """The IDX files of images in a folder, by the word before `images`: train, t10k. Unpacked before gzipped."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):
        match = _IMAGES.fullmatch(path.name)
        if match and path.is_file():
            files[match["set"].lower()] = path
    return files


def _labels_beside(images: Path) -> Path | None:
    name = re.sub("images", "labels", images.name, flags=re.IGNORECASE).replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    beside = (images.with_name(spelling) for spelling in (name, plain, plain + ".gz"))
    return next((path for path in beside if path.is_file()), None)


def read_idx_folder(folder: Path, classes: Sequence[str] = ()) -> Raw:
    """All images of a folder of IDX files; files named test or t10k are the source's own test set. Raises DataError."""
    files = image_files(folder)
    tests = [key for key in files if "test" in key or "t10k" in key]
    trains = [key for key in files if key not in tests]
    if len(trains) != 1 or len(tests) > 1:
        names = ", ".join(sorted(path.name for path in files.values())) or "none"
        raise DataError(
            f"{folder}: expected one IDX file of training images and at most one of test images, found {names}; "
            "leave only those in the folder"
        )
    parts, labels = [], []
    for key in trains + tests:
        images = read_idx(files[key])
        if images.ndim != 3:
            raise DataError(f"{files[key]}: not images: {images.ndim} dimensions instead of 3")
        beside = _labels_beside(files[key])
        parts.append(images)
        if beside is not None:
            numbers = read_idx(beside)
            if numbers.shape != images.shape[:1]:
                raise DataError(f"{beside}: {numbers.shape[0]} labels for {len(images)} images; fetch both files again")
            labels.append(numbers.astype(np.int64))
    if parts[0].shape[1:] != parts[-1].shape[1:]:
        raise DataError(f"{folder}: training images are {parts[0].shape[1:]}, test images {parts[-1].shape[1:]}")
    labelled = len(labels) == len(parts)
    joined = np.concatenate(labels) if labelled else None
    notes = () if labelled or not labels else ("labels not used: one of the IDX files of labels is missing",)
    if joined is not None and not classes:
        classes = [str(i) for i in range(int(joined.max(initial=0)) + 1)]
    return from_arrays(
        "folder of IDX files",
        np.concatenate(parts)[..., None],
        joined,
        classes=classes if labelled else (),
        own_test=len(parts[1]) if tests else 0,
        notes=notes,
    )
