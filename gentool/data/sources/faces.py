"""Pixel-art faces composed of parts, every attribute of which is known.

The parts are those of DiceBear's style Pixel Art (CC0 1.0), which `faces.json` beside this file holds as pixels. The
layers and their order are the style's. Differences, all deliberate: backgrounds in one of five colours, where the style
has none; glasses, hats, beards and accessories on 30, 15, 15 and 15% of the faces in place of 20, 5, 5 and 10%, so
that a few thousand faces show each; and of colours that can hardly be told apart only one, so that pixels determine
attributes.
"""

import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.data.detect import read_path
from gentool.data.fetch import Downloads
from gentool.data.prepare import PrepareOptions, size_as_text
from gentool.data.raw import Pixels, Raw
from gentool.errors import OptionError
from gentool.options import suggestion

KIND = "composed faces"
COUNT, SIDE, FRAMED = 10_000, 16, 24
"""Images by default; the sides in pixels of a face, and of one in a frame of background at the left, top and right."""
LABEL = "hair-colour"
NONE = "none"
COLOURS: dict[str, dict[str, str]] = {
    "background": {"sky": "#a9d6ee", "lavender": "#c3b1e1", "mint": "#a8dcc0", "rose": "#f2a7b5", "grey": "#d5d8dc"},
    "skin": {"pale": "#ffdbac", "light": "#eac393", "tan": "#cb9e6e", "brown": "#a26d3d", "dark": "#8d5524"},
    "accessories": {"gold": "#ffd700", "silver": "#d3d3d3"},
    "clothes": {
        "light-blue": "#5bc0de", "blue": "#428bca", "navy": "#03396c", "mint": "#88d8b0", "emerald": "#44c585",
        "green": "#00b159", "coral": "#ff6f69", "crimson": "#d11141", "dark-red": "#ae0001", "cream": "#ffeead",
        "yellow": "#ffd969", "amber": "#ffc425",
    },
    "eyes": {"blue": "#697b94", "green": "#588387", "brown": "#876658"},
    "glasses": {"black": "#191919", "grey": "#4b4b4b", "blue": "#43677d", "red": "#a04b5d"},
    "mouth": {"beige": "#d29985", "brown": "#c98276", "pink": "#e35d6a", "red": "#de0f0d"},
    "hair": {
        "blond": "#cab188", "light-brown": "#a78961", "brown": "#83623b", "dark-brown": "#603a14", "black": "#28150a",
        "red": "#bd1700", "blue": "#009bbd", "green": "#91cb15",
    },
    "hat": {
        "brown": "#2e1e05", "blue": "#2663a3", "grey": "#989789", "green": "#3d8a6b", "pink": "#cc6192",
        "violet": "#614f8a", "red": "#a62116",
    },
}  # fmt: skip
"""The colours of each part by name. A beard has the colour of the hair."""
PERCENT = {"accessories": 15, "glasses": 30, "beard": 15, "hat": 15}
"""How many of a hundred faces have a part; all others are on every face."""
LAYERS = ("accessories", "clothes", "eyes", "glasses", "beard", "mouth", "hair", "hat")
"""What is painted over background and skin, in this order."""
_BLOCK = 1024

Attributes = NDArray[np.int64]
"""(N, F): for each face the number of its value of each of the F attributes, in the order of `attributes()`."""


@functools.cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        resources.files("gentool.data.sources").joinpath("faces.json").read_text(encoding="utf-8")
    )
    return content


@functools.cache
def attributes() -> dict[str, tuple[str, ...]]:
    """The names of the attributes, each with the names of its values; `none` stands first where a part may be missing.

    `glasses` has the shapes of glasses and `glasses-colour` their colours.
    """
    named: dict[str, tuple[str, ...]] = {part: tuple(COLOURS[part]) for part in ("background", "skin")}
    for part in LAYERS:
        missing = (NONE,) if part in PERCENT else ()
        named[part] = (*missing, *_content()["layers"][part])
        if part in COLOURS:
            named[f"{part}-colour"] = (*missing, *COLOURS[part])
    return named


@functools.cache
def part_pixels(part: str) -> NDArray[np.int32]:
    """The pixels of all values of an attribute such as `hair`: (V, 3, 16, 16), percent of its colour, white and black.

    What is missing to 100 is what lies below.
    """
    legend, variants = _content()["legend"], _content()["layers"][part]
    drawn = [[[legend[character] for character in row] for row in rows] for rows in variants.values()]
    pixels = np.array(drawn, np.int32).transpose(0, 3, 1, 2)
    return np.concatenate([np.zeros_like(pixels[:1]), pixels]) if part in PERCENT else pixels


@functools.cache
def colours(part: str) -> NDArray[np.int32]:
    """The colours (K, 3), 0..255, of a part, in the order of its attribute; black for `none`."""
    rows = [[int(text[place : place + 2], 16) for place in (1, 3, 5)] for text in COLOURS[part].values()]
    return np.array([[0, 0, 0]] * (part in PERCENT) + rows, np.int32)


def colour_attribute(part: str) -> str:
    """The attribute that has the colour of a part: `hair-colour` for hair and beards, `skin` for the skin."""
    if part in ("background", "skin"):
        return part
    return "hair-colour" if part == "beard" else f"{part}-colour"


