"""One image file, whatever its format and mode, as 8-bit grey or RGB pixels the right way up."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from gentool.data.raw import Pixels

# Formats that run another program, or that Pillow recognises but cannot read.
_NOT_OPENED = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "PDF"}
_GREY = {"1", "L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N", "LA", "La"}
_SIDEWAYS = {5, 6, 7, 8}
_ORIENTATION = 0x0112


class Unreadable(Exception):
    """This file cannot be used; the message is the reason."""


@dataclass(frozen=True)
class PictureInfo:
    """What the header of an image file says. Width and height are those after EXIF rotation."""

    width: int
    height: int
    mode: str
    grey: bool
    animated: bool
    turned: bool


@cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name not in _NOT_OPENED]


@contextmanager
def pillow_warnings() -> Iterator[None]:
    """Pillow's warnings about odd files are silent, the one about giant images is an error, in all threads.

    `catch_warnings` acts on the whole process: enter it once around the threads, not inside them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn whatever Pillow raises for a damaged file into a reason."""
    try:
        yield
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable("not an image that can be read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(f"more than {(Image.MAX_IMAGE_PIXELS or 0) // 10**6} million pixels") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise Unreadable(f"damaged: {error}") from None
    except Exception as error:  # Pillow's readers raise nearly anything on a crafted file
        raise Unreadable(f"damaged: {type(error).__name__}: {error}") from None


def _open(content: bytes) -> Image.Image:
    if not content:
        raise Unreadable("empty file")
    return Image.open(io.BytesIO(content), formats=_formats())


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # an unreadable EXIF block says nothing about orientation
        return 1


def picture_info(content: bytes) -> PictureInfo:
    """The description of an image file, from its header. Raises Unreadable."""
    with _reasons(), _open(content) as image:
        width, height = image.size
        turned = _orientation(image)
        if turned in _SIDEWAYS:
            width, height = height, width
        animated = bool(getattr(image, "is_animated", False))
        return PictureInfo(width, height, image.mode, image.mode in _GREY, animated, turned != 1)


def decode(content: bytes, background: tuple[int, int, int], *, grey: bool, enough: int | None = None) -> Pixels:
    """The pixels of the first frame, uint8 (H, W, 1) when `grey` else (H, W, 3).

    EXIF orientation is applied, transparency is flattened onto `background`, 16 bits are scaled to 8. A JPEG
    that is much larger is decoded at a half, a quarter or an eighth whose sides are at least `enough`. Raises
    Unreadable.
    """
    with _reasons(), _open(content) as image:
        if enough is not None and image.format == "JPEG":
            image.draft(image.mode, (enough, enough))
        image.load()
        turned = _orientation(image)
        upright = ImageOps.exif_transpose(image) if turned != 1 else image
        flat = _flattened(upright, background)
        pixels = np.asarray(flat.convert("L" if grey else "RGB"))
    return pixels[..., None] if grey else pixels


def _flattened(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """The image as L or RGB without transparency."""
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image)
    if image.has_transparency_data:
        full = image.convert("RGBA")
        canvas = Image.new("RGB", full.size, background)
        canvas.paste(full, mask=full.getchannel("A"))
        return canvas
    return image.convert("L") if image.mode in ("1", "L") else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit and floating-point grey as 8 bits. Raises Unreadable where the range cannot be known."""
    values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        scale = 255.0 if high <= 1 else 1.0
        known = low >= 0 and high <= 255
    else:
        scale = 255 / 65535
        known = low >= 0 and high <= 65535
    if not known:
        raise Unreadable(f"grey values from {low:g} to {high:g}, outside every known range")
    return Image.fromarray(np.rint(values * scale).astype(np.uint8))


def transparent(content: bytes) -> NDArray[np.bool_] | None:
    """Where an image is wholly transparent, bool (H, W), or None when it has no transparency. Raises Unreadable."""
    with _reasons(), _open(content) as image:
        if not image.has_transparency_data:
            return None
        clear: NDArray[np.bool_] = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))[..., 3] == 0
        return clear
