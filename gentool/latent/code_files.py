"""Codes on disk: an .npz file with `z` (N, D), and what is known of each row."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentool.data.arrays import load_npz
from gentool.errors import DataError
from gentool.files import replacing


def write_codes(path: Path, z: Tensor, weights: str | None = None, **columns: Tensor | None) -> None:
    """Write z (N, D), the digest of the model's `weights`, and columns of N rows, such as `labels`.

    What is None is left out.
    """
    arrays = {name: column.numpy() for name, column in columns.items() if column is not None}
    if weights is not None:
        arrays["weights"] = np.array(weights)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, z=z.numpy(), **arrays)  # type: ignore[arg-type]  # numpy takes any further array by its name


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file by name. Raises DataError when it cannot be read."""
    try:
        return load_npz(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None


def read_codes(path: Path, model: str, latent_dim: int, classes: int) -> tuple[Tensor, Tensor | None, str | None]:
    """z (N, D), for a conditional model its `labels` (N,), and the digest of the weights that z is of, where known.

    Raises DataError when they are not this model's.
    """
    arrays = read_arrays(path)
    z = arrays.get("z")
    if z is None or z.ndim != 2 or z.shape[1] != latent_dim or z.dtype.kind != "f" or not np.isfinite(z).all():
        description = "no z" if z is None else f"z of shape {z.shape} and type {z.dtype}"
        raise DataError(f"{path}: has {description}; this {model} needs finite numbers of shape (N, {latent_dim})")
    codes = torch.from_numpy(z.astype(np.float32))
    weights = str(arrays["weights"]) if "weights" in arrays else None
    if not classes:
        return codes, None, weights
    labels = arrays.get("labels", np.zeros(0))
    if labels.shape != (len(z),) or labels.dtype.kind not in "iu" or not np.isin(labels, range(classes)).all():
        raise DataError(f"{path}: a {model} needs `labels` from 0 to {classes - 1}, one for each z")
    return codes, torch.from_numpy(labels.astype(np.int64)), weights
