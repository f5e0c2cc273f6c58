"""How images are prepared: the options of `gentool prepare`, and of `--data` everywhere else.

An option left at None takes the data set's own default (CryptoPunks: tile 24, background #638596).
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from gentool.data.layout import Layout
from gentool.errors import OptionError
from gentool.options import Validated, is_whole, option, words

SMALLEST, LARGEST = 8, 256
DEFAULT_SIDE = 64
WHITE = (255, 255, 255)

Resample = Literal["auto", "nearest", "area", "bilinear", "lanczos"]
Crop = Literal["center", "pad", "stretch"]


def width_and_height(text: str) -> tuple[int, int]:
    """`64` is (64, 64) and `48x72` is 48 wide and 72 high. Raises ValueError."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(map(is_whole, sides)):
        raise ValueError("expected one number, or WIDTHxHEIGHT such as 48x72")
    width, height = int(sides[0]), int(sides[-1])
    if min(width, height) < 1:
        raise ValueError("expected sides of at least 1")
    return width, height


def size_as_text(size: Any) -> str:
    """(48, 72) as `48x72`, (64, 64) and 64 as `64`: the reverse of `width_and_height`."""
    sides = tuple(size) if isinstance(size, tuple | list) else (size,)
    return "x".join(map(str, sides if len(set(sides)) > 1 else sides[:1]))


def image_size(text: str) -> tuple[int, int]:
    """The width and height that the prepared images may have. Raises ValueError."""
    width, height = width_and_height(text)
    if not SMALLEST <= min(width, height) <= max(width, height) <= LARGEST:
        raise ValueError(f"each side must be between {SMALLEST} and {LARGEST} pixels")
    return width, height


def colour(text: str) -> tuple[int, int, int]:
    """A colour by name or as #rrggbb. Raises ValueError."""
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:], 16)
    from PIL import ImageColor  # not for the defaults of the catalog: `prepare --list` is to be fast

    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
        if max(red, green, blue) > 255:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError("expected a colour such as white or #638596") from None
    return red, green, blue


@dataclass(frozen=True, kw_only=True)
class PrepareOptions(Validated):
    """All that decides what the prepared images look like."""

    panel: ClassVar[str] = "Data"

    source: Path | None = option(
        None, "Read the files of a named data set from here instead of fetching them.", metavar="PATH"
    )
    tile: tuple[int, int] | None = option(
        None,
        "The source is one sheet of tiles of this size: N or WxH.",
        parse=width_and_height,
        write=size_as_text,
        metavar="N|WxH",
    )
    gap: int = option(0, "Pixels between the tiles of a sheet.", min=0, max=64, only_with={"tile": True})
    size: tuple[int, int] | None = option(
        None,
        f"Size of the prepared images: N or WxH, sides of {SMALLEST} to {LARGEST} pixels.",
        parse=image_size,
        write=size_as_text,
        metavar="N|WxH",
        default_text=f"as they are; {DEFAULT_SIDE}x{DEFAULT_SIDE} where they differ",
    )
    count: int | None = option(None, "Number of images to generate, for generated data sets.", min=10, max=10_000_000)
    crop: Crop = option("center", "If proportions differ: crop to the center, pad with --background, or stretch.")
    resample: Resample = option(
        "auto",
        "Filter for resizing; auto: nearest for pixel art at whole multiples of its size, else area or antialiased.",
    )
    channels: Literal[1, 3, 4] | None = option(
        None,
        "1: grey, 3: colour, 4: colour with transparency (RGBA).",
        default_text="1 where all images are grey, else 3",
    )
    background: tuple[int, int, int] | None = option(
        None,
        "Colour behind transparent pixels and padding, such as white or #638596.",
        parse=colour,
        write="#{0[0]:02x}{0[1]:02x}{0[2]:02x}".format,
        default_text="white, or the data set's own",
    )
    layout: Layout = option(
        "auto",
        "What the folders mean; auto: decide from their names, flat: nothing, classes: CLASS/..., splits: train/..., "
        "splits-classes: train/CLASS/..., classes-splits: CLASS/train/...",
    )
    labels: Path | None = option(
        None,
        "A CSV or JSON Lines file with the labels of the image files.",
        metavar="FILE",
        default_text="labels.csv, metadata.csv, metadata.jsonl or StyleGAN's dataset.json beside the images",
    )
    label_columns: tuple[str, ...] | None = option(
        None,
        "The columns of --labels with the file names and with the labels.",
        metavar="NAME,LABEL",
        parse=words,
        only_with={"labels": True},
    )
    label: str | None = option(
        None,
        "The attribute whose values are the classes, such as glasses (faces).",
        metavar="NAME",
        default_text="hair-colour for faces",
    )
    validation: float = option(0.05, "Share of images held out for validation.", min=0, max=0.9)
    test: float | None = option(
        None,
        "Share of images held out for testing.",
        min=0,
        max=0.9,
        default_text="the data set's own test images, else 0.1",
    )
    split_seed: int = option(0, "Seed of the split, and of the images of a generated data set.", min=0, max=2**31 - 1)
    dedupe: bool = option(False, "Keep only one copy of identical images.")

    def cross_check(self) -> None:
        """Raises OptionError when nothing would be left for training, and for a background that nothing shows."""
        if self.validation + (self.test or 0) >= 1:
            raise OptionError("--validation and --test: together they must be less than 1; the rest is for training")
        if self.channels == 4 and self.background is not None:
            raise OptionError("--background: has no effect with --channels 4, which keeps the transparency")

    def with_defaults(self, defaults: Mapping[str, Any]) -> "PrepareOptions":
        """The same with `defaults` for what was left open."""
        open_ones = {name: value for name, value in defaults.items() if getattr(self, name) is None}
        if self.channels == 4:
            open_ones.pop("background", None)
        return dataclasses.replace(self, **open_ones)

    @property
    def background_colour(self) -> tuple[int, int, int]:
        """The background as red, green, blue."""
        return self.background or WHITE
