"""One image file, whatever its format and mode, as 8-bit grey, RGB or RGBA pixels the right way up."""

import contextlib
import functools
import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gentool.data.raw import Pixels
from gentool.pictures import FORMATS, WEBP_HEAD, webp_size
from gentool.transparency import premultiplied

# Formats that run another program, or that Pillow recognises but cannot read.
_NOT_OPENED = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "PDF"}
_SIDEWAYS = {5, 6, 7, 8}
_ORIENTATION = 0x0112
_TURNING = {"exif", "xmp"}
"""What of a JPEG may say how it is turned."""
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
RANGES = (1, 255, 1023, 4095, 16383, 65535)
"""The largest value of images of 1, 8, 10, 12, 14 and 16 bits."""
TOLERANCE = 1e-3
"""Floating-point values may be this far outside 0 to 1."""

BUDGET = 2**29
"""Bytes that reading a picture may take. One process or thread for each core reads pictures."""
BYTES_PER_PIXEL = {"1": 4, "L": 4, "RGB": 10}
"""What reading takes at its peak, by mode; 16 in other modes."""
FLATTENED = "which become white; give `gentool prepare` another --background, or --channels 4 to keep them"


class Unreadable(Exception):
    """This file cannot be used; the message is the reason."""


class Picture(NamedTuple):
    """A decoded image file.

    `pixels` is uint8 (H, W, C) of the first frame: grey, RGB or premultiplied RGBA. `width` and `height` are those of
    the upright picture at its full size, which the pixels of a large JPEG may not have. `largest` is the largest value
    of a picture of more than 8 bits before it was scaled, None for others. `transparent` says whether a pixel of the
    file is not opaque.
    """

    pixels: Pixels
    width: int
    height: int
    mode: str
    animated: bool
    turned: bool
    largest: float | None = None
    transparent: bool = False


def value_range(largest: float) -> int | None:
    """The smallest of `RANGES` that has this value, None above them all."""
    return next((limit for limit in RANGES if largest <= limit + TOLERANCE * (limit == 1)), None)


@functools.cache
def _other_formats() -> list[str]:
    """Those that are tried last; loading all of Pillow's readers takes longer than reading a thousand pictures."""
    Image.init()
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return [name for name in Image.OPEN if name not in {*FORMATS, *_NOT_OPENED}]


