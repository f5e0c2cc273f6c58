"""The runs of a sweep: every combination of the values of options, or one option varied at a time, times the seeds."""

import hashlib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from gentool.errors import OptionError
from gentool.options import field_types, flag, suggestion, unwrap_optional
from gentool.reading import shown
from gentool.seq2seq.options import Options

MAX_RUNS = 10_000
LARGEST = 10**12
"""The largest end of a range of values."""
MAX_NAME = 120
"""The length of a run's folder name; a longer one ends in a digest."""


@dataclass(frozen=True)
class Cell:
    """One run of a sweep: the values of the options that vary, and its seed."""

    values: Mapping[str, Any]
    seed: int

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        parts = [f"{name.replace('_', '-')}={value}" for name, value in self.values.items()]
        name = ",".join([*parts, f"seed={self.seed}"]).replace("/", "_")
        if len(name) <= MAX_NAME:
            return name
        return f"{name[: MAX_NAME - 9]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


def values_of(text: str, kind: type) -> list[Any]:
    """`0.1:0.9:0.1` (both ends included), `1:5`, `a,b,c` or one value, as values of a type. Raises ValueError."""
    parts = text.split(":")
    if kind in (int, float) and len(parts) in (2, 3):
        try:
            low, high, step = Decimal(parts[0]), Decimal(parts[1]), Decimal(parts[2] if len(parts) == 3 else "1")
        except InvalidOperation:
            raise ValueError("expected FIRST:LAST:STEP, such as 0.1:0.9:0.1") from None
        if not (low.is_finite() and high.is_finite() and step.is_finite()) or max(abs(low), abs(high)) > LARGEST:
            raise ValueError("expected FIRST:LAST:STEP, such as 0.1:0.9:0.1")
        if kind is int and any(number % 1 for number in (low, step)):
            raise ValueError("expected whole numbers")
        if step <= 0 or high < low:
            raise ValueError("expected FIRST:LAST:STEP with FIRST <= LAST and STEP > 0")
        count = int((high - low) / step) + 1
        if count > MAX_RUNS:
            raise ValueError(f"{count:,} values are more than the {MAX_RUNS:,} runs of one sweep")
        return [kind(low + step * number) for number in range(count)]
    if kind is bool:
        words = {"yes": True, "no": False}
        if not set(text.split(",")) <= set(words):
            raise ValueError("expected yes, no or yes,no")
        return [words[word] for word in text.split(",")]
    try:
        return [kind(part) if kind in (int, float) else part for part in text.split(",")]
    except ValueError:
        raise ValueError(f"expected comma-separated values of type {kind.__name__}, or FIRST:LAST:STEP") from None


def cells_of(
    kind: type[Options], values: Mapping[str, str], seed: int, repeats: int, *, cross: bool = False
) -> list[Cell]:
    """The product of the options' values, or a cross through the first of each, times the seeds. Raises OptionError for
    what a run would refuse."""
    types = field_types(kind)
    lists = {}
    for name, text in values.items():
        if name == "seed":
            raise OptionError("--seed: give the first seed, and the number of seeds as --repeats")
        if name not in types:
            raise OptionError(f"{name!r} is not an option of {kind.task}.{suggestion(name, types)}")
        plain = unwrap_optional(types[name])[0]
        try:
            lists[name] = list(dict.fromkeys(values_of(text, plain if isinstance(plain, type) else str)))
        except ValueError as error:
            raise OptionError(f"{flag(name)}: {shown(text)}: {error}") from None
    count = 1 + sum(len(one) - 1 for one in lists.values()) if cross else math.prod(map(len, lists.values()))
    if count * repeats > MAX_RUNS:
        raise OptionError(f"{count * repeats:,} runs are more than the {MAX_RUNS:,} of one sweep")
    product = (dict(zip(lists, chosen, strict=True)) for chosen in itertools.product(*lists.values()))
    made = [
        Cell(chosen, seed + repeat) for chosen in (_cross(lists) if cross else product) for repeat in range(repeats)
    ]
    for cell in made:
        kind(**cell.values, seed=cell.seed)
    return made


def _cross(lists: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The combinations of values in which at most one option differs from its first value, in the order of a
    product."""
    first = {name: values[0] for name, values in lists.items()}
    return [first, *(first | {name: value} for name in reversed(lists) for value in lists[name][1:])]


def as_text(value: Any) -> str:
    """A value, or several, as they are typed on the command line."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return ",".join(map(as_text, value)) if isinstance(value, list | tuple | range | np.ndarray) else str(value)
