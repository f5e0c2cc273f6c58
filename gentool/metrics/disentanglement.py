"""How a code's dimensions go with the known factors behind the images: mutual information gap and DCI.

A factor's values are classes, or continuous, or circular: then the largest value of its period is next to the smallest.
"""

import math
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 20
"""Codes, and factors that are not classes, are discretised in this many bins of equal width, as by Locatello et al."""
MOST_CLASSES = 100
"""A factor of whole numbers has classes for values up to this number of different ones."""
TREES, LEAF = 10, 5
"""Trees of a forest, and the fewest codes in one of their leaves."""
MOST_DIMENSIONS = 64
"""A forest sees at most this many dimensions."""
COUNTED = 2**22
"""Numbers of codes that are counted at a time."""

Kind = Literal["classes", "continuous", "circular"]


def kind_of(values: Tensor, period: float | None = None) -> Kind:
    """The kind of a factor with values (N,)."""
    if period is not None:
        return "circular"
    few = bool((values == values.round()).all()) and len(values.unique()) <= MOST_CLASSES
    return "classes" if few else "continuous"


def code_bins(z: Tensor) -> Tensor:
    """The bin (N, D), int64 from 0 to 19, of each number of codes z (N, D).

    The bins of a dimension have equal widths from its smallest to its largest value; a constant one is in bin 0.
    """
    z = z.double()
    low, high = z.amin(0), z.amax(0)
    share = (z - low) / torch.where(high > low, high - low, 1.0)
    return (share * BINS).long().clamp(0, BINS - 1)


def factor_bins(values: Tensor, kind: Kind, period: float | None = None) -> Tensor:
    """The class, or the bin, (N,), int64 from 0, of each value (N,) of a factor.

    Those of a circular factor are arcs of a twentieth of its period.
    """
    if kind == "classes":
        return values.unique(return_inverse=True)[1]
    if kind == "circular":
        assert period is not None
        return (values.double() / period * BINS).floor().long() % BINS
    return code_bins(values[:, None])[:, 0]


def entropies(bins: Tensor) -> Tensor:
    """The entropy in nats of each column of bins (N, F), int64 from 0: (F,)."""
    shares = [column.bincount().double() / len(column) for column in bins.T]
    return torch.stack([torch.special.entr(share).sum() for share in shares])


