"""What the folders of an image collection mean: which are splits, which are classes, and which are neither.

Only names are looked at. Collections are published in a few forms, and each is recognised at the level where it begins,
below the folders that contain everything:

- `CLASS/...`: classes; deeper folders say nothing;
- `train/...`, `test/...`: splits, also as `Training`, `seg_train`, `training_set`, `val2017`, `train/train`;
- `train/CLASS/...` and `CLASS/train/...`: both;
- images alone, or in folders of which none of this is true.

Images that do not fit, such as a `test` folder without classes beside `train/CLASS`, are left out and counted: they
are never mixed into the training images.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gentool.data.raw import TEST, TRAIN, VALIDATION
from gentool.errors import DataError
from gentool.progress import counted, listed

Layout = Literal["auto", "flat", "classes", "splits", "splits-classes", "classes-splits"]
LAYOUTS = get_args(Layout)

ROLES = {
    "train": TRAIN, "training": TRAIN, "trn": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION,
    "dev": VALIDATION, "test": TEST, "testing": TEST, "tst": TEST, "eval": TEST, "evaluation": TEST,
}  # fmt: skip
"""The words that name splits."""
ROLE_NAMES = {TRAIN: "training", VALIDATION: "validation", TEST: "test"}
AFFIXES = {"set", "data", "dataset", "images", "image", "imgs", "img", "split", "seg", "folder", "files", "x"}
"""Words that may stand beside the name of a split."""
PICTURES = {"images", "image", "imgs", "img", "jpegimages", "pictures", "photos"}
ANNOTATIONS = {
    "mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentations", "gt",
    "groundtruth", "edges", "depth",
}  # fmt: skip
"""Folders that hold pictures about the images, beside one of `PICTURES`."""
STRAYS = 0.02
"""Up to this share of the images may lie outside the class folders: they are left out. With more, there are no classes.
One may always."""

LEFT_OUT = "left out: "
"""How the reason begins why an image is not used that could be."""

Parts = tuple[str, ...]


@dataclass
class Branch:
    """A line of the tree that is shown to people: a folder, what it is taken for, its images, its class folders."""

    folder: str
    role: str
    images: int = 0
    classes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Meaning:
    """The labels and splits of a source's images, and why some are left out.

    `labels` (n,) is None without classes, `own` (n,) where no split is given; `left_out` has a reason by the image's
    number.
    """

    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    own: NDArray[np.int8] | None
    notes: tuple[str, ...] = ()
    left_out: Mapping[int, str] = field(default_factory=dict)
    tree: tuple[Branch, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where an image belongs: its split and its class, where they are known, or the reason why it is left out."""

    split: int | None = None
    label: str | None = None
    left_out: str = ""
    top: str = ""


def role_of(folder: str) -> int | None:
    """The split that a folder's name says, None for other names.

    >>> role_of("Training"), role_of("seg_test"), role_of("val2017"), role_of("trains")
    (0, 2, 1, None)
    """
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", folder).lower()
    words = [word for word in re.split(r"[^a-z]+", text) if word]
    roles = set()
    for word in words:
        for ending in ("", "set", "data", "images", "imgs"):
            stem = word.removesuffix(ending)
            if stem in ROLES:
                roles.add(ROLES[stem])
                break
        else:
            if word not in AFFIXES:
                return None
    return roles.pop() if len(roles) == 1 else None


def folders_of(name: str) -> Parts:
    """The folders in a name with `/`: `./a//b/1.png` is in a and b."""
    return tuple(part for part in name.split("/")[:-1] if part not in ("", "."))


def understand(names: Sequence[str], deciding: Sequence[bool] | None = None, layout: Layout = "auto") -> Meaning:
    """What the folders in names with `/` mean. Only the images in `deciding` decide; all of them by default.

    Raises DataError where a `layout` that was asked for does not fit.
    """
    folders = [folders_of(unicodedata.normalize("NFC", name)) for name in names]
    known = [parts for parts, decides in zip(folders, deciding or [True] * len(names), strict=True) if decides]
    if layout == "flat" or not known:
        return _meaning(folders, lambda parts: Place(top=parts[0] if parts else ""), ())
    place, notes = _rule(known, layout)
    return _meaning(folders, place, notes)


