"""The pictures of a report: those of the epochs, and those that other commands made beside the model."""

import base64
import io
from pathlib import Path
from typing import Any

from gentool.engine.folder import MODEL, PICTURES, drawn_in
from gentool.errors import CheckpointError
from gentool.pictures import open_picture

MAX_BYTES, MIN_FRAMES = 900_000, 60
"""Bytes of pictures of each kind; epochs are left out at equal distances until they fit, down to this many."""
LARGEST_SIDE = 16_383
"""The most pixels of a side of a WebP; a larger picture is shown smaller."""
MAX_LOSSLESS = 25_000
"""Pictures that would be larger than this many bytes without loss are compressed with loss."""
GALLERY_BYTES = 3_000_000
"""Bytes of pictures from other commands. What does not fit is named."""
SHOWN = {
    "samples": ("Samples", "From the same noise in every epoch."),
    "reconstructions": ("Reconstructions", "Held-out images above, and what the model makes of them below."),
}
GALLERY = (
    ("model-reconstructions.png", "Reconstructions", "Held-out images above, and what the model makes of them below."),
    ("model-samples*.png", "Samples", ""),
    ("model-manifold*.png", "A plane through the latent space", ""),
    ("model-traversals*.png", "Latent dimensions", "In each row one dimension changes."),
    ("model-interpolation*.png", "Interpolation", ""),
    ("model-projections.png", "Projections", "Pictures, and the nearest images that the model can make."),
    ("model-embedding-*/embedding*.png", "Codes in the plane", "Near each other: alike to the model."),
    ("model-embedding-*/confusion-*.png", "Clusters against classes", ""),
    ("model-evaluation-*/nearest_*.png", "Samples beside training images", "The pairs that are nearest to each other."),
    ("model-evaluation-*/distances_*.png", "Distances to training images", ""),
    ("model-evaluation/examples.png", "Held-out queries", ""),
    ("model-evaluation/answers.png", "Distribution of the answers", ""),
    ("model-evaluation/distances.png", "Distances from the right answers", "0: right."),
    ("model-evaluation/confusion-*.png", "Confusions", "Symbols of the right answers against those given."),
    ("epochs.png", "Epochs side by side", ""),
)
"""Files that other commands write beside the model by default: pattern, title, and how to read them."""


def films(folder: Path) -> list[dict[str, Any]]:
    """The pictures of the epochs of a run, of each kind."""
    made = []
    for name in PICTURES:
        kept = frames(folder / name)
        if kept:
            title, reading = SHOWN[name]
            made.append({"name": name, "title": title, "reading": reading, "frames": kept})
    return made


def frames(folder: Path) -> list[dict[str, Any]]:
    """The pictures of a folder by epoch: the first, the last, and as many in between, at equal distances, as fit."""
    paths = drawn_in(folder)
    if not paths:
        return []
    lossless = len(_webp(paths[-1], lossless=True)) <= MAX_LOSSLESS
    largest = len(_webp(paths[-1], lossless=lossless))
    count = max(min(len(paths), MIN_FRAMES, MAX_BYTES // largest), min(len(paths), 2))
    chosen = [paths[round((i + 1) * len(paths) / count) - 1] for i in range(count)]
    chosen[0] = paths[0] if count > 1 else paths[-1]
    return [
        {"epoch": int(path.stem.split("-")[1]), "picture": _address(_webp(path, lossless=lossless))} for path in chosen
    ]


def gallery(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The pictures that other commands made beside the model, and the names of those for which there is no room."""
    pictures: list[dict[str, Any]] = []
    left_out: list[str] = []
    room = GALLERY_BYTES
    made_at = (folder / MODEL).stat().st_mtime if (folder / MODEL).is_file() else 0.0
    for pattern, title, reading in GALLERY:
        for path in sorted(folder.glob(pattern)):
            data = _webp(path, lossless=True)
            if len(data) > MAX_LOSSLESS:
                data = min(data, _webp(path, lossless=False), key=len)
            name = path.relative_to(folder).as_posix()
            if len(data) > room:
                left_out.append(name)
                continue
            room -= len(data)
            older = path.stat().st_mtime < made_at
            pictures.append(
                {"title": title, "reading": reading, "name": name, "older": older, "picture": _address(data)}
            )
    return pictures, left_out


def _address(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def _webp(path: Path, *, lossless: bool) -> bytes:
    file = io.BytesIO()
    try:
        with open_picture(path, ("PNG",)) as picture:
            shown = picture.convert("RGB")
            if max(shown.size) > LARGEST_SIDE:
                shown = shown.reduce(-(-max(shown.size) // LARGEST_SIDE))
            shown.save(file, "WEBP", **({"lossless": True} if lossless else {"quality": 80}))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be shown ({error}); remove it, and write the report again") from error
    return file.getvalue()