@contextmanager
def pillow_warnings() -> Iterator[None]:
    """Pillow's warnings about odd files are silent, the one about giant images is an error, in all threads.

    `catch_warnings` acts on the whole process: enter it once around the threads, not inside them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _unreadable(error: Exception, content: bytes) -> Unreadable:
    """The reason why Pillow raised an error for this file."""
    if isinstance(error, Unreadable):
        return error
    if isinstance(error, UnidentifiedImageError):
        if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
            return Unreadable("HEIC, which needs another package: pip install pillow-heif")
        return Unreadable("not an image in a known format")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return Unreadable(f"more than {(Image.MAX_IMAGE_PIXELS or 0) // 10**6} million pixels")
    usual = isinstance(error, OSError | SyntaxError | ValueError | EOFError | struct.error | zlib.error)
    reason = " ".join(str(error).split())[:200]
    return Unreadable(f"damaged: {reason}" if usual else f"damaged: {type(error).__name__}: {reason}")


def _open(content: bytes) -> Image.Image:
    if not content:
        raise Unreadable("empty file")
    width, height = webp_size(content[:WEBP_HEAD])
    if width * height > (Image.MAX_IMAGE_PIXELS or math.inf):
        raise Image.DecompressionBombError
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        return Image.open(io.BytesIO(content), formats=_other_formats())


def _orientation(image: Image.Image) -> int:
    if image.format == "JPEG" and not _TURNING & image.info.keys():
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # an unreadable EXIF block says nothing about orientation
        return 1


def read_picture(
    content: bytes,
    background: tuple[int, int, int],
    *,
    channels: int | None = None,
    enough: int | None = None,
    largest: int | None = None,
    budget: int = BUDGET,
) -> Picture:
    """The first frame of an image file.

    EXIF orientation is applied, colours are converted to sRGB, transparency is flattened onto `background` unless there
    are 4 channels.

    Args:
        channels: 1 (grey), 3 (RGB) or 4 (premultiplied RGBA); None for grey or RGB, as the file is.
        enough: A JPEG that is much larger is decoded at a half, a quarter or an eighth whose sides are at least this.
        largest: The value that becomes 255 in pictures of more than 8 bits; None for the end of the smallest range that
            holds the picture's values.
        budget: The most bytes that reading may take.

    Raises Unreadable.
    """
    try:
        return _read(content, background, channels, enough, largest, budget)
    except Exception as error:  # Pillow's readers raise nearly anything on a crafted file
        raise _unreadable(error, content) from None


def _read(
    content: bytes,
    background: tuple[int, int, int],
    channels: int | None,
    enough: int | None,
    largest: int | None,
    budget: int,
) -> Picture:
    with _open(content) as image:
        mode, size = image.mode, image.size
        animated = bool(getattr(image, "is_animated", False))
        turned = _orientation(image)
        if enough is not None and image.format == "JPEG":
            image.draft(mode, (enough, enough))
        per_pixel = 16 if channels == 4 else BYTES_PER_PIXEL.get(mode, 16)
        if image.width * image.height * per_pixel > budget:
            raise Unreadable(f"more than {budget // per_pixel // 10**6} million pixels of mode {mode}")
        image.load()
        # Pillow turns a TIFF when it loads it.
        left = _orientation(image) if turned != 1 and image.format == "TIFF" else turned
        upright = ImageOps.exif_transpose(image) if left != 1 else image
        if image.format != "JPEG":
            size = upright.size
        elif turned in _SIDEWAYS:
            size = size[1], size[0]
        deepest, clear = None, False
        if mode.startswith("I") or mode == "F":
            shown, deepest = _eight_bits(upright, largest)
        else:
            shown = _in_srgb(upright)
            if shown.has_transparency_data:
                shown = shown.convert("RGBA")
                clear = shown.getchannel("A").getextrema() != (255, 255)
            if channels != 4:
                shown = _flattened(shown, background)
        pixels = _as_array(shown, channels)
    return Picture(pixels, size[0], size[1], mode, animated, turned != 1, deepest, clear)


def decode(content: bytes, background: tuple[int, int, int], *, grey: bool, enough: int | None = None) -> Pixels:
    """The pixels of the first frame, uint8 (H, W, 1) when `grey` else (H, W, 3). Raises Unreadable."""
    return read_picture(content, background, channels=1 if grey else 3, enough=enough).pixels


def _as_array(image: Image.Image, channels: int | None) -> Pixels:
    """An image as (H, W, C); of mode L or RGB where the channels are not given."""
    if channels is not None:
        image = _in_mode(image, {1: "L", 3: "RGB", 4: "RGBA"}[channels])
    pixels = np.asarray(image)
    if channels == 4:
        return premultiplied(pixels)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image in a mode; where it has it already, without the copy that `convert` makes."""
    return image if image.mode == mode else image.convert(mode)


def _flattened(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """The image as L or RGB without transparency."""
    if image.mode == "RGBA":
        canvas = Image.new("RGB", image.size, background)
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return _in_mode(image, "L" if image.mode in ("1", "L", "LA", "La") else "RGB")


def _eight_bits(image: Image.Image, largest: int | None) -> tuple[Image.Image, float]:
    """16-bit and floating-point grey as 8 bits, and the largest value. Raises Unreadable for no known range."""
    with np.errstate(invalid="ignore"):  # NaN is refused below
        values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    tolerance = TOLERANCE if image.mode == "F" else 0
    own = value_range(high)
    if not -tolerance <= low or own is None or (image.mode == "F" and own > 255):  # also refuses NaN
        raise Unreadable(f"grey values from {low:g} to {high:g}, outside every known range")
    values *= 255 / (largest or own)
    np.clip(np.rint(values, out=values), 0, 255, out=values)
    return Image.fromarray(values.astype(np.uint8)), high


def _in_srgb(image: Image.Image) -> Image.Image:
    """The image with its colours converted to sRGB, where it has a colour profile that can be read."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    transform = _transform(profile, image.mode, target)
    return image if transform is None else ImageCms.applyTransform(image, transform) or image


@functools.lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str, target: str) -> Any:
    """The conversion from a colour profile to sRGB; None for sRGB itself, and for a profile that cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, target)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def transparent(content: bytes) -> NDArray[np.bool_] | None:
    """Where an image is wholly transparent, bool (H, W), or None when it has no transparency. Raises Unreadable."""
    try:
        with _open(content) as image:
            if not image.has_transparency_data:
                return None
            clear: NDArray[np.bool_] = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))[..., 3] == 0
            return clear
    except Exception as error:
        raise _unreadable(error, content) from None
