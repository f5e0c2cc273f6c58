"""A film of pictures: GIF, APNG for all colours, or MP4."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from gentool.errors import GentoolError
from gentool.figures.grids import Picture
from gentool.files import replacing
from gentool.pictures import open_picture

LAST_FRAME_MS = 2000
SAMPLED_PIXELS = 300_000
COMMON_SHARE = 0.01
"""A colour with at least this share of a film's pixels is kept exactly."""
ROUNDS = 10
Frame = Path | str | Picture


def film(frames: Sequence[Frame], path: Path | str, fps: float = 10) -> Path:
    """Write frames (picture files or uint8 arrays (H, W) or (H, W, 3)) as a repeating film; the last is held for 2 s.

    `.png` and `.apng` make an APNG with all colours, `.mp4` an H.264 film, any other suffix a GIF. A GIF has one
    palette for the whole film and no dithering, so that what does not change does not flicker: exact for up to 256
    colours. Frames are read one by one. Raises GentoolError when a frame cannot be read, sizes differ, `path` cannot
    be written, or PyAV is not there for an MP4; ValueError for no frames or fps not above 0.
    """
    if not frames or not fps > 0:
        raise ValueError(f"{len(frames)} frames at {fps} a second make no film")
    path = Path(path)
    if path.suffix.lower() == ".mp4":
        return _mp4(frames, path, fps)
    moving_png = path.suffix.lower() in (".png", ".apng")
    # A GIF counts in 1/100 s, and viewers slow anything shorter than 2 of them down to 10.
    durations = [max(20, round(100 / fps) * 10)] * (len(frames) - 1) + [LAST_FRAME_MS]
    pictures = _pictures(frames) if moving_png else _indexed(frames, durations)
    with replacing(path) as temporary:
        next(pictures).save(
            temporary,
            format="PNG" if moving_png else "GIF",
            save_all=True,
            # Pillow goes through a PNG's frames twice.
            append_images=list(pictures) if moving_png else pictures,
            duration=durations,
            loop=0,
            # Pillow's optimiser would give frames palettes of their own.
            **({} if moving_png else {"optimize": False}),
        )
    return path


def check_film(path: Path) -> None:
    """Raises GentoolError when a film of this name could not be written because PyAV is missing."""
    if path.suffix.lower() == ".mp4" and find_spec("av") is None:
        raise GentoolError(f"{path}: an MP4 needs PyAV: pip install av; .gif and .apng need nothing more")


def _mp4(frames: Sequence[Frame], path: Path, fps: float) -> Path:
    """H.264 with 4:2:0 colours, which every player reads; sides are made even by repeating the last row or column."""
    check_film(path)
    import av

    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream: Any = None
        last: Any = None
        for picture in _pictures(frames):
            last = np.asarray(picture)
            last = np.pad(last, ((0, last.shape[0] % 2), (0, last.shape[1] % 2), (0, 0)), mode="edge")
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
                stream.height, stream.width = last.shape[:2]
                stream.pix_fmt, stream.options = "yuv420p", {"crf": "14"}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(last, format="rgb24")))
        for _ in range(round(LAST_FRAME_MS / 1000 * fps)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(last, format="rgb24")))
        container.mux(stream.encode())
    return path


def _pictures(frames: Sequence[Frame]) -> Iterator[Image.Image]:
    """The frames as RGB images of one size."""
    size: tuple[int, int] | None = None
    for frame in frames:
        if isinstance(frame, np.ndarray):
            picture = Image.fromarray(frame).convert("RGB")
        else:
            try:
                with open_picture(frame, ("PNG",)) as opened:
                    picture = opened.convert("RGB")
            except (OSError, UnidentifiedImageError) as error:
                raise GentoolError(f"cannot read {frame} for the film: {error}") from error
        size = size or picture.size
        if picture.size != size:
            raise GentoolError(f"the film's frames differ in size: {size} and {picture.size}. Leave out the odd ones.")
        yield picture


def _indexed(frames: Sequence[Frame], durations: Sequence[int]) -> Iterator[Image.Image]:
    """The frames as palette images that share one palette."""
    colours = np.zeros(0, np.uint32)
    for picture in _pictures(frames):
        colours = np.union1d(colours, _packed(np.asarray(picture)))
        if len(colours) > 256:
            yield from _quantized(frames, durations)
            return
    for picture in _pictures(frames):
        indexed = Image.fromarray(np.searchsorted(colours, _packed(np.asarray(picture))).astype(np.uint8), "L")
        indexed.putpalette(_unpacked(colours).tobytes())
        yield indexed


def _quantized(frames: Sequence[Frame], durations: Sequence[int]) -> Iterator[Image.Image]:
    """The frames in the 256 colours that suit all of them best, each for the time it is seen."""
    shares = np.array(durations) / sum(durations) * SAMPLED_PIXELS
    rng = np.random.default_rng(0)
    samples = []
    for picture, share in zip(_pictures(frames), shares, strict=True):
        pixels = np.asarray(picture).reshape(-1, 3)
        samples.append(pixels[rng.integers(len(pixels), size=int(share) + 1)])
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette(np.concatenate(samples)).tobytes())
    for picture in _pictures(frames):
        yield picture.quantize(palette=palette, dither=Image.Dither.NONE)


def _palette(samples: Picture) -> Picture:
    """256 colours for samples (M, 3): the commonest as they are, the others from a median cut and k-means.

    Colours are counted in cells of 8x8x8 and weigh by the root of their count, so that a film that starts as noise
    or has a large background keeps the small patches of its last frames.
    """
    packed: NDArray[np.uint32]
    packed, counts = np.unique(_packed(samples), return_counts=True)
    common = packed[counts >= COMMON_SHARE * counts.sum()]
    start = Image.fromarray(samples[None]).quantize(256 - len(common), Image.Quantize.MEDIANCUT).getpalette() or []
    centres = np.concatenate([_unpacked(common), np.array(start).reshape(-1, 3)]).astype(np.float32)
    shades = _unpacked(packed)
    _, cell = np.unique(packed & 0xF8F8F8, return_inverse=True)
    mass = np.bincount(cell, counts)
    colours = np.stack([np.bincount(cell, counts * shades[:, k]) / mass for k in range(3)], axis=1).astype(np.float32)
    weights = np.sqrt(mass)
    for _ in range(ROUNDS):
        # The squared distance without the colour's own square, which does not change the nearest.
        nearest = ((centres**2).sum(axis=1) - 2 * colours @ centres.T).argmin(axis=1)
        mass = np.bincount(nearest, weights, len(centres))
        sums = np.stack([np.bincount(nearest, weights * colours[:, k], len(centres)) for k in range(3)], axis=1)
        moved = np.flatnonzero(mass > 0)
        moved = moved[moved >= len(common)]
        centres[moved] = sums[moved] / mass[moved, None]
    return np.round(centres).astype(np.uint8)


def _packed(pixels: Picture) -> NDArray[np.uint32]:
    """RGB pixels (..., 3) as single numbers, 0xRRGGBB."""
    red, green, blue = np.moveaxis(pixels.astype(np.uint32), -1, 0)
    packed: NDArray[np.uint32] = red << 16 | green << 8 | blue
    return packed


def _unpacked(packed: NDArray[np.uint32]) -> Picture:
    """The reverse of `_packed`."""
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)
