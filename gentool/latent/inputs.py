"""Images, codes and classes as a user gives them, checked and converted for a model."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentool.errors import DataError, OptionError
from gentool.options import quoted

ALL = "all"
TOLERANCE = 1e-3
"""Pixels may be this far outside [0, 1], and the sum of weights from 1."""

Array: TypeAlias = Tensor | NDArray[Any]
Labels: TypeAlias = int | str | Sequence[int | str] | Array
"""Classes: names or numbers, one or several; or numbers from 0 in a tensor or array."""


def as_images(x: Array, shape: tuple[int, int, int]) -> Tensor:
    """Images (N, C, H, W), uint8 or float in [0, 1], as float32 tensors. Raises DataError for anything else."""
    if isinstance(x, np.ndarray):
        x = torch.from_numpy(x)
    expected = f"expected images ({', '.join(map(str, ('N', *shape)))}), uint8 or float in [0, 1]"
    if not isinstance(x, Tensor):
        raise DataError(f"{expected}, got {type(x).__name__}")
    if tuple(x.shape[1:]) != shape:
        raise DataError(f"{expected}, got shape {tuple(x.shape)}")
    if x.dtype is torch.uint8:
        return x.float() / 255
    if not x.is_floating_point():
        raise DataError(f"{expected}, got {x.dtype}")
    if len(x):
        low, high = float(x.min()), float(x.max())
        if not -TOLERANCE <= low <= high <= 1 + TOLERANCE:  # also refuses NaN
            raise DataError(f"{expected}, got values from {low:g} to {high:g}")
    return x.float()


def as_codes(z: Array, dim: int) -> Tensor:
    """Codes (N, D) as float32 tensors. Raises DataError for anything else."""
    if isinstance(z, np.ndarray):
        z = torch.from_numpy(z)
    if not isinstance(z, Tensor) or z.ndim != 2 or z.shape[1] != dim:
        got = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
        raise DataError(f"expected codes (N, {dim}), got {got}")
    if z.is_complex() or not z.isfinite().all():
        raise DataError(f"expected codes (N, {dim}), got {'complex values' if z.is_complex() else 'NaN or infinity'}")
    return z.float()


def as_weights(labels: Labels | Array, count: int, classes: tuple[str, ...]) -> Tensor:
    """Classes (N,) int64, or weights of the classes (N, K) float32, for `count` codes. Raises OptionError."""
    if isinstance(labels, np.ndarray):
        labels = torch.from_numpy(labels)
    if isinstance(labels, Tensor) and labels.is_floating_point():
        if labels.shape != (count, len(classes)):
            raise OptionError(f"labels: expected weights ({count}, {len(classes)}), got shape {tuple(labels.shape)}")
        labels = labels.float()
        if not (labels.sum(1) - 1).abs().le(TOLERANCE).all():  # also refuses NaN
            raise OptionError("labels: the weights of the classes of each code must sum to 1")
        return labels
    numbers = class_numbers(labels, classes)
    if len(numbers) != count:
        raise OptionError(f"labels: {len(numbers)} classes for {count} codes")
    return numbers


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """A whole number of Python or NumPy, within its limits. Raises OptionError that names it as a flag."""
    number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if number and least <= value and (most is None or value <= most):
        return int(value)
    limits = f"of at least {least}" if most is None else f"from {least} to {most:,}"
    raise OptionError(f"--{name}: expected a whole number {limits}, got {value!r}")


def whole_numbers(name: str, values: Any) -> list[int]:
    """Whole numbers from 0, of a list, a tensor or an array. Raises OptionError."""
    if isinstance(values, Tensor | np.ndarray):
        values = values.tolist()
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise OptionError(f"--{name}: expected several whole numbers, such as [3, 17], got {values!r}")
    numbers = [whole(name, value, 0) for value in values]
    if not numbers:
        raise OptionError(f"--{name}: expected at least one number")
    return numbers


def class_numbers(
    labels: int | str | Iterable[int | str] | Array, classes: tuple[str, ...], option: str = "--labels"
) -> Tensor:
    """The numbers (n,), int64, of classes by name or number; `all` is every class.

    Where a name and a number agree, as for the classes 1, 2 and 3, the name counts; a tensor or an array has numbers
    from 0. Raises OptionError for a class that does not exist, and for none.
    """
    if isinstance(labels, Tensor | np.ndarray):
        numbers = torch.as_tensor(labels).reshape(-1)
        if numbers.is_floating_point() or numbers.dtype is torch.bool:
            raise OptionError(f"{option}: classes are whole numbers, not {numbers.dtype}")
        chosen = numbers.tolist()
        unknown = [number for number in chosen if not 0 <= number < len(classes)]
        if unknown:
            raise OptionError(f"{option}: no class {unknown[0]}; there are 0 to {len(classes) - 1}")
    else:
        chosen = []
        for word in [labels] if isinstance(labels, int | str | np.integer) else list(labels):
            if word == ALL and ALL not in classes:
                chosen += range(len(classes))
            elif str(word) in classes:
                chosen.append(classes.index(str(word)))
            elif str(word).isdecimal() and int(word) < len(classes):
                chosen.append(int(word))
            else:
                raise OptionError(f"{option}: no class {word!r}; there are {', '.join(map(quoted, classes))}")
    if not chosen:
        raise OptionError(f"{option}: name at least one class")
    return torch.tensor(chosen, dtype=torch.long)
