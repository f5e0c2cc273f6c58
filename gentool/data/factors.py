"""The known factors behind the images of generated sets, by split."""

from dataclasses import dataclass

from torch import Tensor

from gentool.data.images import ImageData, damaged
from gentool.data.sources.shapes import PERIODS, is_shapes


@dataclass(frozen=True, eq=False)
class Factors:
    """`values` has those of each split, float32 (n, F). `periods` says after how much a circular factor begins again,
    None for the others."""

    names: tuple[str, ...]
    periods: tuple[float | None, ...]
    values: dict[str, Tensor]


def factors_of(data: ImageData) -> Factors | None:
    """The factors of a prepared set; None where none are known. Raises DataError for NaN or infinity among them."""
    every, names = data.factors(), tuple(data.info.get("factors", ()))
    if every is None or not names:
        return None
    if not every.isfinite().all():
        assert data.folder is not None
        raise damaged(data.folder, "factors.npy holds NaN or infinity")
    parts = every.split([len(split) for split in data.splits.values()])
    periods = tuple(PERIODS.get(name) if is_shapes(data.info) else None for name in names)
    return Factors(names, periods, dict(zip(data.splits, parts, strict=True)))
