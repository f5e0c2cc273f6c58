"""A picture of known factors: for each, the dimension that knows most of it, from end to end."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.randomness import rng
from gentool.errors import DataError
from gentool.latent.charts import traversal_codes
from gentool.latent.factors import Part, encoded, select_factors, what_codes_know
from gentool.progress import SILENT, Reporter
from gentool.tables import Table

if TYPE_CHECKING:
    from gentool.latent.model import Model


@dataclass(frozen=True, eq=False)
class FactorTraversal:
    """A row of images per factor, one after the other, (F * along, C, H, W).

    `table` has a row per factor: its `dimension`, their `mutual_information` in nats, and the `share` of the factor's
    entropy that this is.
    """

    images: Tensor
    table: Table

    @property
    def names(self) -> list[str]:
        """The name of each row: a factor, its dimension, and how much of the factor this knows."""
        return [f"{row['factor']}: z {row['dimension']} ({row['share']:.0%})" for row in self.table]


def traverse_factors(
    model: "Model", data: ImageData, along: int, label: int | None, seed: int, *, reporter: Reporter = SILENT
) -> FactorTraversal:
    """A row per factor, in which the dimension that has the largest mutual information with it changes.

    All rows start from the code of one test image, which the seed draws; for a conditional model, from one of the class
    `label`, where there are any. The dimension takes the quantiles of a Gaussian with the mean and the deviation that
    it has over the codes. Raises DataError for data without known factors.
    """
    selection = select_factors(model, data, {name: part for name, part in data.splits.items() if len(part)}, seed)
    if selection is None:
        none_left = "its factors are constant, or given to the model as the class"
        why = none_left if data.info.get("factors") else "it has no known factors (shapes has)"
        raise DataError(f"{data.name}: {why}; choose dimensions with --dims")
    z = encoded(model, data, selection.judged, reporter)
    entropy, information = what_codes_know(selection, selection.judged, z)
    known, best = information.max(0)
    columns = ("factor", "dimension", "mutual_information", "share")
    rows = zip(selection.names, best.tolist(), known.tolist(), (known / entropy).tolist(), strict=True)
    variance, mean = torch.var_mean(z.double(), dim=0, correction=0)
    origin = _origin(model, data, selection.judged, label, seed)
    codes = traversal_codes(origin, best.tolist(), along, mean.float(), variance.sqrt().float())
    labels = None if label is None else torch.full((len(codes),), label)
    images = model.decode(codes, labels)
    return FactorTraversal(images, Table(dict(zip(columns, row, strict=True)) for row in rows))


def _origin(model: "Model", data: ImageData, part: Part, label: int | None, seed: int) -> Tensor:
    """The code (D,) of one of the images of a part, if possible one of a class."""
    split, rows = data.splits[part.split], part.rows
    if label is not None and split.labels is not None and data.classes == model.classes:
        of_class = rows[split.labels[rows] == label]
        rows = of_class if len(of_class) else rows
    row = rows[torch.randint(len(rows), (1,), generator=rng(seed, "traversal"))]
    return model.encode(split.images[row], None if label is None else torch.tensor([label]))[0]
