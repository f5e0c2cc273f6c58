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

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gentool.data.aside import about_others, aside_among, folders_in, outermost, shards_among, shortened, without
from gentool.data.folder_names import ROLE_NAMES, Parts, folders_of, role_and_others, role_of
from gentool.data.raw import TEST, TRAIN, VALIDATION
from gentool.errors import DataError
from gentool.progress import counted, listed

Layout = Literal["auto", "flat", "classes", "splits", "splits-classes", "classes-splits"]
LAYOUTS = get_args(Layout)

STRAYS = 0.02
"""Up to this share of the images may lie outside the class folders: they are left out. With more, there are no classes.
One may always."""

LEFT_OUT = "left out: "
"""How the reason begins why an image is not used that could be."""
SPLITS_OF_FOLDERS = "images taken from the folders with these names"
"""How the note on splits taken from folders ends. A file of labels with splits of its own replaces the note."""


@dataclass
class Branch:
    """A line of the tree that is shown to people: a folder, what it is taken for, its images, its class folders."""

    folder: str
    role: str
    images: int = 0
    classes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Place:
    """Where an image belongs: its split and its class, where they are known, or the reason why it is left out."""

    split: int | None = None
    label: str | None = None
    left_out: str = ""
    top: str = ""


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
    places: tuple[Place, ...] = ()
    tree: tuple[Branch, ...] = ()


def understand(
    names: Sequence[str],
    deciding: Sequence[bool] | None = None,
    layout: Layout = "auto",
    *,
    labelled: bool = True,
) -> Meaning:
    """What the folders in names with `/` mean. Only the images in `deciding` decide; all of them by default.

    Without `labelled`, no folder is a class. Raises DataError where a `layout` that was asked for does not fit, and
    where the names fit several.
    """
    folders = [folders_of(unicodedata.normalize("NFC", name)) for name in names]
    deciding = deciding or [True] * len(names)
    if layout == "flat" or not any(deciding):
        return meaning_of_places([Place(top=parts[0] if parts else "") for parts in folders], deciding)
    known = [parts for parts, decides in zip(folders, deciding, strict=True) if decides]
    aside, notes = aside_among(known, keep=_common(known) if layout == "classes" else None)
    about = about_others(names)
    shards = shards_among(known)
    if shards:
        notes.append(f"{len(shards)} folders, such as {'/'.join(min(shards))}, are parts of one set")
    kept = [without(parts, shards) for parts in folders]
    tops = [outermost(aside, parts) for parts in folders]
    reasons = [aside.get(top, "") or about.get(number, "") for number, top in enumerate(tops)]
    place, more = _rule(
        [parts for parts, decides, reason in zip(kept, deciding, reasons, strict=True) if decides and not reason],
        layout,
        labelled=labelled,
    )
    places = [
        Place(left_out=reason, top=shortened(top or parts)) if reason else place(parts)
        for parts, top, reason in zip(kept, tops, reasons, strict=True)
    ]
    return meaning_of_places(places, deciding, [*notes, *more], of_folders=True)


def _rule(folders: list[Parts], layout: Layout, *, labelled: bool) -> tuple[Callable[[Parts], Place], list[str]]:
    """The function from an image's folders to its place, and remarks."""
    root = _common(folders, tolerant=True)
    inside = [parts[len(root) :] for parts in folders if parts[: len(root)] == root]
    tops = Counter(parts[0] if parts else "" for parts in inside)
    named = sorted(top for top in tops if top)
    splits = {top: role for top in named if (role := role_of(top)) is not None}
    if layout in ("auto", "splits", "splits-classes") and not _are_splits(inside, splits):
        splits = _splits_among(named) or splits
    if layout in ("splits", "splits-classes") and not splits:
        raise DataError(f"--layout {layout}: no folder is named train, validation or test; rename the splits so")
    notes: list[str] = []

    def outside(parts: Parts) -> Place:
        return Place(left_out=f"outside {'/'.join(root)}", top=parts[0] if parts else "")

    if layout in ("splits", "splits-classes") or (layout == "auto" and _are_splits(inside, splits)):
        rule = _splits_rule(inside, _distinct(splits), with_classes=labelled and layout != "splits")
    elif layout == "classes-splits" or (layout == "auto" and _are_splits_of_classes(inside, named)):
        rule = _splits_below_classes if labelled else lambda parts: replace(_splits_below_classes(parts), label=None)
    elif not labelled:
        return lambda parts: Place(top=parts[0] if parts else ""), notes
    else:
        rule = _classes_rule(inside, tops, forced=layout == "classes", notes=notes)
        if layout == "auto" and any(rule((name,)).label for name in named):
            _raise_if_ambiguous(inside, named, notes)
    return (lambda parts: rule(parts[len(root) :]) if parts[: len(root)] == root else outside(parts)), notes