def draw_attributes(seed: int, count: int) -> Attributes:
    """The attributes of the first `count` faces of a seed. Those of face i depend on (seed, i) alone.

    Made of whole numbers only, from the stream of Philox (Salmon et al. 2011), which NumPy does not change.
    """
    named = attributes()
    random = np.random.Philox(key=seed).random_raw(count * len(named)).reshape(count, len(named))
    high, low = ((random >> np.uint64(shift) & np.uint64(2**32 - 1)).astype(np.int64) for shift in (32, 0))
    drawn = np.zeros((count, len(named)), np.int64)
    for column, (name, values) in enumerate(named.items()):
        part = name.removesuffix("-colour")
        value = low[:, column] * (len(values) - (part in PERCENT)) >> 32
        if name in PERCENT:
            value = np.where(high[:, column] * 100 >> 32 < PERCENT[name], 1 + value, 0)
        elif part in PERCENT:  # the colour of a part that the column before says is there
            value = np.where(drawn[:, column - 1] > 0, 1 + value, 0)
        drawn[:, column] = value
    return drawn


def compose(numbers: Attributes, side: int = SIDE) -> Pixels:
    """Faces with these attributes (N, F): uint8 (N, side, side, 3); `side` is a multiple of 16 or of 24."""
    columns = {name: numbers[:, column] for column, name in enumerate(attributes())}
    pixels = np.empty((len(numbers), 3, SIDE, SIDE), np.int32)
    pixels[:] = colours("background")[columns["background"]][:, :, None, None]
    for part in ("skin", *LAYERS):
        variants = part_pixels(part)
        (rows,) = np.nonzero(variants.any((0, 1, 3)))
        band = slice(rows[0], rows[-1] + 1)
        which = np.zeros(len(numbers), np.int64) if part == "skin" else columns[part]
        own, white, black = variants[which][:, :, None, band].transpose(1, 0, 2, 3, 4)
        tint = colours("hair" if part == "beard" else part)[columns[colour_attribute(part)]][:, :, None, None]
        below = pixels[:, :, band]
        pixels[:, :, band] = (below * (100 - own - white - black) + own * tint + white * 255 + 50) // 100
    faces = pixels.transpose(0, 2, 3, 1).astype(np.uint8)
    if side % SIDE:
        left, top = (FRAMED - SIDE) // 2, FRAMED - SIDE
        framed = np.empty((len(numbers), FRAMED, FRAMED, 3), np.uint8)
        framed[:] = colours("background")[columns["background"]][:, None, None]
        framed[:, top:, left : left + SIDE] = faces
        faces = framed
    times = side // faces.shape[1]
    return faces.repeat(times, axis=1).repeat(times, axis=2) if times > 1 else faces


def kinds(name: str) -> tuple[str, ...]:
    """The values of an attribute without their numbers, each once: none, dark and light for glasses."""
    return tuple(dict.fromkeys(value.rstrip("0123456789") for value in attributes()[name]))


def labels_of(numbers: Attributes, name: str) -> NDArray[np.int64]:
    """The kind (N,) that each face is of by an attribute, as a number of `kinds`. Raises OptionError for another name.

    Attributes of a single kind, such as `clothes`, give no classes.
    """
    named = attributes()
    several = [one for one in named if len(kinds(one)) > 1]
    if name not in several:
        raise OptionError(f"--label: choose from {', '.join(several)}.{suggestion(name, several)}")
    kind = np.array([kinds(name).index(value.rstrip("0123456789")) for value in named[name]])
    labels: NDArray[np.int64] = kind[numbers[:, list(named).index(name)]]
    return labels


def is_faces(info: Mapping[str, Any]) -> bool:
    """Whether the content of a dataset.json says that the images were composed here."""
    return info.get("factors") == list(attributes()) and info["found"]["kind"] == KIND


def read(name: str, options: PrepareOptions, downloads: Downloads) -> Raw:
    """`--count` faces composed at `--size`, labelled by `--label`; with `--source`, the images found there.

    Raises OptionError for a size that would blur pixels, and for a label that is no attribute.
    """
    if options.source is not None:
        return read_path(options.source, options)
    width, height = options.size or (SIDE, SIDE)
    if width != height or (width % SIDE and width % FRAMED):
        text = size_as_text((width, height))
        raise OptionError(f"--size {text}: faces are {SIDE}x{SIDE} or {FRAMED}x{FRAMED}, or a whole multiple of these")
    count = options.count or COUNT
    numbers = draw_attributes(options.split_seed, count)
    label = options.label or LABEL

    @functools.lru_cache(maxsize=2)
    def block(start: int) -> Pixels:
        return compose(numbers[start : start + _BLOCK], width)

    return Raw(
        kind=KIND,
        count=count,
        get=lambda i: block(i - i % _BLOCK)[i % _BLOCK],
        name=lambda i: f"face {i}",
        uniform=(height, width, 3),
        labels=labels_of(numbers, label),
        classes=kinds(label),
        factors=numbers.astype(np.float32),
        factor_names=tuple(attributes()),
    )
