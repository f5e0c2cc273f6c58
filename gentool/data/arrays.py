"""Images in arrays: .npy, .npz with images, labels and splits, arrays in memory."""

import math
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.data.decode import FLATTENED, TOLERANCE, value_range
from gentool.data.folder_names import ROLES
from gentool.data.prepare import SMALLEST, PrepareOptions
from gentool.data.raw import TEST, TRAIN, VALIDATION, Pixels, Raw, from_arrays, own_splits
from gentool.errors import DataError
from gentool.progress import counted, listed
from gentool.reading import check_regular
from gentool.transparency import premultiplied

Array = NDArray[Any]

IMAGE_WORDS = ("images", "image", "x", "data", "imgs", "img", "pixels", "arr_0")
LABEL_WORDS = ("labels", "label", "y", "targets", "target", "classes", "class", "arr_1")
_LARGEST, _SMALL, _LARGEST_RATIO = 16 * 2**30, 2**26, 200
"""The limit of an .npz file's arrays: this number of bytes, and the larger of that number and this multiple of its
size."""
_FORMS = "expected (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels"


def read_npy(path: Path, options: PrepareOptions) -> Raw:
    """The images of a .npy file, without labels. Raises DataError."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("its content is an .npz file")
    except Exception as error:  # the errors of NumPy's reader have no common base
        raise DataError(f"{path}: not a readable .npy file of numbers ({shortened(error)})") from None
    (pixels,), notes = as_pixels([array], [str(path)], options)
    return from_arrays(".npy file", pixels, notes=notes)


def load_npz(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Array]:
    """The arrays of an .npz file whose names are wanted. Raises DataError.

    What they unpack to is bounded before memory is taken.
    """
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        size = sum(member.file_size for member in members)
        if size > min(_LARGEST, max(_SMALL, _LARGEST_RATIO * path.stat().st_size)):
            raise DataError(f"{path}: unpacks to {size / 2**30:,.1f} GiB; give .npy files instead")
        if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
            raise DataError(f"{path}: compressed with a method that NumPy does not use")
        with np.load(path, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files if wanted(name)}
    except (DataError, FileNotFoundError):
        raise
    except Exception as error:  # the errors of NumPy's reader have no common base
        raise DataError(f"{path}: not a readable .npz file of numbers ({shortened(error)})") from None


def shortened(error: Exception) -> str:
    """An error in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def read_npz(path: Path, options: PrepareOptions) -> Raw:
    """The images, labels and splits of a .npz file. Raises DataError.

    Arrays are found by the words in their names: `images` and `labels`, `x_train` and `y_train` (Keras), `train_images`
    and `train_labels` (MedMNIST), `imgs` (dSprites).
    """
    meanings: dict[str, tuple[int | None, str] | None] = {}

    def meant(name: str) -> bool:
        meanings[name] = part_of(name)
        return meanings[name] is not None

    arrays = load_npz(path, meant)
    if "arr_2" in meanings:
        raise DataError(f"{path}: {listed(list(meanings))}: give the arrays names: np.savez(file, x_train=…, …)")
    images, labels = _parts(path, arrays)
    if not images:
        known = ", ".join(IMAGE_WORDS[:-1])
        raise DataError(f"{path}: no array of images; name it one of {known} (found {', '.join(meanings) or 'none'})")
    unlabelled = []
    notes = []
    if labels and TRAIN in images and TRAIN not in labels:
        notes.append(f"labels not used: {images[TRAIN]} has none")
        labels = {}
    if TRAIN in labels:  # as for folders, images without a class stay apart from those that have one
        unlabelled = [images[role] for role in images if role not in labels]
        images = {role: name for role, name in images.items() if role in labels}
    where = [f"{path}: {name}" for name in images.values()]
    parts, remarks = as_pixels([arrays[name] for name in images.values()], where, options)
    notes += remarks
    if len({part.shape[1:] for part in parts}) > 1:
        shapes = " and ".join(f"{name} {arrays[name].shape}" for name in images.values())
        raise DataError(f"{path}: images of different shapes: {shapes}")
    own = own_splits([(role or TRAIN, len(part)) for role, part in zip(images, parts, strict=True)])
    numbers = None
    classes: list[str] = []
    if labels and all(role in labels for role in images):
        given = [
            labels_of(arrays[labels[role]], len(part), f"{path}: {labels[role]}")
            for role, part in zip(images, parts, strict=True)
        ]
        if len({one.dtype.kind in "biuf" for one in given}) > 1:
            both = listed([labels[role] for role in images])
            raise DataError(f"{path}: {both}: some are numbers, some are names")
        numbers, classes = classes_of(np.concatenate(given))
    if unlabelled:
        many = sum(len(arrays[name]) for name in unlabelled)
        notes.append(f"left out: {counted(many, 'image')} of {' and '.join(unlabelled)}, which have no labels")
    return from_arrays(".npz file", np.concatenate(parts), numbers, classes=classes, own=own, notes=notes)


