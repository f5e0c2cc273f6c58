"""Options: one dataclass field is one flag, one JSON key, one TOML key and one keyword argument.

    @dataclass(frozen=True, kw_only=True)
    class Options(Validated):
        latent_dim: int = option(32, "Size of the latent vector.", min=1)
        perplexity: float = option(30.0, "...", only_with={"method": ("tsne", "opentsne")})

A subclass of `Validated` checks the type, range and choices of every field when an object of it is made. A value is
refused in the same way from the command line, a TOML file, a checkpoint and Python.
"""

import csv
import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from gentool.errors import OptionError
from gentool.reading import shown

Resume = Literal["same", "grow", "free"]
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
Conditions = Mapping[str, Any]
"""Another option to the values that are meant: one value, a tuple of values, or True for any but its default."""


MOST = 10**9
"""The largest value of a number with a lower limit and no upper one."""
MOST_NUMBERS, MOST_DIGITS, MOST_INDICES = 64, 9, 100_000
"""Limits of lists: the numbers in `16,32` and the digits of each; the numbers that `3,17,40-49` stands for."""
LARGEST_FLOAT = 10**300


def comma_separated(value: Any) -> str:
    """`(16, 32)` as `16,32`, a word with a comma in quotes; any other value as text."""
    return ",".join(map(quoted, value)) if isinstance(value, tuple) else str(value)


def quoted(word: Any) -> str:
    """A word as `words` reads it: in quotes, as in CSV, where it has a comma."""
    text = str(word)
    return '"' + text.replace('"', '""') + '"' if "," in text or text.startswith('"') else text


def option(
    default: Any,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    metavar: str | None = None,
    short: str | None = None,
    resume: Resume = "same",
    parse: Callable[[str], Any] | None = None,
    write: Callable[[Any], str] = comma_separated,
    only_with: Conditions | None = None,
    not_with: Conditions | None = None,
    default_text: str | None = None,
    alias: str | None = None,
) -> Any:
    """A field of a `Validated` class, with everything that its flag needs.

    Args:
        min, max: The range of a number, both ends included; without `max`, up to `MOST`.
        short: A one-letter flag.
        resume: What a resumed run may do with the option: keep the `same` value, let it `grow`, or change it at will
            (`free`: it does not touch the numbers).
        parse: Turns a text into the value that the field holds. It raises ValueError with what was expected.
        write: Turns that value into text again, for JSON and `--help`.
        only_with: The option has an effect only together with one of these values of other options.
        not_with: The option has no effect together with any of these values of other options.
        default_text: What `--help` says the default is, where the default itself does not say it.
        alias: An earlier name of the option. It is still accepted, and not shown.
    """
    settings = {
        "help": help,
        "min": min,
        "max": MOST if max is None and min is not None else max,
        "metavar": metavar,
        "short": short,
        "resume": resume,
        "parse": parse,
        "write": write,
        "only_with": only_with or {},
        "not_with": not_with or {},
        "default_text": default_text,
        "alias": alias,
    }
    return dataclasses.field(default=default, metadata=settings)


def redefault(cls: type, name: str, default: Any, **changes: Any) -> Any:
    """The field `name` of `cls` with another default, for a subclass; `changes` are other arguments of `option`."""
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    return dataclasses.field(default=default, metadata={**field.metadata, **changes})


def flag(name: str) -> str:
    """The flag of a field: `latent_dim` is `--latent-dim`, and `from_` is `--from`, a reserved word in Python."""
    return "--" + name.rstrip("_").replace("_", "-")


def field_types(cls: Any) -> dict[str, Any]:
    """The resolved annotation of each field."""
    return typing.get_type_hints(cls)


def unwrap_optional(annotation: Any) -> tuple[Any, bool]:
    """`int | None` is (int, True); `int` is (int, False)."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        return kinds[0], True
    return annotation, False


def numbers(text: str) -> tuple[int, ...]:
    """Positive integers from a comma-separated text: `16,32` is (16, 32). Raises ValueError."""
    parts = text.split(",", MOST_NUMBERS)
    if not all(is_whole(part) and int(part) > 0 for part in parts):
        raise ValueError("expected comma-separated positive whole numbers, such as 16,32")
    if len(parts) > MOST_NUMBERS:
        raise ValueError(f"more than {MOST_NUMBERS} numbers")
    return tuple(int(part) for part in parts)


def is_whole(text: str) -> bool:
    """Whether a text is a whole number from 0, of at most `MOST_DIGITS` digits."""
    return text.strip().isdecimal() and len(text.strip()) <= MOST_DIGITS


def indices(text: str) -> tuple[int, ...]:
    """Integers from 0 from a text with commas and ranges: `3,17,40-42` is (3, 17, 40, 41, 42). Raises ValueError."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = (end.strip() for end in part.partition("-"))
        ends = (first, last) if dash else (first,)
        if not all(end.isascii() and is_whole(end) for end in ends) or int(ends[-1]) < int(first):
            raise ValueError("expected comma-separated whole numbers or ranges, such as 3,17,40-49")
        if int(ends[-1]) - int(first) + len(found) >= MOST_INDICES:
            raise ValueError(f"expected at most {MOST_INDICES:,} numbers")
        found += range(int(first), int(ends[-1]) + 1)
    return tuple(found)


