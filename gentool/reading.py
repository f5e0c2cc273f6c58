"""Reading files that others may have made: regular files of a bounded size, and JSON of a stated form.

A form says what a value must be, so that whatever a file holds ends as one clear line:

    {"model": str, "shape": [int], "options": Each(Scalar), "note": Maybe(str)}
"""

import errno
import json
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST_TEXT = 128 * 2**20
"""The most bytes of a text that is read whole, such as JSON or TOML."""
MOST_CONTAINERS = 4_000_000
"""The most lists and dictionaries in a JSON file: each takes many times its two bytes."""
LARGEST_INTEGER = 2**63 - 1
DEEPEST = 32
"""How deep values may be nested."""


@dataclass(frozen=True)
class Each:
    """A dictionary with texts as keys, whose values all have one form."""

    form: Any


@dataclass(frozen=True)
class Maybe:
    """A value of a form, or none: an entry that may be missing."""

    form: Any


class Scalar:
    """A text, a number, a truth value, or none."""


def check_regular(path: Path | str) -> None:
    """Raises OSError for a file that is missing or is no regular file: a pipe would be waited for without end."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_bytes(path: Path | str, most: int = LARGEST_TEXT) -> bytes:
    """The content of a regular file. Raises OSError, also for one of more than `most` bytes."""
    check_regular(path)
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"larger than {most // 2**20} MiB", str(path))
        return file.read()


def read_text(path: Path | str, most: int = LARGEST_TEXT) -> str:
    """A text in UTF-8, with or without a byte order mark. Raises OSError; ValueError for other bytes."""
    return read_bytes(path, most).decode("utf-8-sig")


def read_json(path: Path | str, form: Any) -> Any:
    """The value in a JSON file. Raises OSError; ValueError where it is not of the form."""
    return parse_json(read_text(path), form)


def parse_json(text: str, form: Any) -> Any:
    """The value in a JSON text. Raises ValueError where it is not of the form."""
    if text.count("[") + text.count("{") > MOST_CONTAINERS:
        raise ValueError("too many entries")
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    check(value, form)
    return value


def check(value: Any, form: Any, where: str = "") -> None:
    """Raises ValueError for a value that is not of a form; the message names its place.

    A form is a type, `[form]` for lists, `{name: form}` for dictionaries, which may have further entries, `Each`,
    `Maybe` or `Scalar`. Whole numbers are numbers, and further entries hold nothing that is nested too deeply.
    """
    place = where or "its content"
    if isinstance(form, Maybe):
        if value is not None:
            check(value, form.form, where)
    elif form is Any:
        if _depth(value) > DEEPEST:
            raise ValueError(f"{place} is nested too deeply")
    elif isinstance(form, list):
        _expect(isinstance(value, list | tuple), place, "a list", value)
        for number, item in enumerate(value):
            check(item, form[0], f"{where}[{number}]")
    elif isinstance(form, Each):
        _expect(isinstance(value, dict) and all(isinstance(name, str) for name in value), place, "named entries", value)
        for name, item in value.items():
            check(item, form.form, _inside(where, name))
    elif isinstance(form, dict):
        _expect(isinstance(value, dict), place, "named entries", value)
        for name, inner in form.items():
            if name not in value and not isinstance(inner, Maybe):
                raise ValueError(f"{_inside(where, name)} is missing")
            check(value.get(name), inner, _inside(where, name))
        for name in value.keys() - form.keys():
            check(value[name], Any, _inside(where, str(name)))
    elif form is Scalar:
        _expect(value is None or isinstance(value, str | bool | int | float), place, "text or a number", value)
    else:
        _check_type(value, form, place)
    if isinstance(value, int) and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        raise ValueError(f"{place} is a number that is too large")


def _check_type(value: Any, kind: type, place: str) -> None:
    number = kind in (int, float) and isinstance(value, (int, kind)) and not isinstance(value, bool)
    word = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}.get(kind, kind.__name__)
    _expect(number if kind in (int, float) else isinstance(value, kind), place, word, value)


def _expect(true: bool, place: str, expected: str, value: Any) -> None:
    if not true:
        raise ValueError(f"{place} is {shown(value)}, not {expected}")


def _inside(where: str, name: str) -> str:
    return f"{where}.{name[:40]}" if where else name[:40]


def _depth(value: Any, so_far: int = 0) -> int:
    """How deep a value is nested, as far as that matters."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    if so_far > DEEPEST:
        return so_far
    return max((_depth(item, so_far + 1) for item in inner), default=so_far)


def shown(value: Any, most: int = 60) -> str:
    """A value in a message: its beginning, where it is long."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if not isinstance(value, str | bool | int | float | None):
        return f"of type {type(value).__name__}"
    text = repr(value[: most + 1]) if isinstance(value, str) else "a large number" if _huge(value) else repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _huge(value: Any) -> bool:
    """Whether Python would refuse to write a number."""
    return isinstance(value, int) and abs(value) > 10**60