def part_of(name: str) -> tuple[int | None, str] | None:
    """The split that an array's name says, None for no split, and whether it holds `images` or `labels`.

    >>> part_of("x_train"), part_of("val_labels"), part_of("imgs"), part_of("latents_values")
    ((0, 'images'), (1, 'labels'), (None, 'images'), None)
    """
    plain = name.lower()
    if plain in ("arr_0", "arr_1"):
        return None, "images" if plain == "arr_0" else "labels"
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    roles = [ROLES[word] for word in words if word in ROLES]
    others = [word for word in words if word not in ROLES]
    if len(others) != 1 or len(roles) > 1:
        return None
    kind = "images" if others[0] in IMAGE_WORDS else "labels" if others[0] in LABEL_WORDS else None
    return None if kind is None else (roles[0] if roles else None, kind)


def _parts(path: Path, arrays: Mapping[str, Array]) -> tuple[dict[int | None, str], dict[int | None, str]]:
    """The names of the arrays of images, and of labels, by split. Arrays of splits come before those without one.

    Raises DataError where several arrays could be one.
    """
    found: dict[str, dict[int | None, list[str]]] = {"images": {}, "labels": {}}
    for name, array in arrays.items():
        meaning = part_of(name)
        if meaning is None or (meaning[1] == "images" and not _may_be_images(array)) or array.ndim == 0:
            continue
        found[meaning[1]].setdefault(meaning[0], []).append(name)
    chosen: dict[str, dict[int | None, str]] = {"images": {}, "labels": {}}
    for kind, words in (("images", IMAGE_WORDS), ("labels", LABEL_WORDS)):
        for role, names in found[kind].items():
            ranked = sorted(names, key=lambda name: next(i for i, word in enumerate(words) if word in name.lower()))
            plain = [re.sub(r"[\d_]+$", "", name) for name in ranked]
            if len(plain) > 1 and plain[0] == plain[1]:
                raise DataError(f"{path}: {' and '.join(ranked)}: several arrays of {kind}; keep one, or join them")
            chosen[kind][role] = ranked[0]
    images, labels = chosen["images"], chosen["labels"]
    splits = [role for role in (TRAIN, VALIDATION, TEST) if role in images]
    if TRAIN in splits:
        return {role: images[role] for role in splits}, {role: labels[role] for role in splits if role in labels}
    return {None: images[None]} if None in images else {}, {None: labels[None]} if None in labels else {}


def _may_be_images(array: Array) -> bool:
    """Whether an array can hold images: those of boxes or points have rows that are too short."""
    return array.ndim > 2 or (array.ndim == 2 and array.shape[1] >= SMALLEST * SMALLEST)


def labels_of(labels: Array, count: int, where: str) -> Array:
    """One label for each of `count` images, from (N,), (N, 1), or one-hot (N, K). Raises DataError for other shapes."""
    if labels.ndim == 0 or len(labels) != count:
        raise DataError(f"{where}: shape {labels.shape}; expected one for each of the {count} images")
    if labels.size == count:
        return labels.ravel()
    one_hot = labels.ndim == 2 and labels.dtype.kind in "biuf" and bool(np.isin(labels, (0, 1)).all())
    if not one_hot or not (labels.sum(1) == 1).all():
        raise DataError(
            f"{where}: shape {labels.shape}; expected one label for each image, or one-hot rows; without "
            "the labels, the images are read without classes"
        )
    return labels.argmax(1)


def classes_of(labels: Array) -> tuple[NDArray[np.int64], list[str]]:
    """Labels of any kind as 0, 1, 2 ... and the names of the classes, which are those that occur.

    Raises DataError for labels that are missing, or of several kinds.
    """
    if labels.dtype == object or (np.issubdtype(labels.dtype, np.floating) and np.isnan(labels).any()):
        raise DataError("labels: some are missing or of another kind; expected all names, or all numbers")
    if np.issubdtype(labels.dtype, np.floating) and len(labels) and (labels == labels.round()).all():
        labels = labels.astype(np.int64)
    names, numbers = np.unique(labels, return_inverse=True)
    texts = [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names]
    return numbers.reshape(-1).astype(np.int64), texts


