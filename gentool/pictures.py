"""Opening picture files: regular files in known formats only, of a bounded size.

Pillow runs Ghostscript for an EPS, whatever its name is; a named pipe would be waited for without end.
"""

import warnings
from pathlib import Path

from PIL import Image

from gentool.reading import check_regular

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
"""They are tried in this order."""
MOST_PIXELS = 2**26
"""The most pixels of a picture that a user gives, or that a run has drawn."""
WEBP_HEAD = 30


def open_picture(path: Path | str, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """An image of Pillow's with its pixels, in one of these formats. Raises OSError for whatever cannot be read."""
    check_regular(path)
    with open(path, "rb") as file:
        width, height = webp_size(file.read(WEBP_HEAD))
    if width * height > MOST_PIXELS:
        raise OSError(f"{width}x{height} pixels are too many")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=formats)
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise OSError(f"{image.width}x{image.height} pixels are too many")
            image.load()
            return image
    except (OSError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise nearly anything on a crafted file
        raise OSError(f"damaged: {type(error).__name__}: {error}") from error


def webp_size(head: bytes) -> tuple[int, int]:
    """Width and height of a WebP, from its first bytes; (0, 0) for another file.

    Its reader takes memory for all pixels before Pillow can look at them.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < WEBP_HEAD:
        return 0, 0
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