def _splits_among(names: Sequence[str]) -> dict[str, int]:
    """The splits among folders such as `cars_train` and `cars_test`, or `train_small` and `test`; none where unclear.

    Raises DataError for several sets with splits, such as trainA, testA, trainB and testB.
    """
    sets: dict[tuple[str, ...], dict[str, int]] = {}
    for name in names:
        role, others = role_and_others(name)
        if role is not None:
            sets.setdefault(others, {})[name] = role
    whole = [of_set for of_set in sets.values() if TRAIN in of_set.values() and len(set(of_set.values())) > 1]
    if len(whole) == 1:
        return whole[0]
    every = {name: role for of_set in sets.values() for name, role in of_set.items()}
    if len(whole) > 1:
        raise DataError(
            f"{listed(sorted(every))} are the splits of several sets; move each set to a folder of its own, or "
            "give --layout classes if they are classes"
        )
    return every if len(every) == len(names) and TRAIN in every.values() and len(set(every.values())) > 1 else {}


def _raise_if_ambiguous(folders: Iterable[Parts], classes: Sequence[str], notes: list[str]) -> None:
    """Raises DataError where the folders that would be classes have the same folders in them, or look like splits."""
    inside = folders_in(folders)
    within = [inside.get((name,), set()) for name in classes]
    divided = [
        (name, sorted(names))
        for name, names in zip(classes, within, strict=True)
        if TRAIN in (roles := {role_of(inner) for inner in names}) and roles & {VALIDATION, TEST}
    ]
    if divided:
        name, names = divided[0]
        raise DataError(
            f"the folder {name} has splits in it ({', '.join(names[:4])}), but the others beside it do not, or hold "
            "more; give one of them, or say what they are with --layout classes-splits or --layout classes"
        )
    if len(within[0]) > 1 and all(names == within[0] for names in within):
        raise DataError(
            f"the folders {_some(classes)} have the same {len(within[0])} folders in them "
            f"({_some(sorted(within[0]))}); give one of them, or --layout classes if the outer ones are classes"
        )
    splits = {name: role for name in classes if (role := role_of(name)) is not None}
    if len(set(splits.values())) > 1:
        raise DataError(
            f"the folders {_some(sorted(splits))} are named like splits, but none like training images; name one "
            "train, or give --layout classes if they are classes"
        )
    notes += [f"the folder {name} is named like a split, but taken as a class" for name in splits]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


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
            roots[top] = _split_root(inner[top], classes)
            below = Counter(
                parts[len(roots[top])] if len(parts) > len(roots[top]) else ""
                for parts in inner[top]
                if parts[: len(roots[top])] == roots[top]
            )
            loose = below.pop("", 0)
            enough = len(below) > 1 and (not loose or _are_strays(loose, len(inner[top])))
            enough = enough and sum(below.values()) >= 2 * len(below)
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


def _classes_rule(
    folders: list[Parts], tops: Counter[str], *, forced: bool, notes: list[str]
) -> Callable[[Parts], Place]:
    """The top folders are classes, if there are two or more with two images each."""
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
                notes.append("no class labels: fewer than two images per sub-folder")
            return lambda parts: flat
    known = set(classes)

    def place(parts: Parts) -> Place:
        if not parts or parts[0] not in known:
            return Place(left_out="outside the class folders", top=parts[0] if parts else "")
        return Place(None, parts[0], top=parts[0])

    return place


def meaning_of_places(
    places: Sequence[Place], deciding: Sequence[bool], notes: Iterable[str] = (), *, of_folders: bool = False
) -> Meaning:
    """The places of all images as arrays, with a tree; `of_folders` remarks on what their names said."""
    used = [one for one in places if not one.left_out]
    classes = in_order({one.label for one in used if one.label is not None})
    numbers = {name: number for number, name in enumerate(classes)}
    labels = own = None
    if classes:
        labels = np.array([numbers.get(one.label or "", 0) for one in places], np.int64)
    if any(one.split is not None for one in used):
        own = np.array([TRAIN if one.split is None else one.split for one in places], np.int8)
    left_out = {number: f"{LEFT_OUT}{one.left_out}" for number, one in enumerate(places) if one.left_out}
    notes = list(notes)
    roles = sorted({one.split for one in used if one.split is not None})
    if roles and of_folders:
        notes.append(f"{listed([ROLE_NAMES[role] for role in roles])} {SPLITS_OF_FOLDERS}")
    if classes and of_folders:
        notes.append(f"class labels taken from the {len(classes)} sub-folders")
    return Meaning(labels, classes, own, tuple(notes), left_out, tuple(places), tuple(_tree(places, deciding)))


def in_order(classes: Iterable[str]) -> tuple[str, ...]:
    """The names of classes sorted; by number where all of them are numbers."""
    names = sorted(classes)
    return tuple(sorted(names, key=int) if all(name.isascii() and name.isdecimal() for name in names) else names)


def _tree(places: Sequence[Place], deciding: Sequence[bool]) -> Iterable[Branch]:
    """A branch for each split, for all classes or images where there are no splits, and for what is left out."""
    branches: dict[tuple[str, str], Branch] = {}
    for one, decides in zip(places, deciding, strict=True):
        if not decides:
            continue
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
    order = [*ROLE_NAMES.values(), "classes", "images"]
    return sorted(branches.values(), key=lambda one: order.index(one.role) if one.role in order else len(order))
