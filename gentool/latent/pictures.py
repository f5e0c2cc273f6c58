"""Given pictures, files or images of a data set, as tensors in the shape that a model works on."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gentool.data.conform import conform, is_pixel_art, with_channels
from gentool.data.decode import Unreadable, decode, header, pillow_warnings, transparent
from gentool.data.images import ImageData, by
from gentool.data.raw import Pixels
from gentool.errors import DataError, OptionError

WHITE = (255, 255, 255)

Shape = tuple[int, int, int]


def read_pictures(paths: Sequence[Path], shape: Shape, notice: Callable[[str], None]) -> Tensor:
    """Picture files as (N, C, H, W) float in [0, 1]; `shape` is (C, H, W).

    Another size is brought to the model's: the middle is cut out where the proportions differ, pixel art is averaged,
    photographs are antialiased. Colours become grey for a model of one channel; what is transparent becomes white.
    Every such change is told to `notice`. Raises DataError naming the first file that cannot be read.
    """
    with pillow_warnings():
        return _stacked([_read(path, shape, notice) for path in paths], shape)


def indexed_pictures(images: ImageData, indices: Sequence[int], shape: Shape, notice: Callable[[str], None]) -> Tensor:
    """Images of a set by their place in its stored order (train, validation, test): (N, C, H, W) float in [0, 1].

    They are brought to `shape` (C, H, W) as picture files are. Raises OptionError for an index that is out of range.
    """
    for index in indices:
        if not 0 <= index < len(images):
            last = len(images) - 1
            raise OptionError(f"--index: {index} is out of range; {images.name} has images 0 to {last}")
    if images.shape != shape:
        notice(f"{images.name}: {by(images.shape)}; fitted to the model's {by(shape)}")
    return _stacked([_fitted(_stored(images, index), shape) for index in indices], shape)


def parse_indices(text: str) -> tuple[int, ...]:
    """`3,17` is (3, 17). Raises ValueError for anything but whole numbers with commas."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError("expected whole numbers with commas, such as 3,17")
    return tuple(map(int, parts))


def _read(path: Path, shape: Shape, notice: Callable[[str], None]) -> Pixels:
    try:
        content = path.read_bytes()
        found = header(content)
        pixels = decode(content, WHITE, grey=shape[0] == 1, enough=2 * max(shape[1:]))
        clear = transparent(content)
    except FileNotFoundError:
        raise DataError(f"{path}: no such picture") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder; give picture files, or a set of images with --data and --index") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Unreadable as error:
        raise DataError(f"{path}: not a readable picture: {error}") from None
    if found.animated:
        notice(f"{path}: a film; its first picture is taken")
    if clear is not None and clear.any():
        notice(f"{path}: its transparent parts are made white")
    own = (3 if not found.grey and _coloured(content) else 1), found.height, found.width
    if own[1:] != shape[1:] or own[0] > shape[0]:
        notice(f"{path}: {by(own)}; fitted to the model's {by(shape)}")
    return _fitted(pixels, shape)


def _coloured(content: bytes) -> bool:
    """Whether any pixel of a picture is not grey."""
    pixels = decode(content, WHITE, grey=False)
    return bool((pixels != pixels[..., :1]).any())


def _fitted(pixels: Pixels, shape: Shape) -> Pixels:
    """Pixels (H, W, 1 or 3) as those of a model's shape (C, H, W)."""
    channels, height, width = shape
    pixels = with_channels(pixels, channels)
    return conform(pixels, (width, height), "center", "auto", WHITE, is_pixel_art(pixels))


def _stored(images: ImageData, index: int) -> Pixels:
    """The pixels (H, W, C) of one image of a set; only this row is read of a set that is memory-mapped."""
    for split in images.splits.values():
        if index < len(split):
            return np.ascontiguousarray(split.images[index].permute(1, 2, 0).numpy())
        index -= len(split)
    raise IndexError(index)


def _stacked(pictures: Sequence[Pixels], shape: Shape) -> Tensor:
    if not pictures:
        return torch.empty(0, *shape)
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(255)
