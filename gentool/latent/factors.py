"""The known factors behind generated images, and the dimensions of codes that follow them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gentool.data.factors import Factors, factors_of
from gentool.data.images import ImageData
from gentool.engine.randomness import derived_seed, rng
from gentool.metrics.disentanglement import (
    Kind,
    completeness,
    disentanglement,
    entropies,
    factor_bins,
    factor_targets,
    forest_scores,
    information_gaps,
    kind_of,
    most_informative,
    mutual_informations,
)
from gentool.progress import SILENT, Reporter, listed
from gentool.tables import Table

if TYPE_CHECKING:
    from gentool.latent.model import Model

MOST_COUNTED, MOST_FITTED = 10_000, 2000
"""The most codes that mutual informations are counted from, and that forests are fitted to."""
ENCODED_AT_ONCE = 1024
CONSTANT, GIVEN = "constant", "given to the model as the class"
"""Why a factor is left out."""


@dataclass(frozen=True, eq=False)
class Part:
    """Images of one split, by their rows in it (n,), and the values of the factors behind them (n, F)."""

    split: str
    rows: Tensor
    values: Tensor


@dataclass(frozen=True, eq=False)
class Selection:
    """The factors that are looked at, and the images that they are looked at on.

    Mutual informations are counted from the codes of `judged`. Forests are fitted to those of `fitted` and judged on
    those of `judged`, unless both are of the same split. `left_out` says why other factors are not looked at.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    periods: tuple[float | None, ...]
    judged: Part
    fitted: Part
    left_out: dict[str, str]

    @property
    def description(self) -> str:
        """The factors and images in words."""
        left_out = "".join(f"; {name} is left out: {why}" for name, why in self.left_out.items())
        images = (
            f"{len(self.judged.rows):,} {self.judged.split} and {len(self.fitted.rows):,} {self.fitted.split} images"
        )
        return f"factors: {listed(self.names)}, from the codes of {images}{left_out}"

    @property
    def is_held_out(self) -> bool:
        """Whether the judged images are others than the fitted ones."""
        return self.judged.split != self.fitted.split

    def targets(self, number: int) -> tuple[Tensor, Tensor]:
        """What forests predict of a factor, for the judged and for the fitted images, each (n, T)."""
        both = torch.cat([self.judged.values[:, number], self.fitted.values[:, number]])
        y = factor_targets(both, self.kinds[number], self.periods[number])
        return y[: len(self.judged.rows)], y[len(self.judged.rows) :]


@dataclass(frozen=True)
class FactorScores:
    """How the dimensions of codes go with known factors.

    Attributes:
        scores: `mig`, `dci_disentanglement`, `dci_completeness` and, of held-out codes, `dci_informativeness`.
        factors: A row per factor, with the dimension that has the largest mutual information.
        dimensions: A row per factor and dimension.
        facts: Of which codes the numbers are, and which factors are left out.
    """

    scores: dict[str, float]
    factors: Table
    dimensions: Table
    facts: dict[str, Any]

    @property
    def counted_scores(self) -> dict[str, float]:
        """The scores under names with the numbers of factors and of codes, such as `mig_6factors_1000`."""
        counts = dict.fromkeys(("dci_disentanglement", "dci_completeness"), self.facts["fitted_images"])
        names = {name: counts.get(name, self.facts["images"]) for name in self.scores}
        return {f"{name}_{len(self.factors)}factors_{count}": self.scores[name] for name, count in names.items()}


def select_factors(model: "Model", data: ImageData, splits: Mapping[str, Any], seed: int) -> Selection | None:
    """The factors of the data that vary, and images of the given splits to look at them on.

    Judged are at most 10,000 test images, fitted at most 2,000 training images, drawn at random; of the first split
    where one of these is not there. None where no factors are known, or all are left out: constant ones, and those that
    a conditional model is given as its class.
    """
    known = factors_of(data)
    if known is None or not splits:
        return None
    first = next(iter(splits))
    judged = _part(known, "test" if "test" in splits else first, MOST_COUNTED, seed)
    fitted = _part(known, "train" if "train" in splits else judged.split, MOST_FITTED, seed)
    both = torch.cat([judged.values, fitted.values])
    every_kind = [kind_of(values, period) for values, period in zip(both.T, known.periods, strict=True)]
    left_out, kept = {}, []
    for number, (name, kind, period) in enumerate(zip(known.names, every_kind, known.periods, strict=True)):
        if len(factor_bins(judged.values[:, number], kind, period).unique()) < 2:
            left_out[name] = CONSTANT
        elif model.is_conditional and _follows_from_class(model, data, known, number):
            left_out[name] = GIVEN
        else:
            kept.append(number)
    if not kept:
        return None
    names = tuple(known.names[number] for number in kept)
    kinds = tuple(every_kind[number] for number in kept)
    periods = tuple(known.periods[number] for number in kept)
    judged, fitted = (Part(part.split, part.rows, part.values[:, kept]) for part in (judged, fitted))
    return Selection(names, kinds, periods, judged, fitted, left_out)