def as_pixels(arrays: Sequence[Array], where: Sequence[str], options: PrepareOptions) -> tuple[list[Pixels], list[str]]:
    """Arrays of images as uint8 (N, H, W, 1 or 3), with one range for all of them, and remarks.

    Where the options say 4 channels, those of 4 stay as they are, premultiplied.

    Raises DataError for other shapes, types and ranges; `where` names the arrays.
    """
    arranged = [_arranged(array, place, options) for array, place in zip(arrays, where, strict=True)]
    limit, notes = _limit(arranged, where)
    pixels, transparent = [], False
    for array in arranged:
        part = array if limit == 255 and array.dtype == np.uint8 else _scaled(array, limit)
        if part.shape[3] == 4:
            transparent |= bool((part[..., 3] < 255).any())
            keep = options.channels == 4
            part = premultiplied(part) if keep else _flattened(part, options.background_colour)
        pixels.append(part)
    if transparent and options.channels != 4 and options.background is None:
        notes.append(f"transparent parts, {FLATTENED}")
    return pixels, notes


def _arranged(array: Array, where: str, options: PrepareOptions) -> Array:
    """The array as (N, H, W, C)."""
    if array.ndim == 2 and options.channels == 4:
        raise DataError(f"{where}: shape {array.shape}: --channels 4 needs (N, H, W, 4)")
    if array.ndim == 2:
        side = math.isqrt(array.shape[1])
        if side * side != array.shape[1]:
            hint = "; for colour give (N, H, W, 3)" if array.shape[1] % 3 == 0 else ""
            raise DataError(f"{where}: shape {array.shape} is not rows of square grey images{hint}; {_FORMS}")
        array = array.reshape(len(array), side, side)
    if array.ndim == 3 and array.shape[2] in (1, 3, 4):
        raise DataError(f"{where}: shape {array.shape} is one image; {_FORMS}")
    if array.ndim == 3 and array.shape[0] == array.shape[1] and array.shape[2] > 2 * array.shape[0]:
        raise DataError(
            f"{where}: shape {array.shape} looks like images along the last axis; give x.transpose(2, 0, 1), or "
            "x[..., None] if the first axis counts the images"
        )
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape:
        raise DataError(f"{where}: shape {array.shape}; {_FORMS}")
    if array.shape[3] not in (1, 3, 4):
        if array.shape[1] not in (1, 3, 4):
            raise DataError(f"{where}: shape {array.shape}; {_FORMS}")
        array = array.transpose(0, 2, 3, 1)
    return array


def _limit(arrays: Sequence[Array], where: Sequence[str]) -> tuple[int, list[str]]:
    """The value that becomes 255: what the range of the values says, whatever their type. Raises DataError."""
    if all(array.dtype == np.uint8 for array in arrays):
        return 255, []
    kinds = {array.dtype.kind for array in arrays}
    if not kinds <= set("biuf"):
        raise DataError(f"{where[0]}: values of type {arrays[0].dtype}; expected numbers")
    low, high = min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)
    tolerance = TOLERANCE if "f" in kinds else 0
    limit = value_range(high)
    if not -tolerance <= low or limit is None or ("f" in kinds and limit > 255):  # also refuses NaN
        hint = "; (x + 1) / 2 turns -1 to 1 into 0 to 1" if -1 - TOLERANCE <= low < 0 and high <= 1 + TOLERANCE else ""
        description = f"{arrays[0].dtype} values from {low:g} to {high:g}"
        raise DataError(f"{where[0]}: {description}; expected 0 to 255, 0 to 1, or up to 16 bits{hint}")
    for array, place in zip(arrays, where, strict=True):
        if limit > 1 and array.size and value_range(float(array.max())) == 1 and float(array.max()) > 0:
            raise DataError(f"{place}: values up to {float(array.max()):g}, where {where[0]} has values up to {high:g}")
    usual = kinds <= set("b") or ("f" in kinds and limit == 1) or limit in (255, 65535)
    return limit, [] if usual else [f"values from {low:g} to {high:g}: {limit} is white"]


def _scaled(array: Array, limit: int) -> Pixels:
    pixels: Pixels = np.clip(np.rint(array * (255 / limit)), 0, 255).astype(np.uint8)
    return pixels


def _flattened(pixels: Pixels, background: tuple[int, int, int]) -> Pixels:
    """RGBA pixels on a background."""
    opaque = pixels[..., 3:].astype(np.uint16)
    behind = np.array(background, np.uint16)
    flat: Pixels = ((pixels[..., :3] * opaque + behind * (255 - opaque) + 127) // 255).astype(np.uint8)
    return flat
