"""Resize and crop images to the size of the prepared set."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from gentool.data.prepare import WHITE, Crop, Resample
from gentool.data.raw import Pixels
from gentool.transparency import over

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "lanczos": Image.Resampling.LANCZOS}
_MOST_COLOURS = 64
_PIXELS_PER_COLOUR = 16

Box = tuple[float, float, float, float]


def is_pixel_art(pixels: Pixels) -> bool:
    """Whether an image (H, W, C) has few colours, each covering many pixels."""
    height, width, _ = pixels.shape
    most = min(_MOST_COLOURS, height * width // _PIXELS_PER_COLOUR)
    return as_image(pixels).getcolors(most) is not None


def as_image(pixels: Pixels) -> Image.Image:
    """Pixels (H, W, C) as an image of Pillow's: grey, RGB, or premultiplied RGBA."""
    height, width, channels = pixels.shape
    if channels == 4:
        return Image.frombytes("RGBa", (width, height), pixels.tobytes())
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def grey_level(colour: tuple[int, int, int]) -> int:
    """The luminance of a colour as Pillow computes it (ITU-R 601-2)."""
    level = ImageColor.getcolor("#{:02x}{:02x}{:02x}".format(*colour), "L")
    assert isinstance(level, int)
    return level


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """The image (H, W, 1, 3 or 4) with this many channels. An alpha channel is opaque, or flattened onto white."""
    if pixels.shape[2] == channels:
        return pixels
    if pixels.shape[2] == 4:
        return with_channels(over(pixels, np.array(WHITE, np.uint8)), channels)
    if channels == 4:
        colours = with_channels(pixels, 3)
        return np.concatenate([colours, np.full_like(colours[..., :1], 255)], axis=2)
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]


def conform(
    pixels: Pixels,
    size: tuple[int, int],
    crop: Crop,
    resample: Resample,
    background: tuple[int, int, int],
    pixel_art: bool,
) -> Pixels:
    """The image (H, W, C) at `size` (width, height), with the same channels.

    `center` cuts the largest middle part of the right proportions, `pad` adds background around the whole (transparent
    pixels where there is an alpha channel), `stretch` ignores proportions.
    """
    height, width, channels = pixels.shape
    if (width, height) == size:
        return pixels
    whole: Box = (0, 0, width, height)
    if crop == "stretch":
        return resize(pixels, size, whole, resample, pixel_art)
    if crop == "center":
        part = min(width / size[0], height / size[1])
        across, down = size[0] * part, size[1] * part
        # Rounding may put an edge of the box slightly outside the image.
        left, top = max(0.0, (width - across) / 2), max(0.0, (height - down) / 2)
        box = (left, top, min(width, left + across), min(height, top + down))
        return resize(pixels, size, box, resample, pixel_art)
    factor = min(size[0] / width, size[1] / height)
    inner = max(1, round(width * factor)), max(1, round(height * factor))
    canvas = np.empty((size[1], size[0], channels), np.uint8)
    canvas[:] = 0 if channels == 4 else background if channels == 3 else grey_level(background)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = resize(pixels, inner, whole, resample, pixel_art)
    return canvas


def chosen_filter(box: Box, size: tuple[int, int], pixel_art: bool) -> Resample:
    """What `auto` means here: pixel art keeps its squares, photographs are antialiased."""
    if not pixel_art:
        return "lanczos"
    multiples = size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1])
    return "nearest" if all(multiple.is_integer() for multiple in multiples) else "area"


def resize(pixels: Pixels, size: tuple[int, int], box: Box, resample: Resample, pixel_art: bool) -> Pixels:
    """The part `box` (left, top, right, bottom) of an image (H, W, C) at `size` (width, height)."""
    how = chosen_filter(box, size, pixel_art) if resample == "auto" else resample
    if how == "nearest":
        rows, columns = _nearest(box[1], box[3], size[1]), _nearest(box[0], box[2], size[0])
        return pixels[rows[:, None], columns[None, :]]
    if how == "area":
        return _by_area(pixels, size, box)
    resized = np.asarray(as_image(pixels).resize(size, _FILTERS[how], box=box))
    if pixels.shape[2] == 4:  # Lanczos may overshoot: premultiplied colours are never above their alpha
        return np.minimum(resized, resized[..., 3:])
    return resized[..., None] if pixels.shape[2] == 1 else resized


def _nearest(low: float, high: float, count: int) -> NDArray[np.intp]:
    """The source index under the middle of each of `count` equal parts of low..high."""
    middles = low + (np.arange(count) + 0.5) * ((high - low) / count)
    indices: NDArray[np.intp] = np.floor(middles).astype(np.intp)
    return indices


def _by_area(pixels: Pixels, size: tuple[int, int], box: Box) -> Pixels:
    """Each new pixel is the mean of exactly the area that it covers, growing or shrinking."""
    height, width, _ = pixels.shape
    down, across = _overlaps(box[1], box[3], height, size[1]), _overlaps(box[0], box[2], width, size[0])
    mixed = np.einsum("yh,hwc->ywc", down, pixels.astype(np.float32), optimize=True)
    mixed = np.einsum("xw,ywc->yxc", across, mixed, optimize=True)
    rounded: Pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return rounded


def _overlaps(low: float, high: float, old: int, new: int) -> NDArray[np.float32]:
    """(new, old): the share of each new interval of low..high that lies in each old unit interval."""
    edges = np.linspace(low, high, new + 1)
    cells = np.arange(old)
    right = np.minimum(edges[1:, None], cells[None, :] + 1)
    left = np.maximum(edges[:-1, None], cells[None, :])
    shares: NDArray[np.float32] = (np.clip(right - left, 0, None) / ((high - low) / new)).astype(np.float32)
    return shares
