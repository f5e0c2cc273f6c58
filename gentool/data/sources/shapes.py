"""Drawn shapes with known factors, in the spirit of dSprites (Matthey et al. 2017).

None of the shapes has a rotational symmetry, so every image has exactly one set of factors, and all factors are
independent. Distances to the outlines: the closed forms of Inigo Quilez (iquilezles.org/articles/distfunctions2d).
"""

import colorsys
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.data.detect import read_path
from gentool.data.fetch import Downloads
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Pixels, Raw

FACTORS = ("shape", "hue", "x", "y", "scale", "rotation")
PERIODS = {"hue": 1.0, "rotation": 360.0}
"""Circular factors: after this much they begin again."""
CLASSES = ("arrow", "drop", "ell", "heart", "moon")
COUNT, SIZE = 10_000, (64, 64)
_BACKGROUND = 24
_SMALLEST, _LARGEST = 0.18, 0.36
KIND = "drawn shapes"

Array = NDArray[np.float64]


def factors_of(seed: int, i: int) -> NDArray[np.float32]:
    """The factors of image i, which depend on (seed, i) alone.

    shape 0..4; hue 0..1; x and y 0..1, from the leftmost (top) to the rightmost (bottom) place;
    scale 0.18..0.36, the radius as a share of the shorter side; rotation 0..360 degrees.
    """
    u = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, i])).random(6)
    scale = _SMALLEST + (_LARGEST - _SMALLEST) * u[4]
    return np.array([math.floor(u[0] * len(CLASSES)), u[1], u[2], u[3], scale, 360 * u[5]], np.float32)


def draw(factors: NDArray[np.float32], size: tuple[int, int]) -> Pixels:
    """One antialiased image, uint8 (H, W, 3), at `size` (width, height)."""
    shape, hue, x, y, scale, rotation = factors.astype(np.float64).tolist()
    width, height = size
    radius = scale * min(size)
    middle = radius + x * (width - 2 * radius), radius + y * (height - 2 * radius)
    # Only the square around the shape is computed.
    left, top = (max(0, math.floor(m - radius) - 1) for m in middle)
    right, bottom = (min(side, math.ceil(m + radius) + 1) for m, side in zip(middle, size, strict=True))
    across, down = np.meshgrid(np.arange(left, right) + 0.5 - middle[0], np.arange(top, bottom) + 0.5 - middle[1])
    turn = math.radians(rotation)
    # Back into the shape's own frame, in which it fills the unit circle and y points up.
    px = (math.cos(turn) * across + math.sin(turn) * down) / radius
    py = (math.sin(turn) * across - math.cos(turn) * down) / radius
    cover = np.clip(0.5 - _OUTLINES[CLASSES[int(shape)]](px, py) * radius, 0, 1)[..., None]
    colour = 255 * np.array(colorsys.hsv_to_rgb(hue, 0.8, 0.95))
    pixels = np.full((height, width, 3), _BACKGROUND, np.uint8)
    pixels[top:bottom, left:right] = np.rint(_BACKGROUND + cover * (colour - _BACKGROUND))
    return pixels


def is_shapes(info: Mapping[str, Any]) -> bool:
    """Whether the content of a dataset.json says that the images were drawn here."""
    return info.get("factors") == list(FACTORS) and info["found"]["kind"] == KIND


def read(name: str, options: PrepareOptions, downloads: Downloads) -> Raw:
    """`--count` images drawn at `--size`; with `--source`, the images found there."""
    if options.source is not None:
        return read_path(options.source, options)
    size = options.size or SIZE
    count = options.count or COUNT
    factors = np.stack([factors_of(options.split_seed, i) for i in range(count)])
    return Raw(
        kind=KIND,
        count=count,
        get=lambda i: draw(factors[i], size),
        name=lambda i: f"image {i}",
        uniform=(size[1], size[0], 3),
        labels=factors[:, 0].astype(np.int64),
        classes=CLASSES,
        factors=factors,
        factor_names=FACTORS,
    )


def _polygon(corners: list[tuple[float, float]]) -> Callable[[Array, Array], Array]:
    """The signed distance to a polygon, negative inside."""

    def distance(x: Array, y: Array) -> Array:
        nearest = np.full(x.shape, np.inf)
        inside = np.zeros(x.shape, bool)
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
            ex, ey, wx, wy = bx - ax, by - ay, x - ax, y - ay
            along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
            nearest = np.minimum(nearest, (wx - along * ex) ** 2 + (wy - along * ey) ** 2)
            if ey:
                inside ^= ((ay > y) != (by > y)) & (wx < wy * ex / ey)
        signed: Array = np.where(inside, -1, 1) * np.sqrt(nearest)
        return signed

    return distance


def _heart(x: Array, y: Array) -> Array:
    grow = 1.4
    x, y = np.abs(x) / grow, y / grow + 0.55
    lobe = np.hypot(x - 0.25, y - 0.75) - math.sqrt(2) / 4
    tip = np.minimum(x**2 + (y - 1) ** 2, (x - 0.5 * np.maximum(x + y, 0)) ** 2 + (y - 0.5 * np.maximum(x + y, 0)) ** 2)
    return grow * np.where(y + x > 1, lobe, np.sqrt(tip) * np.sign(x - y))


def _moon(x: Array, y: Array) -> Array:
    """The unit disc less a disc of radius 0.75 whose middle is 0.55 to the right."""
    outer, inner, shift = 1.0, 0.75, 0.55
    y = np.abs(y)
    a = (outer**2 - inner**2 + shift**2) / (2 * shift)
    b = math.sqrt(max(outer**2 - a**2, 0))
    past = shift * (x * b - y * a) > shift**2 * np.maximum(b - y, 0)
    edge = np.maximum(np.hypot(x, y) - outer, inner - np.hypot(x - shift, y))
    return np.where(past, np.hypot(x - a, y - b), edge)


def _drop(x: Array, y: Array) -> Array:
    """The hull of a large disc below and a small one above."""
    large, small, apart = 0.55, 0.08, 1.37
    x, y = np.abs(x), y + 0.45
    b = (large - small) / apart
    a = math.sqrt(1 - b * b)
    k = -b * x + a * y
    side = a * x + b * y - large
    return np.where(k < 0, np.hypot(x, y) - large, np.where(k > a * apart, np.hypot(x, y - apart) - small, side))


_OUTLINES: dict[str, Callable[[Array, Array], Array]] = {
    "arrow": _polygon([(0, 1), (0.7, 0.1), (0.28, 0.1), (0.28, -0.95), (-0.28, -0.95), (-0.28, 0.1), (-0.7, 0.1)]),
    "drop": _drop,
    "ell": _polygon([(-0.55, 0.83), (-0.05, 0.83), (-0.05, -0.33), (0.6, -0.33), (0.6, -0.8), (-0.55, -0.8)]),
    "heart": _heart,
    "moon": _moon,
}
