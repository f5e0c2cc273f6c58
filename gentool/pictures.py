"""Opening picture files: regular files in known formats only.

Pillow runs Ghostscript for an EPS, whatever its name is; a named pipe would be waited for without end.
"""

import errno
import os
import stat
from pathlib import Path

from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
"""They are tried in this order."""


def check_regular(path: Path | str) -> None:
    """Raises OSError for a file that is missing or is no regular file."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def open_picture(path: Path | str, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """An image of Pillow's, in one of these formats. Raises OSError, and its UnidentifiedImageError for other files."""
    check_regular(path)
    return Image.open(path, formats=formats)
