"""Files of a collection that are no images of the set: masks and the like, documents, copies; and parts of large sets.

Only names are looked at.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from gentool.data.folder_names import Parts, words_of

PICTURES = {
    "images", "image", "imgs", "img", "jpegimages", "pictures", "picture", "photos", "photo", "jpg", "jpeg", "png",
    "original", "originals", "input", "inputs", "rgb", "left", "bit",
}  # fmt: skip
"""The words in the name of a folder with the images themselves, such as `leftImg8bit`."""
ANNOTATIONS = {
    "mask", "masks", "label", "labels", "annotation", "annotations", "annots", "segmentation", "segmentations",
    "segmim", "semantic", "instances", "trimap", "trimaps", "gt", "gtfine", "gtcoarse", "groundtruth", "truth",
    "manual", "edges", "depth", "overlay", "overlays", "contours", "thumbnails", "thumbs", "resized", "previews",
}  # fmt: skip
"""A word of these names a folder of pictures about the images, or of their copies, beside one of `PICTURES`."""
BESIDE = re.compile(r"(?P<stem>.+?)[ _-](masks?|seg|segmentation|gt|label|groundtruth)([ _-]?\d+)?", re.IGNORECASE)
"""`1_mask` is about `1`."""
ASIDE = {
    "assets", "demo", "demos", "doc", "docs", "example", "examples", "fig", "figs", "figures", "media", "output",
    "outputs", "results", "screenshots", "static",
}  # fmt: skip
"""Folders of a repository beside the one with the data."""
DATA = {"data", "dataset", "datasets", "images"}
SHARDS = {"part", "images", "image", "imgs", "img", "batch", "chunk", "shard", "archive", "folder"}
"""`images_001` and `images_002` are parts of one set."""


def folders_in(folders: Iterable[Parts]) -> dict[Parts, set[str]]:
    """The names of the folders in each folder."""
    inside: dict[Parts, set[str]] = {}
    for parts in set(folders):
        for depth, name in enumerate(parts):
            inside.setdefault(parts[:depth], set()).add(name)
    return inside


def aside_among(folders: Iterable[Parts], *, keep: Parts | None) -> tuple[dict[Parts, str], list[str]]:
    """The folders that hold no images of the set, with the reason, and remarks; those in `keep` are classes.

    They are masks and the like beside the images, the documents of a repository beside its data, and copies of the
    folders beside them.
    """
    inside = folders_in(folders)
    aside: dict[Parts, str] = {}
    notes: list[str] = []
    for place, names in inside.items():
        if len(names) < 2 or place == keep:
            continue
        about = {name for name in names if ANNOTATIONS & set(words_of(name))}
        pictures = {name for name in names - about if (words := set(words_of(name))) and words <= PICTURES}
        data = {name for name in names if name.lower() in DATA}
        if about and len(pictures) == 1 and about | pictures == names:
            (images,) = pictures
            note = f"only the folder {images} is used: those beside it look like annotations"
            notes += [] if note in notes else [note]
            aside |= {(*place, name): f"beside {images}" for name in about}
        elif len(data) == 1 and all(name.lower() in ASIDE for name in names - data):
            (images,) = data
            aside |= {(*place, name): f"outside {images}" for name in names - data}
        for name in names:
            within = inside.get((*place, name), set())
            if len(within) > 1 and within <= names - {name}:
                aside[(*place, name)] = "a copy of the folders beside it"
    return aside, notes


def about_others(names: Sequence[str]) -> dict[int, str]:
    """The files such as `1_mask.png` beside `1.png`, by number, with the reason why they are left out."""
    stems = {name.rpartition(".")[0] for name in names}
    about = {}
    for number, name in enumerate(names):
        place, slash, file = name.rpartition("/")
        match = BESIDE.fullmatch(file.rpartition(".")[0])
        if match and place + slash + match["stem"] in stems:
            about[number] = "named like an annotation of another image"
    return about


def shards_among(folders: Iterable[Parts]) -> set[Parts]:
    """The folders that are only parts of a large set, such as `images_001`, `00000` and `01000`, or `100APPLE`."""
    shards: set[Parts] = set()
    for place, names in folders_in(folders).items():
        if len(names) < 2:
            continue
        plain = {re.sub(r"\d+", "#", name) for name in names}
        (last,) = {(words_of(name) or [""])[-1] for name in names} if len(plain) == 1 else {""}
        numbers = [int(name) for name in names if re.fullmatch(r"\d{5,}", name)]
        thousands = len(numbers) == len(names) and all(number % 1000 == 0 for number in numbers)
        cameras = all(re.fullmatch(r"\d{3}[A-Z0-9_]{5}", name) for name in names)
        if (last in SHARDS and "#" in "".join(plain)) or thousands or cameras:
            shards |= {(*place, name) for name in names}
    return shards


def without(parts: Parts, dropped: set[Parts]) -> Parts:
    if not dropped:
        return parts
    return tuple(name for depth, name in enumerate(parts, 1) if parts[:depth] not in dropped)


def outermost(reasons: Mapping[Parts, str], parts: Parts) -> Parts:
    """The outermost folder that has a reason, empty for none."""
    if not reasons:
        return ()
    return next((parts[:depth] for depth in range(1, len(parts) + 1) if parts[:depth] in reasons), ())


def shortened(parts: Parts) -> str:
    """`masks`, or `…/masks` for a folder further down."""
    return "" if not parts else parts[0] if len(parts) == 1 else f"…/{parts[-1]}"