def _rule(folders: list[Parts], layout: Layout) -> tuple[Callable[[Parts], Place], list[str]]:
    """The function from an image's folders to its place, and remarks."""
    root = _common(folders, tolerant=True)
    inside = [parts[len(root) :] for parts in folders if parts[: len(root)] == root]
    tops = Counter(parts[0] if parts else "" for parts in inside)
    named = [top for top in tops if top]
    splits = {top: role for top in named if (role := role_of(top)) is not None}
    if layout in ("splits", "splits-classes") and not splits:
        raise DataError(f"--layout {layout}: no folder is named train, validation or test")
    notes: list[str] = []

    def outside(parts: Parts) -> Place:
        return Place(left_out=f"outside {'/'.join(root)}")

    if layout in ("splits", "splits-classes") or (layout == "auto" and _are_splits(inside, splits)):
        rule = _splits_rule(inside, _distinct(splits), with_classes=layout != "splits")
    elif layout == "classes-splits" or (layout == "auto" and _are_splits_of_classes(inside, named)):
        rule = _splits_below_classes
    else:
        rule = _classes_rule(inside, tops, forced=layout == "classes", notes=notes)
    return (lambda parts: rule(parts[len(root) :]) if parts[: len(root)] == root else outside(parts)), notes


def _common(folders: Iterable[Parts], *, tolerant: bool = False) -> Parts:
    """The folders that contain all images; with `tolerant`, all but a few strays."""
    folders = list(folders)
    root: Parts = ()
    while folders:
        tops = Counter(parts[0] if parts else "" for parts in folders)
        name, count = tops.most_common(1)[0]
        few = tolerant and len(tops) == 2 and "" in tops and _are_strays(tops[""], len(folders))
        if not name or (count < len(folders) and not few):
            break
        root += (name,)
        folders = [parts[1:] for parts in folders if parts[:1] == (name,)]
    return root


def _are_strays(count: int, total: int) -> bool:
    return count <= max(1, STRAYS * total) and count < total / 4


def _are_splits(folders: list[Parts], splits: Mapping[str, int]) -> bool:
    """Whether the folders named as splits are splits: training images, and others; or classes below `train` alone."""
    roles = set(splits.values())
    if TRAIN not in roles:
        return False
    if len(roles) > 1:
        return True
    below = {parts[:2] for parts in folders if parts[:1] and parts[0] in splits and len(parts) > 1}
    others = {parts[0] for parts in folders if parts and parts[0] not in splits and len(parts) > 1}
    return len(below) > 1 and not others


def _distinct(splits: Mapping[str, int]) -> dict[str, int]:
    """`eval` beside `test` is a validation set."""
    tests = [top for top, role in splits.items() if role == TEST]
    evaluations = [top for top in tests if "eval" in top.lower()]
    if len(evaluations) < len(tests):
        return {top: VALIDATION if top in evaluations else role for top, role in splits.items()}
    return dict(splits)


def _are_splits_of_classes(folders: list[Parts], classes: list[str]) -> bool:
    """Whether every class folder has the splits in it."""
    if len(classes) < 2 or any(len(parts) < 2 for parts in folders):
        return False
    roles: dict[str, set[int | None]] = {name: set() for name in classes}
    for parts in folders:
        roles[parts[0]].add(role_of(parts[1]))
    return all(TRAIN in of_class and None not in of_class and len(of_class) > 1 for of_class in roles.values())


def _splits_below_classes(parts: Parts) -> Place:
    role = role_of(parts[1]) if len(parts) > 1 else None
    if role is None:
        return Place(left_out="in no folder of a split")
    return Place(role, parts[0], top=parts[0])


def _splits_rule(folders: list[Parts], splits: Mapping[str, int], *, with_classes: bool) -> Callable[[Parts], Place]:
    """Each split by itself: below the folders that contain all of it are the classes."""
    inner = {top: [parts[1:] for parts in folders if parts[:1] == (top,)] for top in splits}
    classes: set[str] = set()
    roots: dict[str, Parts] = {}
    for role in (TRAIN, VALIDATION, TEST):
        for top in (top for top in splits if splits[top] == role):
            roots[top] = _without_annotations(inner[top]) or _split_root(inner[top], classes)
            below = Counter(
                parts[len(roots[top])] if len(parts) > len(roots[top]) else ""
                for parts in inner[top]
                if parts[: len(roots[top])] == roots[top]
            )
            loose = below.pop("", 0)
            enough = len(below) > 1 and (not loose or _are_strays(loose, len(inner[top])))
            if classes & set(below) if role != TRAIN else enough:
                classes |= set(below)
    labelled = with_classes and len(classes) > 1

    def place(parts: Parts) -> Place:
        if not parts or parts[0] not in splits:
            return Place(left_out="outside the folders of the splits", top=parts[0] if parts else "")
        top, rest = parts[0], parts[1:]
        role, root = splits[top], roots[top]
        if rest[: len(root)] != root:
            return Place(left_out=f"outside {'/'.join((top, *root))}", top=top)
        rest = rest[len(root) :]
        if not labelled:
            return Place(role, top=top)
        if not rest or rest[0] not in classes:
            return Place(left_out="without a class", top=top)
        return Place(role, rest[0], top=top)

    return place


