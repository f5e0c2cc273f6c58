"""Images with an alpha channel, uint8 (..., 4): straight as in files, premultiplied in memory.

Premultiplied red, green and blue are at most the alpha (Porter & Duff 1984, "Compositing Digital Images"): a
transparent pixel has one value only, and averages of pixels are right.
"""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

BLOCK = 2**18
CHEQUERS = (255, 204)
"""The two greys of a chequered ground."""


def premultiplied(straight: Pixels) -> Pixels:
    """Straight RGBA (..., 4) with the colours multiplied by alpha / 255, rounded to the nearest."""
    result = straight.copy()
    flat = result.reshape(-1, 4)
    for start in range(0, len(flat), BLOCK):  # a large picture would take several times its memory at once
        block = flat[start : start + BLOCK]
        block[:, :3] = (block[:, :3].astype(np.uint16) * block[:, 3:] + 127) // 255
    return result


def straight(premultiplied: Pixels) -> Pixels:
    """Premultiplied RGBA (..., 4) as files have it. Colours above the alpha, as a model may give, are cut to it."""
    result = premultiplied.copy()
    alpha = premultiplied[..., 3:].astype(np.uint16)
    colours = np.minimum(premultiplied[..., :3], alpha)
    result[..., :3] = (colours * 255 + alpha // 2) // np.maximum(alpha, 1)
    return result


def over(premultiplied: Pixels, ground: Pixels) -> Pixels:
    """Premultiplied RGBA (..., 4) on a ground that is opaque, uint8 and broadcast to (..., 3)."""
    alpha = premultiplied[..., 3:].astype(np.uint16)
    colours = np.minimum(premultiplied[..., :3], alpha)
    flat: Pixels = (colours + (ground * (255 - alpha) + 127) // 255).astype(np.uint8)
    return flat


def chequers(height: int, width: int, square: int) -> Pixels:
    """A chequered ground (H, W, 3) with squares of this many pixels."""
    light = (np.arange(height)[:, None] // square + np.arange(width) // square) % 2 == 0
    greys = np.where(light, *CHEQUERS).astype(np.uint8)
    return greys[..., None].repeat(3, axis=2)
