"""Images for a trained model: picture files, images of a data set, and the data that it was trained on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gentool.data import cache
from gentool.data.catalog import CATALOG
from gentool.data.conform import conform, is_pixel_art, with_channels
from gentool.data.decode import Unreadable, pillow_warnings, read_picture
from gentool.data.folders import LARGEST_FILE
from gentool.data.images import ImageData, size_text
from gentool.data.load import Source, load_data
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Pixels
from gentool.data.store import open_prepared
from gentool.data.survey import is_coloured
from gentool.data.target import is_prepared
from gentool.engine.checkpoint import Header
from gentool.errors import DataError, OptionError
from gentool.networks.layers import Shape
from gentool.progress import SILENT, Reporter
from gentool.reading import read_bytes

WHITE = (255, 255, 255)

Notice = Callable[[str], None]


def load_for(
    header: Header,
    data: Source | None = None,
    options: PrepareOptions | None = None,
    *,
    reporter: Reporter = SILENT,
) -> ImageData:
    """Images in the shape that a model takes: those of its training, or `data`, or those that `data` names.

    Images of another shape are prepared again in the model's, with a notice. Raises DataError for prepared images of
    another shape, and where the images of the training are gone.
    """
    name = training_data(header, reporter=reporter) if data is None else data
    options = options or PrepareOptions()
    images = name if isinstance(name, ImageData) else load_data(name, options, reporter=reporter)
    if images.shape == header.shape:
        return images
    channels, height, width = header.shape
    if not isinstance(name, str | Path) or is_prepared(Path(name)):
        raise DataError(
            f"{images.name}: its images are {size_text(images.shape)}, the model's {size_text(header.shape)}; prepare "
            f"them again with --size {width}x{height} --channels {channels}"
        )
    again = replace(options, size=(width, height), channels=1 if channels == 1 else 4 if channels == 4 else 3)
    try:
        resized = load_data(name, again, reporter=reporter)
    except OptionError as error:  # some named sets have certain sizes only
        raise DataError(
            f"{images.name}: its images are {size_text(images.shape)}, the model's {size_text(header.shape)} ({error})"
        ) from error
    reporter.notice(f"{images.name}: {size_text(images.shape)}, resized to the model's {size_text(header.shape)}")
    return resized


def training_data(header: Header, *, reporter: Reporter = SILENT) -> str:
    """The folder or name of the images that a model was trained on. Raises DataError when they are gone.

    Where the folder of a named set is damaged by now, the set is found by its name.
    """
    folder = data_folder(header)
    if folder is not None and header.data in CATALOG:
        try:
            open_prepared(folder)
        except DataError as error:
            reporter.notice(f"{error}. Using {header.data} by name instead")
            return header.data
    if folder is not None:
        return str(folder)
    if header.data in CATALOG:
        return header.data
    raise DataError(f"{header.data}: the training images were not found; give --data (in Python: data)")


def data_folder(header: Header) -> Path | None:
    """The prepared folder of the images that a model was trained on; None when it is gone, or on another machine."""
    folders = [cache.noted_data(header.fingerprint), Path(header.folder) if header.folder else None]
    return next((folder for folder in folders if folder is not None and is_prepared(folder)), None)


def read_pictures(paths: Sequence[Path], shape: Shape, *, reporter: Reporter = SILENT) -> Tensor:
    """Picture files as (N, C, H, W) float in [0, 1]; `shape` is (C, H, W).

    Another size is brought to the model's: the middle is cut out where the proportions differ, pixel art is averaged,
    photographs are antialiased. Colours become grey for a model of one channel, transparent parts become white unless
    it has four. Each of these changes is a notice. Raises DataError for the first file that cannot be read.
    """
    with pillow_warnings():
        return _stacked([_read(path, shape, reporter.notice) for path in paths], shape)


def indexed_images(data: ImageData, indices: Sequence[int], shape: Shape, *, reporter: Reporter = SILENT) -> Tensor:
    """Images of a data set by their place in its stored order (train, validation, test): (N, C, H, W) float in [0, 1].

    They are brought to `shape` (C, H, W) as picture files are. Raises OptionError for an index that is out of range.
    """
    for index in indices:
        if not 0 <= index < len(data):
            last = len(data) - 1
            raise OptionError(f"--index: {index} is out of range; {data.name} has images 0 to {last}")
    if data.shape != shape:
        reporter.notice(f"{data.name}: {size_text(data.shape)}, resized to the model's {size_text(shape)}")
    return _stacked([_fitted(_stored(data, index), shape) for index in indices], shape)


def picture_in(data: bytes, name: str, shape: Shape, *, reporter: Reporter = SILENT) -> Tensor:
    """The content of a picture file as (1, C, H, W) float in [0, 1], as `read_pictures` reads it.

    Raises DataError where it cannot be read.
    """
    with pillow_warnings():
        return _stacked([_decoded(data, name, shape, reporter.notice)], shape)


def _read(path: Path, shape: Shape, notice: Notice) -> Pixels:
    try:
        return _decoded(read_bytes(path, LARGEST_FILE), str(path), shape, notice)
    except FileNotFoundError:
        raise DataError(f"{path}: no such picture") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder; give picture files, or a data set with --data and --index") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _decoded(data: bytes, name: str, shape: Shape, notice: Notice) -> Pixels:
    try:
        picture = read_picture(data, WHITE, channels=4 if shape[0] == 4 else None, enough=2 * max(shape[1:]))
    except Unreadable as error:
        raise DataError(f"{name}: not a readable picture: {error}") from None
    if picture.animated:
        notice(f"{name}: an animation; its first frame is used")
    if picture.transparent and shape[0] != 4:
        notice(f"{name}: its transparent parts become white")
    own = (shape[0] if shape[0] == 4 else 3 if is_coloured(picture) else 1), picture.height, picture.width
    if own[1:] != shape[1:] or own[0] > shape[0]:
        notice(f"{name}: {size_text(own)}, resized to the model's {size_text(shape)}")
    return _fitted(picture.pixels, shape)


def _fitted(pixels: Pixels, shape: Shape) -> Pixels:
    """Pixels (H, W, 1, 3 or 4) brought to a model's shape (C, H, W)."""
    channels, height, width = shape
    pixels = with_channels(pixels, channels)
    return conform(pixels, (width, height), "center", "auto", WHITE, is_pixel_art(pixels))


def _stored(data: ImageData, index: int) -> Pixels:
    """The pixels (H, W, C) of one image of a set; only this row is read of a set that is memory-mapped."""
    for split in data.splits.values():
        if index < len(split):
            return np.ascontiguousarray(split.images[index].permute(1, 2, 0).numpy())
        index -= len(split)
    raise IndexError(index)


def _stacked(pictures: Sequence[Pixels], shape: Shape) -> Tensor:
    if not pictures:
        return torch.empty(0, *shape)
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(255)