def _split_root(folders: list[Parts], classes: set[str]) -> Parts:
    """The folders that contain all of a split, up to one that is a class elsewhere."""
    root = _common(folders, tolerant=True)
    known = [i for i, name in enumerate(root) if name in classes]
    return root[: known[0]] if known else root


def _without_annotations(folders: list[Parts]) -> Parts:
    """The folder of the images where the others hold masks and the like; empty for other layouts."""
    tops = {parts[0] for parts in folders if parts}
    pictures = [top for top in tops if top.lower() in PICTURES]
    others = [top for top in tops if re.sub("[^a-z]", "", top.lower()) in ANNOTATIONS]
    if len(pictures) == 1 and others and len(others) + 1 == len(tops):
        return (pictures[0], *_common([parts[1:] for parts in folders if parts[:1] == (pictures[0],)], tolerant=True))
    return ()


def _classes_rule(
    folders: list[Parts], tops: Counter[str], *, forced: bool, notes: list[str]
) -> Callable[[Parts], Place]:
    """The top folders are classes, if there are two or more with two images each."""
    pictures = () if forced else _without_annotations(folders)
    if pictures:
        notes.append(f"only the folder {pictures[0]} is used: those beside it look like annotations")
        below = [parts[len(pictures) :] for parts in folders if parts[: len(pictures)] == pictures]
        inner = _classes_rule(below, Counter(p[0] if p else "" for p in below), forced=False, notes=notes)
        inside = "/".join(pictures)

        def picture(parts: Parts) -> Place:
            if parts[: len(pictures)] != pictures:
                return Place(left_out=f"outside {inside}", top=parts[0] if parts else "")
            return replace(inner(parts[len(pictures) :]), top=inside)

        return picture
    loose = tops.get("", 0)
    classes = sorted(top for top in tops if top)
    total = sum(tops.values())
    if forced and not classes:
        raise DataError("--layout classes: there are no sub-folders")
    flat = Place()
    if not forced:
        if loose and not _are_strays(loose, total):
            if classes:
                where = f"the {len(classes)} sub-folders" if len(classes) > 1 else "the sub-folder"
                notes.append(f"no class labels: {counted(loose, 'image')} outside {where}")
            return lambda parts: flat
        if len(classes) < 2 or total - loose < 2 * len(classes):
            if len(classes) > 1:
                notes.append("no class labels: fewer than two images for each sub-folder")
            return lambda parts: flat
    known = set(classes)

    def place(parts: Parts) -> Place:
        if not parts or parts[0] not in known:
            return Place(left_out="outside the class folders", top=parts[0] if parts else "")
        return Place(None, parts[0], top=parts[0])

    return place


def _meaning(folders: Sequence[Parts], place: Callable[[Parts], Place], notes: Iterable[str]) -> Meaning:
    """The places of all images as arrays, with a tree and remarks for people."""
    places = [place(parts) for parts in folders]
    used = [one for one in places if not one.left_out]
    classes = tuple(sorted({one.label for one in used if one.label is not None}))
    numbers = {name: number for number, name in enumerate(classes)}
    labels = own = None
    if classes:
        labels = np.array([numbers.get(one.label or "", 0) for one in places], np.int64)
    if any(one.split is not None for one in used):
        own = np.array([TRAIN if one.split is None else one.split for one in places], np.int8)
    left_out = {number: f"{LEFT_OUT}{one.left_out}" for number, one in enumerate(places) if one.left_out}
    notes = list(notes)
    roles = sorted({one.split for one in used if one.split is not None})
    if roles:
        notes.append(f"{listed([ROLE_NAMES[role] for role in roles])} images taken from the folders of these names")
    if classes:
        notes.append(f"class labels taken from the {len(classes)} sub-folders")
    return Meaning(labels, classes, own, tuple(notes), left_out, tuple(_tree(places)))


def _tree(places: Sequence[Place]) -> Iterable[Branch]:
    """A branch for each split, for all classes or images where there are no splits, and for what is left out."""
    branches: dict[tuple[str, str], Branch] = {}
    for one in places:
        if one.left_out:
            role = f"{LEFT_OUT}{one.left_out}"
        elif one.split is not None:
            role = ROLE_NAMES[one.split]
        else:
            role = "images" if one.label is None else "classes"
        folder = "" if one.label is not None and one.split is None else one.top
        branch = branches.setdefault((folder, role), Branch(folder, role))
        branch.images += 1
        if one.label is not None and not one.left_out:
            branch.classes[one.label] += 1
    return sorted(branches.values(), key=lambda branch: branch.role.startswith(LEFT_OUT))
