"""Pictures in the terminal: two pixels in a character, as a half block in two colours."""

import codecs
from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich_pixels import Pixels
from torch import Tensor

from gentool.figures.grids import PADDING, grid, legible_scale
from gentool.transparency import chequers, over, premultiplied

ACROSS = 4
"""Images are shrunk until this many stand side by side."""
LINES_LEFT = 4
"""Lines of the terminal that stay for the command and what it says."""
SQUARE = 4
"""Pixels of a square of the ground behind transparent pixels."""


def shows_pictures(console: Console) -> bool:
    """Whether the console is a terminal that can draw half blocks in many colours."""
    if not console.is_terminal or console.no_color or console.color_system not in ("256", "truecolor"):
        return False
    return codecs.lookup(console.encoding).name.startswith("utf")


def room(console: Console) -> tuple[int, int]:
    """Width and height of the largest picture that fits on the screen, in pixels."""
    columns, lines = console.size
    return max(1, columns - 1), max(4, 2 * (lines - LINES_LEFT))


def layout(height: int, width: int, console: Console) -> tuple[int, int, int, int]:
    """Rows and columns of a grid that fits on the screen, and the height and width of its images in pixels.

    Images of this height and width are shrunk until `ACROSS` of them stand side by side.
    """
    across, down = room(console)
    factor = min(1.0, (across // ACROSS - 1) / width, (down - 2) / height)
    height, width = max(1, round(height * factor)), max(1, round(width * factor))
    return max(1, (down - 1) // (height + 1)), max(1, (across - 1) // (width + 1)), height, width


def draw_images(images: Tensor, console: Console) -> None:
    """Draw the first of the images (N, C, H, W) in [0, 1] in a grid, as many as fit on the screen."""
    rows, columns, height, width = layout(images.shape[2], images.shape[3], console)
    small = F.interpolate(images[: rows * columns], (height, width), mode="area")
    draw(Image.fromarray(grid(small, columns, padding=1, scale=1)), console)


def first_images(picture: Image.Image, shape: Sequence[int], console: Console) -> Image.Image:
    """The part of a grid with images of a shape (C, H, W) that fits on the screen at the size of `layout`."""
    _, height, width = shape
    rows, columns, _, _ = layout(height, width, console)
    scale = legible_scale(height, width)
    across, down = columns * (width * scale + PADDING) + PADDING, rows * (height * scale + PADDING) + PADDING
    return picture.crop((0, 0, min(picture.width, across), min(picture.height, down)))


def draw(picture: Image.Image, console: Console) -> None:
    """Draw a picture, shrunk to the screen. Transparent pixels stand on a chequered ground."""
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA"):
        pixels = premultiplied(np.asarray(picture.convert("RGBA")))
        picture = Image.fromarray(over(pixels, chequers(pixels.shape[0], pixels.shape[1], SQUARE)))
    picture = picture.convert("RGB")
    picture.thumbnail(room(console), Image.Resampling.BOX)
    if picture.height % 2:  # the lower half of the last line
        whole = Image.new("RGB", (picture.width, picture.height + 1), "white")
        whole.paste(picture)
        picture = whole
    console.print(Pixels.from_image(picture))
