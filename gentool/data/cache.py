"""Where prepared sets and downloads are kept, and how they are found again.

downloads/NAME/               files fetched for a named set
prepared/NAME-KEY/            a prepared folder; KEY stands for options and source stamp, so it is never changed
known/NAME-KEY.json           which prepared folder a named set with these options has, whatever its source was
known/NAME.json               where the files of a named set were, when they were given
known/data-….json             where the data of a training are, by their fingerprint
known/verified-….json         that a large set was found whole, until its files change
known/precision-….json        what a training is computed in, where that was timed
"""

import hashlib
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from gentool.data.catalog import Entry
from gentool.data.prepare import PrepareOptions
from gentool.data.target import DESCRIPTION
from gentool.files import write_json
from gentool.reading import Each, read_json

PREPARATION = 1
"""Raised whenever the same source and options give other pixels or splits, so that older folders are not used."""


STAMPED_FILES, STAMPED_BYTES = 1000, 2**16
"""How much of a source is read to see whether it is another one."""
LATER_OPTIONS = {"layout": "auto", "gap": 0, "labels": None, "label_columns": None, "label": None}
"""Options that older keys do not have, with the value that they stand for."""


def cache_folder() -> Path:
    """The folder of all cached data: GENTOOL_DATA, or the user's cache folder of this system."""
    given = os.environ.get("GENTOOL_DATA")
    if given:
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("gentool") / "data"


def downloads_folder(name: str) -> Path:
    """Where the files of a named set are fetched to."""
    return cache_folder() / "downloads" / name


def stamp(path: Path, labels: Path | None = None) -> str:
    """A digest of a source and its file of labels: its place, the names, sizes and times of its files, some content.

    Of at most `STAMPED_FILES` files, evenly spread, the first and last `STAMPED_BYTES` are read.
    """
    digest = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape"))
    files = [str(path)]
    if path.is_dir():
        files = []
        for place, inner, names in os.walk(path):
            inner.sort()
            files += [f"{place}/{name}" for name in sorted(names)]
    step = max(1, -(-len(files) // STAMPED_FILES))
    for number, file in enumerate([*files, *([str(labels)] if labels else [])]):
        try:
            facts = os.stat(file)
            digest.update(json.dumps([file, facts.st_size, facts.st_mtime_ns]).encode() + b"\n")
            # A pipe would wait for its writer.
            if stat.S_ISREG(facts.st_mode) and (number % step == 0 or number == len(files)):
                digest.update(_ends(file, facts.st_size))
        except OSError:
            digest.update(json.dumps([file, None, None]).encode() + b"\n")
    return digest.hexdigest()


def _ends(file: str, size: int) -> bytes:
    """The first and the last bytes of a file."""
    with open(file, "rb") as content:
        first = content.read(STAMPED_BYTES)
        if size > 2 * STAMPED_BYTES:
            content.seek(-STAMPED_BYTES, os.SEEK_END)
        return first + content.read(STAMPED_BYTES)


def key(name: str, options: PrepareOptions, source_stamp: str = "") -> str:
    """A short text that differs when the name, the options (except for the source) or the stamp differ."""
    settings = {name: value for name, value in options.to_json().items() if name != "source"}
    settings = {
        name: value for name, value in settings.items() if name not in LATER_OPTIONS or LATER_OPTIONS[name] != value
    }
    content = json.dumps([PREPARATION, name, settings, source_stamp], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def prepared_folder(name: str, options: PrepareOptions, source_stamp: str) -> Path:
    """Where a set with these options and this source stamp is, or would be, kept."""
    return cache_folder() / "prepared" / f"{_legible(name)}-{key(name, options, source_stamp)}"


def _legible(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name)[:40].strip("-") or "images"


def newest_preparation(name: str, source: str) -> tuple[Path, dict[str, Any]] | None:
    """The folder of the latest preparation of a source, and its options."""
    found = []
    for file in (cache_folder() / "prepared").glob(f"{_legible(name)}-*/{DESCRIPTION}"):
        try:
            info = read_json(file, {"source": {"path": str}, "options": Each(Any)})
        except (OSError, ValueError):  # damaged; opening it reports that
            continue
        if info["source"]["path"] == source:
            found.append((file.stat().st_mtime_ns, file.parent, dict(info["options"])))
    if not found:
        return None
    _, folder, options = max(found, key=lambda one: one[:2])
    return folder, options


def remember(name: str, options: PrepareOptions, folder: Path) -> None:
    """Note that a named set with these options is in `folder`, and where its source is."""
    _write(f"{name}-{key(name, options)}.json", {"folder": str(folder.relative_to(cache_folder()))})
    if options.source is not None:
        _write(f"{name}.json", {"source": str(options.source.resolve())})


def known_folder(name: str, options: PrepareOptions) -> Path | None:
    """The prepared folder noted for a named set with these options, if it is still there."""
    noted = _read(f"{name}-{key(name, options)}.json", "folder")
    folder = cache_folder() / noted if noted else None
    return folder if folder is not None and folder.is_dir() else None


def is_cached(entry: Entry) -> bool:
    """Whether a named set with its default options is prepared."""
    return known_folder(entry.name, PrepareOptions().with_defaults(entry.defaults)) is not None


def known_source(name: str) -> Path | None:
    """Where the files of a named set were when they were last given, if they are still there."""
    noted = _read(f"{name}.json", "source")
    return Path(noted) if noted and Path(noted).exists() else None


def is_verified(fingerprint: str, stamp: str) -> bool:
    """Whether a prepared set whose files have this stamp was found to have this fingerprint."""
    return _read(f"verified-{fingerprint[:16]}.json", "stamp") == stamp


def note_verified(fingerprint: str, stamp: str) -> None:
    """Note that a prepared set whose files have this stamp has this fingerprint."""
    _write(f"verified-{fingerprint[:16]}.json", {"stamp": stamp})


def noted_data(fingerprint: str) -> Path | None:
    """The prepared folder that a training on data of this fingerprint had."""
    noted = _read(f"data-{fingerprint[:16]}.json", "folder")
    return Path(noted) if noted else None


def note_data(fingerprint: str, folder: Path) -> None:
    """Note where the data of a training are."""
    _write(f"data-{fingerprint[:16]}.json", {"folder": str(folder.absolute())})


def _write(file: str, content: dict[str, str]) -> None:
    folder = cache_folder() / "known"
    if all(_read(file, name) == value for name, value in content.items()):
        return
    write_json(folder / file, content)


def _read(file: str, field: str) -> str | None:
    try:
        value: str = read_json(cache_folder() / "known" / file, {field: str})[field]
    except (OSError, ValueError):
        return None
    return value
