"""A folder of images, and the labels and splits that its sub-folders give."""

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gentool.data.raw import TEST, TRAIN, VALIDATION, Raw, Skipped

LARGEST_FILE = 512 * 2**20
_OF_THE_SYSTEM = {"thumbs.db", "desktop.ini", "__macosx"}
_SPLIT_NAMES = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}


def legible(name: str) -> str:
    """A file name that can be written as UTF-8; bytes that are no text become `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def of_the_system(name: str) -> bool:
    """Whether a file is hidden, or was left by the system (.DS_Store, Thumbs.db, __MACOSX)."""
    return any(part.startswith(".") or part.lower() in _OF_THE_SYSTEM for part in PurePosixPath(name).parts)


@dataclass(frozen=True)
class Meaning:
    """The labels and splits that sub-folders give."""

    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    own: NDArray[np.int8] | None
    notes: tuple[str, ...]


def meaning_of_folders(names: Sequence[str]) -> Meaning:
    """Class labels and splits from the folders in the names of the images (with `/`).

    A folder that contains all images is ignored. If the folders below it are train, val or test, they are the splits.
    Then, if every image is in a sub-folder and there are at least two of them, they are the classes.
    """
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    folders = _without_common(folders)
    notes: list[str] = []
    own = None
    tops = {parts[0].lower() if parts else "" for parts in folders}
    if len(tops) > 1 and tops <= set(_SPLIT_NAMES):
        own = np.array([_SPLIT_NAMES[parts[0].lower()] for parts in folders], np.int8)
        folders = _without_common([parts[1:] for parts in folders])
        notes.append("train, validation and test taken from the folders of these names")
    counted = Counter(parts[0] if parts else "" for parts in folders)
    classes = tuple(sorted(name for name in counted if name))
    if "" in counted:
        if classes:
            notes.append(f"no class labels: {counted['']} images lie outside the {len(classes)} sub-folders")
        return Meaning(None, (), own, tuple(notes))
    if len(classes) < 2 or len(names) < 2 * len(classes):
        if len(classes) > 1:
            notes.append("no class labels: fewer than two images for each sub-folder")
        return Meaning(None, (), own, tuple(notes))
    numbers = {name: number for number, name in enumerate(classes)}
    notes.append(f"class labels taken from the {len(classes)} sub-folders")
    return Meaning(np.array([numbers[parts[0]] for parts in folders], np.int64), classes, own, tuple(notes))


def _without_common(folders: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    while folders and all(folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]
    return folders


def list_files(folder: Path) -> tuple[list[str], list[Skipped], int]:
    """The names (with `/`, sorted) of the regular files below a folder, what is skipped, and how many are ignored.

    Links to files are read; links to folders are not followed, so that nothing is read twice, or endlessly.
    """
    names: list[str] = []
    skipped: list[Skipped] = []
    ignored = 0

    def unlisted(error: OSError) -> None:
        name = os.path.relpath(error.filename, folder)
        skipped.append(Skipped(legible(name), f"cannot be listed: {error.strerror}"))

    for place, inner, files in os.walk(folder, onerror=unlisted):
        here = Path(place)
        inner[:], left_out = _entered(here, sorted(inner))
        ignored += sum(not why for why in left_out.values())
        for name, why in left_out.items():
            if why:
                skipped.append(Skipped(legible((here / name).relative_to(folder).as_posix()), why))
        for name in files:
            path = here / name
            relative = path.relative_to(folder).as_posix()
            if of_the_system(relative):
                ignored += 1
                continue
            try:
                facts = path.stat()
            except OSError as error:
                skipped.append(Skipped(legible(relative), f"cannot be read: {error.strerror}"))
                continue
            if not stat.S_ISREG(facts.st_mode):
                skipped.append(Skipped(legible(relative), "not a regular file"))
            elif facts.st_size > LARGEST_FILE:
                skipped.append(Skipped(legible(relative), f"larger than {LARGEST_FILE // 2**20} MiB"))
            else:
                names.append(relative)
    return sorted(names), skipped, ignored


def _entered(here: Path, folders: list[str]) -> tuple[list[str], dict[str, str]]:
    """The sub-folders to look into, and the others with a reason; without one they are ignored."""
    others: dict[str, str] = {}
    for name in folders:
        if of_the_system(name):
            others[name] = ""
        elif (here / name).is_symlink():
            others[name] = "a link to a folder, not followed"
        elif all((here / name / file).is_file() for file in ("images.npy", "dataset.json")):
            others[name] = "a prepared folder"
    return [name for name in folders if name not in others], others


def read_folder(folder: Path) -> Raw:
    """A folder of image files, with all its sub-folders."""
    names, skipped, ignored = list_files(folder)
    return Raw(
        kind="folder of images",
        count=len(names),
        get=lambda i: (folder / names[i]).read_bytes(),
        name=lambda i: legible(names[i]),
        skipped=tuple(skipped),
        ignored=ignored,
        folders=True,
    )