def _part(known: Factors, split: str, most: int, seed: int) -> Part:
    values = known.values[split]
    rows = torch.randperm(len(values), generator=rng(seed, f"factors, {split}"))[:most].sort().values
    return Part(split, rows, values[rows])


def _follows_from_class(model: "Model", data: ImageData, known: Factors, number: int) -> bool:
    """Whether all training images of each class of the model have the same value of a factor."""
    labels, values = data.train.labels, known.values["train"][:, number]
    if labels is None or data.classes != model.classes:
        return False
    pairs = torch.stack([labels.double(), values.double()], dim=1)
    return len(pairs.unique(dim=0)) == len(labels.unique())


def what_codes_know(selection: Selection, part: Part, z: Tensor) -> tuple[Tensor, Tensor]:
    """The entropy of each factor (F,), and its mutual information with each dimension of the codes z (n, D) of a part
    of a selection: (D, F), both in nats."""
    columns = zip(part.values.T, selection.kinds, selection.periods, strict=True)
    bins = torch.stack([factor_bins(*column) for column in columns], dim=1)
    return entropies(bins), mutual_informations(z, bins)


def factor_scores(
    selection: Selection, judged: Tensor, fitted: Tensor, seed: int = 0, *, reporter: Reporter = SILENT
) -> FactorScores:
    """The scores of codes: `judged` (n, D) of the judged images of a selection, `fitted` (m, D) of the fitted ones.

    Of more than 64 dimensions, forests see the 64 that know most of any factor by the fitted codes.
    """
    entropy, information = what_codes_know(selection, selection.judged, judged)
    gaps = information_gaps(information, entropy)
    seen = most_informative(*what_codes_know(selection, selection.fitted, fitted))
    importances = torch.zeros_like(information)
    predicted = []
    for number in range(len(selection.names)):
        y_judged, y_fitted = selection.targets(number)
        test = (judged[:, seen], y_judged) if selection.is_held_out else None
        forest_seed = derived_seed(seed, "forest", number) % 2**32
        importances[seen, number], r2 = forest_scores((fitted[:, seen], y_fitted), test, forest_seed)
        predicted.append(r2)
        reporter.progress("known factors", number + 1, len(selection.names))
    complete = completeness(importances)
    scores = {
        "mig": gaps.mean().item(),
        "dci_disentanglement": disentanglement(importances),
        "dci_completeness": complete.mean().item(),
    }
    known = [r2 for r2 in predicted if r2 is not None]
    if known:
        scores["dci_informativeness"] = sum(known) / len(known)
    per_factor = zip(
        selection.names, selection.kinds, entropy.tolist(), information.argmax(0).tolist(),
        information.amax(0).tolist(), gaps.tolist(), complete.tolist(), predicted, strict=True,
    )  # fmt: skip
    columns_of_factors = (
        "factor", "kind", "entropy", "dimension", "mutual_information", "gap", "completeness", "informativeness"
    )  # fmt: skip
    rows = [dict(zip(columns_of_factors, row, strict=True)) for row in per_factor]
    where = _facts(selection, judged.shape[1], len(seen))
    return FactorScores(scores, Table(rows), Table(_cells(selection, information, importances, where)), where)


def _facts(selection: Selection, dim: int, seen: int) -> dict[str, Any]:
    return {
        "split": selection.judged.split,
        "images": len(selection.judged.rows),
        "fitted_split": selection.fitted.split,
        "fitted_images": len(selection.fitted.rows),
        "dimensions": dim,
        "fitted_dimensions": seen,
        "left_out": selection.left_out,
    }


def _cells(
    selection: Selection, information: Tensor, importances: Tensor, where: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """A row per factor and dimension."""
    images = {name: where[name] for name in ("split", "images", "fitted_split", "fitted_images")}
    for number, name in enumerate(selection.names):
        pairs = zip(information[:, number].tolist(), importances[:, number].tolist(), strict=True)
        for dimension, (known, important) in enumerate(pairs):
            row = {"factor": name, "dimension": dimension, "mutual_information": known, "importance": important}
            yield row | images


def encoded(model: "Model", data: ImageData, part: Part, reporter: Reporter = SILENT) -> Tensor:
    """The codes (n, D) of the images of a part; a conditional model is given their classes where the data have its."""
    split, codes = data.splits[part.split], []
    labels = split.labels if model.is_conditional and data.classes == model.classes else None
    for rows in part.rows.split(ENCODED_AT_ONCE):
        codes.append(model.encode(split.images[rows], None if labels is None else labels[rows]))
        reporter.progress("encoding for factors", sum(map(len, codes)), len(part.rows))
    return torch.cat(codes)


def random_codes(selection: Selection, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Codes from N(0, I) in place of those of the judged (n, D) and of the fitted images (m, D)."""
    counts = len(selection.judged.rows), len(selection.fitted.rows)
    judged, fitted = (
        torch.randn(count, dim, generator=rng(seed, "random codes", number)) for number, count in enumerate(counts)
    )
    return judged, fitted
