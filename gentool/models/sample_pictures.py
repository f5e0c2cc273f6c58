"""The sample pictures of a training: of the same codes in every epoch, in a row for each class where there are any."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gentool.engine.run import Run
from gentool.figures.grids import Picture, grid, labelled_rows

SAMPLES, PER_CLASS = 64, 8


def fixed_codes(run: Run, dim: int, classes: int) -> tuple[Tensor, Tensor | None]:
    """Codes (64, dim) of noise; or 8 for each class, the same 8 in every row, with their labels."""
    if not classes:
        return run.fixed_noise("samples", SAMPLES, dim), None
    z = run.fixed_noise("samples", PER_CLASS, dim)
    return z.repeat(classes, 1), torch.arange(classes, device=run.device).repeat_interleave(PER_CLASS)


def sample_picture(samples: Tensor, labels: Tensor | None, names: Sequence[str]) -> Picture:
    """The samples of `fixed_codes` as a picture."""
    return grid(samples) if labels is None else labelled_rows(samples, names[: len(samples) // PER_CLASS])
