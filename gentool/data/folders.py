"""A folder of image files, with all its sub-folders."""

import os
import stat
from pathlib import Path

from gentool.data.raw import Raw, Skipped

LARGEST_FILE = 512 * 2**20
_OF_THE_SYSTEM = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "@tmp", "#recycle", "@recycle",
    "$recycle.bin", "system volume information", "lost+found", "__pycache__",
}  # fmt: skip
"""What systems and network drives leave in folders, in lower case."""


def legible(name: str) -> str:
    """A file name that can be written as UTF-8; bytes that are no text become `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def of_the_system(name: str) -> bool:
    """Whether a file is hidden, or was left by the system (.DS_Store, Thumbs.db, __MACOSX)."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return any(part.startswith(".") or part.lower() in _OF_THE_SYSTEM for part in parts)


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
        inside = "" if here == folder else f"{here.relative_to(folder).as_posix()}/"
        for name in files:
            relative = inside + name
            if of_the_system(name):  # such folders are not entered
                ignored += 1
                continue
            try:
                facts = os.stat(f"{place}/{name}")
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


def content_of(path: str) -> bytes:
    """The bytes of a file. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        return file.read()


def read_folder(folder: Path) -> Raw:
    """A folder of image files, with all its sub-folders."""
    names, skipped, ignored = list_files(folder)
    return Raw(
        kind="folder of images",
        where=str(folder),
        count=len(names),
        get=lambda i: content_of(f"{folder}/{names[i]}"),
        files=[f"{folder}/{name}" for name in names],
        name=lambda i: legible(names[i]),
        skipped=tuple(skipped),
        ignored=ignored,
        folders=True,
    )