def words(text: str) -> tuple[str, ...]:
    """Words from a comma-separated text: `3,cat` is ("3", "cat"); a word with a comma stands in quotes, as in CSV.

    Raises ValueError for an empty one.
    """
    parts = tuple(part.strip() for part in next(csv.reader([text], skipinitialspace=True), [""]))
    if not parts or not all(parts):
        raise ValueError("expected comma-separated names or numbers, such as 3,7, or all")
    return parts


def one_of(names: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """A parser of comma-separated names, each of `names` and each taken once. It raises ValueError."""
    known = tuple(names)

    def parse(text: str) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
        for word in words:
            if word not in known:
                raise ValueError(f"choose from {', '.join(known)}.{suggestion(word, known)}")
        return words

    return parse


def suggestion(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'gan'?`, or nothing where no known word is near."""
    near = get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def required(field: "Field[Any]") -> bool:
    """Whether a field has no default."""
    return field.default is MISSING and field.default_factory is MISSING


@dataclass(frozen=True, kw_only=True)
class Validated:
    """A frozen set of options, checked when it is made. Raises OptionError."""

    @classmethod
    def resolve(cls, options: Self | None, settings: Mapping[str, Any]) -> Self:
        """`options`, or those of keyword arguments. Raises OptionError for both, and for a name that is no option."""
        if options is None:
            return cls(**cls._known(settings))
        if settings:
            raise OptionError(f"give either options or keywords ({', '.join(settings)}), not both")
        if not isinstance(options, cls):
            raise OptionError(f"expected {_name(cls)}, got {_name(type(options))}")
        return options

    def __post_init__(self) -> None:
        self._check_fields()
        self.check_effect(self.changed())
        self.cross_check()

    def _check_fields(self) -> None:
        annotations = field_types(type(self))
        for field in dataclasses.fields(self):
            value = checked(field, annotations[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    def cross_check(self) -> None:
        """What fields by themselves and `only_with` cannot say. Raises OptionError."""

    def changed(self) -> list[str]:
        """The names of the options that differ from their defaults."""
        return [field.name for field in dataclasses.fields(self) if getattr(self, field.name) != field.default]

    def check_effect(self, names: Iterable[str]) -> None:
        """Raises OptionError for the first of these options that has no effect beside the others."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        for name in names:
            needed, excluded = fields[name].metadata["only_with"], fields[name].metadata["not_with"]
            met = [
                f"{flag(other)}{_listed(values)}" for other, values in excluded.items() if self._meets(other, values)
            ]
            if met:
                raise OptionError(f"{flag(name)}: has no effect with {met[0]}")
            if needed and not any(self._meets(other, values) for other, values in needed.items()):
                listed = " or ".join(f"{flag(other)}{_listed(values)}" for other, values in needed.items())
                raise OptionError(f"{flag(name)}: only with {listed}")

    def _meets(self, name: str, values: Any) -> bool:
        value = getattr(self, name)
        if values is True:
            return name in self.changed()
        return value in (values if isinstance(values, tuple) else (values,))

    @classmethod
    def help_values(cls) -> dict[str, Any]:
        """Values for the names in braces in help texts, such as `{updates}`; none by default."""
        return {}

    @classmethod
    def help_of(cls, field: "Field[Any]", choices: Sequence[str] = ()) -> str:
        """The help text of a field, with its default, its choices where the text does not name them, and its range."""
        text, default = field.metadata["help"], field.metadata["default_text"]
        if default is None and not required(field) and not (field.default is None or field.default is False):
            default = "yes" if field.default is True else f"{written(field, field.default)}"
        facts = [f"default: {default}"] if default else []
        if not all(re.search(rf"\b{re.escape(choice)}\b", text) for choice in choices):
            facts.append("|".join(choices))
        facts += [limits] if (limits := _limits(field.metadata)) else []
        text += f" ({'; '.join(facts)})" if facts else ""
        return str(text.format(**values) if (values := cls.help_values()) else text)

    def to_json(self) -> dict[str, Any]:
        """Name to plain value; paths and parsed values as text."""
        return {field.name: _plain(field, getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The options that `to_json` wrote, also those without an effect, which earlier versions accepted.

        Raises OptionError for a key that is no option, with a suggestion, and for a value that is refused.
        """
        values = cls._known(values)
        made = object.__new__(cls)
        for field in dataclasses.fields(cls):
            if required(field):
                raise OptionError(f"{field.name!r} has no default")
            object.__setattr__(made, field.name, values.get(field.name, field.default))
        made._check_fields()
        made.cross_check()
        return made

    @classmethod
    def _known(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values by the names of today. Raises OptionError for a name that is no option, with a suggestion."""
        fields = dataclasses.fields(cls)
        known = {field.name: field.name for field in fields}
        known |= {field.metadata["alias"]: field.name for field in fields if field.metadata["alias"]}
        for name in values:
            if name not in known:
                raise OptionError(f"{shown(name)} is not an option here.{suggestion(str(name)[:60], known)}")
            if name != known[name] and known[name] in values:
                raise OptionError(f"give {known[name]} or its earlier name {name}, not both")
        return {known[name]: value for name, value in values.items()}


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__name__}"


def written(field: "Field[Any]", value: Any) -> Any:
    """A value as it is typed on the command line."""
    return field.metadata["write"](value) if field.metadata["parse"] is not None and value is not None else value


def command_words(options: Validated) -> list[str]:
    """The flags that give these options on a command line, without those of defaults."""
    words = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, bool) and value != field.default:
            words.append(flag(field.name) if value else flag(f"no_{field.name}"))
        elif value != field.default:
            words.append(f"{flag(field.name)}={written(field, value)}")
    return words


def _plain(field: "Field[Any]", value: Any) -> Any:
    value = written(field, value)
    return str(value) if isinstance(value, Path) else value


def _listed(values: Any) -> str:
    if values is True:
        return ""
    return " " + " or ".join(map(str, values if isinstance(values, tuple) else (values,)))


def _range(settings: Mapping[str, Any], value: float) -> str:
    """What is allowed, for a value that is not."""
    low, high = settings["min"], settings["max"]
    if high == MOST and low is not None:
        return f"at most {MOST:,}" if value > MOST else f"at least {low:g}"
    if low is not None and high is not None:
        return f"between {low:.10g} and {high:.10g}"
    return f"at least {low:.10g}" if low is not None else f"at most {high:.10g}"


def _limits(settings: Mapping[str, Any]) -> str:
    """The range of a number, for help texts, unless it is any from 0 or 1."""
    low, high = settings["min"], settings["max"]
    if low is None or high is None:
        return "" if low is high else f"at least {low:,.10g}" if high is None else f"at most {high:,.10g}"
    if high >= MOST:
        return "" if low in (0, 1) else f"at least {low:,.10g}"
    return f"{low:,.10g} to {high:,.10g}"


def checked(field: "Field[Any]", annotation: Any, value: Any) -> Any:
    """The value in its field's type. Raises OptionError with the flag and what is allowed."""
    kind, optional = unwrap_optional(annotation)
    name = flag(field.name)
    if value is None:
        if optional:
            return None
        raise OptionError(f"{name}: needs a value")
    settings = field.metadata
    if type(value).__module__ == "numpy" and not getattr(value, "shape", None):
        value = value.item()  # a NumPy scalar as the Python number that files hold
    if settings["parse"] is not None:
        return _parsed(name, settings, value)
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            listed = ", ".join(map(str, choices))
            near = "" if str(value) in map(str, choices) else suggestion(str(value), map(str, choices))
            raise OptionError(f"{name}: {shown(value)} is not one of {listed}.{near}")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = math.copysign(math.inf, value) if abs(value) > LARGEST_FLOAT else float(value)
    if kind is Path and isinstance(value, str) and value:
        value = Path(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise OptionError(f"{name}: {shown(value)} is not {KINDS.get(kind, f'of type {kind.__name__}')}")
    if kind is float and not math.isfinite(value):
        raise OptionError(f"{name}: {value} is not a finite number")
    if kind in (int, float) and not (settings["min"] is None and settings["max"] is None):
        low = -float("inf") if settings["min"] is None else settings["min"]
        high = float("inf") if settings["max"] is None else settings["max"]
        if not low <= value <= high:
            raise OptionError(f"{name}: {shown(value)} is out of range; it must be {_range(settings, value)}")
    if kind in (str, Path) and "\0" in str(value):
        raise OptionError(f"{name}: {shown(str(value))} contains a null byte")
    if value == "":
        raise OptionError(f"{name}: needs a value")
    return value.expanduser() if isinstance(value, Path) else value


def _parsed(name: str, settings: Mapping[str, Any], value: Any) -> Any:
    """The parsed value of a text, or of a value that is written in the same way, such as 64 for `64`."""
    try:
        text = (
            value if isinstance(value, str) else settings["write"](tuple(value) if isinstance(value, list) else value)
        )
        return settings["parse"](text)
    except (ValueError, TypeError, IndexError, OverflowError, RecursionError) as error:
        raise OptionError(f"{name}: {shown(value)}: {str(error)[:200]}") from None
