"""Images in NumPy files: .npy with one array, .npz with images and perhaps labels, perhaps with a test set."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.data.raw import Pixels, Raw, from_arrays
from gentool.errors import DataError

_IMAGE_KEYS = ("images", "x", "X", "data", "imgs", "arr_0")
_LABEL_KEYS = ("labels", "y", "Y", "targets", "latents_classes", "arr_1")
_LARGEST = 16 * 2**30
_FORMS = "expected (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels"


def read_npy(path: Path, background: tuple[int, int, int]) -> Raw:
    """The images of a .npy file, without labels. Raises DataError."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable .npy file of numbers ({error})") from None
    return from_arrays(".npy file", as_pixels(array, str(path), background))


def read_npz(path: Path, background: tuple[int, int, int]) -> Raw:
    """The images and labels of a .npz file (also Keras' x_train, y_train, x_test, y_test). Raises DataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _LARGEST:
                raise DataError(f"{path}: larger than {_LARGEST // 2**30} GiB unpacked; give a .npy file instead")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if _is_needed(name)}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npz file of numbers ({error})") from None
    if "x_train" in arrays:
        parts = [as_pixels(arrays[key], f"{path}: {key}", background) for key in ("x_train", "x_test") if key in arrays]
        labels = [arrays[key] for key in ("y_train", "y_test") if key in arrays]
        if len({part.shape[1:] for part in parts}) > 1 or len(labels) not in (0, len(parts)):
            raise DataError(f"{path}: x_train, x_test, y_train and y_test do not fit together")
        images = np.concatenate(parts)
        numbers = np.concatenate([label.ravel() for label in labels]) if labels else None
        own_test = len(parts[1]) if len(parts) > 1 else 0
    else:
        images = as_pixels(_images(arrays, path), str(path), background)
        key = next((key for key in _LABEL_KEYS if key in arrays and arrays[key].size == len(images)), None)
        numbers, own_test = (None if key is None else arrays[key].ravel()), 0
    if numbers is None:
        return from_arrays(".npz file", images, own_test=own_test)
    class_numbers, classes = classes_of(numbers)
    return from_arrays(".npz file", images, class_numbers, classes=classes, own_test=own_test)


def _is_needed(name: str) -> bool:
    return name in (*_IMAGE_KEYS, *_LABEL_KEYS, "x_train", "y_train", "x_test", "y_test")


def _images(arrays: Mapping[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    for key in _IMAGE_KEYS:
        if key in arrays and arrays[key].ndim in (3, 4):
            return arrays[key]
    names = ", ".join(_IMAGE_KEYS[:-1])
    raise DataError(f"{path}: no array of images; name it one of {names} (found {', '.join(arrays) or 'none'})")


def classes_of(labels: NDArray[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Labels of any kind as 0, 1, 2 … and the names of the classes. Whole numbers from 0 keep their value.

    Raises DataError for labels that are missing, or of several kinds.
    """
    if labels.dtype == object or (np.issubdtype(labels.dtype, np.floating) and np.isnan(labels).any()):
        raise DataError("labels: some are missing or of another kind; expected all names, or all numbers")
    if np.issubdtype(labels.dtype, np.integer) and len(labels) and labels.min() >= 0 and labels.max() < 1000:
        numbers = labels.astype(np.int64)
        if len(np.unique(numbers)) == numbers.max() + 1:
            return numbers, [str(i) for i in range(int(numbers.max()) + 1)]
    names, numbers = np.unique(labels, return_inverse=True)
    return numbers.astype(np.int64), [str(name) for name in names]


def as_pixels(array: NDArray[Any], where: str, background: tuple[int, int, int]) -> Pixels:
    """An array of images as uint8 (N, H, W, 1 or 3). Raises DataError for other shapes, types and ranges."""
    if array.ndim == 3 and array.shape[2] in (1, 3, 4):
        raise DataError(f"{where}: shape {array.shape} is one image; {_FORMS}")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape:
        raise DataError(f"{where}: shape {array.shape}; {_FORMS}")
    if array.shape[3] not in (1, 3, 4):
        if array.shape[1] not in (1, 3, 4):
            raise DataError(f"{where}: shape {array.shape}; {_FORMS}")
        array = array.transpose(0, 2, 3, 1)
    pixels = _bytes(array, where)
    if pixels.shape[3] < 4:
        return pixels
    opaque = pixels[..., 3:].astype(np.uint16)
    behind = np.array(background, np.uint16)
    return ((pixels[..., :3] * opaque + behind * (255 - opaque) + 127) // 255).astype(np.uint8)


def _bytes(array: NDArray[Any], where: str) -> Pixels:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise DataError(f"{where}: values of type {array.dtype}; expected uint8, or floats from 0 to 1")
    low, high = float(array.min()), float(array.max())
    most = 1 if np.issubdtype(array.dtype, np.floating) else 255
    if array.dtype == np.uint16 and high > 255:
        most = 65535
    if not 0 <= low <= high <= most:  # also refuses NaN
        description = f"{array.dtype} values from {low:g} to {high:g}"
        raise DataError(f"{where}: {description}; expected uint8, or floats from 0 to 1")
    return np.rint(array * (255 / most)).astype(np.uint8)
