"""Where prepared sets and downloads are kept, and how they are found again.

downloads/NAME/               files fetched for a named set
prepared/NAME-KEY/            a prepared folder; KEY stands for options and source stamp, so it is never changed
known/NAME-KEY.json           which prepared folder a named set with these options has, whatever its source was
known/NAME.json               where the files of a named set were, when they were given
"""

import hashlib
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

from gentool.data.catalog import Entry
from gentool.data.prepare import PrepareOptions

PREPARATION = 1
"""Raised whenever the same source and options give other pixels or splits, so that older folders are not used."""


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


def stamp(path: Path) -> str:
    """A digest of the names, sizes and times of a source's files: another one when they change."""
    digest = hashlib.sha256()
    if path.is_dir():
        for place, inner, files in os.walk(path):
            inner.sort()
            for name in sorted(files):
                _add(digest, Path(place) / name, path)
    else:
        _add(digest, path, path.parent)
    return digest.hexdigest()


def _add(digest: Any, path: Path, root: Path) -> None:
    try:
        facts = path.stat()
        line = [path.relative_to(root).as_posix(), facts.st_size, facts.st_mtime_ns]
    except OSError:
        line = [path.relative_to(root).as_posix(), None, None]
    digest.update(json.dumps(line).encode() + b"\n")


def key(name: str, options: PrepareOptions, source_stamp: str = "") -> str:
    """A short text that differs when the name, the options (except for the source) or the stamp differ."""
    settings = {field: value for field, value in options.to_json().items() if field != "source"}
    content = json.dumps([PREPARATION, name, settings, source_stamp], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def prepared_folder(name: str, options: PrepareOptions, source_stamp: str) -> Path:
    """Where a set with these options and this source stamp is, or would be, kept."""
    legible = re.sub(r"[^\w-]+", "-", name)[:40].strip("-") or "images"
    return cache_folder() / "prepared" / f"{legible}-{key(name, options, source_stamp)}"


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


def _write(file: str, content: dict[str, str]) -> None:
    folder = cache_folder() / "known"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{file}.{secrets.token_hex(4)}.tmp"
    temporary.write_text(json.dumps(content), encoding="utf-8")
    os.replace(temporary, folder / file)


def _read(file: str, field: str) -> str | None:
    try:
        value = json.loads((cache_folder() / "known" / file).read_text(encoding="utf-8"))[field]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None