def mutual_informations(z: Tensor, factors: Tensor) -> Tensor:
    """The mutual information in nats of each dimension of codes z (N, D) and each factor, given as bins (N, F): (D, F).

    Codes are discretised by `code_bins`. The estimate from frequencies is too large by about
    (bins - 1) (values - 1) / 2N (Miller 1955).
    """
    count, dim = z.shape
    information = torch.empty(dim, factors.shape[1], dtype=torch.float64)
    step = max(1, COUNTED // max(count, 1))
    for start in range(0, dim, step):
        bins = code_bins(z[:, start : start + step])
        first = torch.arange(bins.shape[1]) * BINS + bins
        for column, values in enumerate(factors.T):
            number = int(values.max()) + 1
            counts = (first * number + values[:, None]).flatten().bincount(minlength=bins.shape[1] * BINS * number)
            shares = counts.unflatten(0, (-1, BINS, number)).double() / count
            of_codes, of_factor, together = (
                torch.special.entr(part).flatten(1).sum(1) for part in (shares.sum(2), shares.sum(1), shares)
            )
            information[start : start + step, column] = of_codes + of_factor - together
    return information.clamp_min(0)


def information_gaps(information: Tensor, entropy: Tensor) -> Tensor:
    """The gap of each factor (F,), in [0, 1], from mutual informations (D, F) and the entropies of the factors (F,).

    It is the difference between the largest and the second largest mutual information of a factor, as a share of the
    factor's entropy. Its mean over the factors is the mutual information gap (Chen et al. 2018, arXiv:1802.04942,
    equation 6). A single dimension has no second one, which counts as 0. The gap of a constant factor is NaN.
    """
    padded = torch.cat([information, torch.zeros_like(information[:1])])
    first, second = padded.topk(2, dim=0).values
    return (first - second) / torch.where(entropy > 0, entropy, torch.nan)


def disentanglement(importances: Tensor) -> float:
    """D of DCI, in [0, 1], from importances (D, F): 1 if each dimension is important for one factor only.

    One less the entropy of a dimension's importances, to the base of the number of factors, weighted by the dimension's
    share of all importances (Eastwood & Williams 2018, "A framework for the quantitative evaluation of disentangled
    representations", section 2). 0 where nothing is important, and 1 for a single factor.
    """
    weights = importances.sum(1)
    total = weights.sum()
    return float((weights / total * _concentration(importances)).sum()) if total > 0 else 0.0


def completeness(importances: Tensor) -> Tensor:
    """C of DCI for each factor (F,), in [0, 1], from importances (D, F): 1 if one dimension alone is important for it.

    One less the entropy of a factor's importances to the base D (as above). 0 where nothing is important, and 1 for a
    single dimension.
    """
    return _concentration(importances.T)


def _concentration(importances: Tensor) -> Tensor:
    """One less the entropy of each row (N,), to the base of its length; 0 for a row of zeros."""
    total = importances.sum(1, keepdim=True)
    shares = importances / torch.where(total > 0, total, 1.0)
    entropy = torch.special.entr(shares).sum(1)
    base = math.log(importances.shape[1]) if importances.shape[1] > 1 else 1.0
    return torch.where(total[:, 0] > 0, (1 - entropy / base).clamp_min(0), 0.0)


def factor_targets(values: Tensor, kind: Kind, period: float | None = None) -> Tensor:
    """What a regression predicts of a factor's values (N,), as (N, T).

    A continuous factor is one number, a circular one the cosine and sine of its angle, so that both ends of its period
    are the same. Classes are a number each, 1 for the class that it is.
    """
    if kind == "classes":
        return F.one_hot(values.unique(return_inverse=True)[1]).double()
    if kind == "circular":
        assert period is not None
        angle = values.double() * (2 * math.pi / period)
        return torch.stack([angle.cos(), angle.sin()], dim=1)
    return values.double()[:, None]


def forest_scores(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor] | None, seed: int = 0
) -> tuple[Tensor, float | None]:
    """How important each dimension is for a factor, (D,), and how well the codes predict it.

    `train` and `test` are codes (N, D) and what is predicted, (N, T), as `factor_targets` gives it. A random forest of
    regression trees is fitted to `train` (Breiman 2001, doi:10.1023/A:1010933404324). The importances sum to 1: how
    much each dimension lowers the squared error in the trees. For classes that is Gini's importance. They are 0 for all
    dimensions where no tree finds a split.

    The second number is R^2 on `test`: 1 less the squared error as a share of that of the mean of `train`; 0 if it is
    not better. None without `test`.
    """
    from sklearn.ensemble import RandomForestRegressor

    z, y = train
    forest: Any = RandomForestRegressor(TREES, min_samples_leaf=LEAF, max_features=1.0, random_state=seed)
    forest.fit(z.float().numpy(), _flat(y))
    importances = torch.from_numpy(forest.feature_importances_.astype(np.float64))
    if test is None:
        return importances, None
    predicted = torch.from_numpy(forest.predict(test[0].float().numpy())).reshape(test[1].shape)
    error = (predicted - test[1]).square().sum()
    of_mean = (y.mean(0) - test[1]).square().sum()
    return importances, max(0.0, 1 - float(error / of_mean)) if of_mean > 0 else 0.0


def most_informative(entropy: Tensor, information: Tensor, most: int = MOST_DIMENSIONS) -> Tensor:
    """The numbers, in order, of the dimensions that know most of any factor, at most `most` of them.

    `entropy` (F,) are the entropies of the factors, `information` (D, F) the mutual informations.
    """
    best = (information / torch.where(entropy > 0, entropy, torch.inf)).amax(1)
    return best.sort(descending=True, stable=True).indices[:most].sort().values


def _flat(y: Tensor) -> Any:
    return y[:, 0].numpy() if y.shape[1] == 1 else y.numpy()
