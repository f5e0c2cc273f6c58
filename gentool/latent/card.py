"""The latent card: what a latent space holds, in numbers."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gentool.data.images import ImageData, Split
from gentool.latent.factors import FactorScores, factor_scores, random_codes, select_factors
from gentool.metrics.elbo import ACTIVE, gaussian_kl
from gentool.tables import Table

if TYPE_CHECKING:
    from gentool.latent.model import Model

NEIGHBOURS = 5
SILHOUETTE_CODES = 5000
IMAGES_AT_ONCE = 256


@dataclass(frozen=True)
class LatentCard:
    """`dimensions` has a row per latent dimension, `summary` what they come to and what the labels say.

    `factors` says how they go with the known factors of generated sets; None for other data. `chance` has scores of
    `summary` as codes that know nothing have them: the commonest class for all, and codes from N(0, I) for factors.
    """

    dimensions: Table
    summary: dict[str, Any] = field(default_factory=dict)
    factors: FactorScores | None = None
    chance: dict[str, float] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, Any]:
        """The content of latent_card.json."""
        record = self.summary | {"per_dimension": self.dimensions.rows}
        if self.chance:
            record |= {"chance": self.chance}
        if self.factors is not None:
            record |= {"factors": self.factors.facts | {"per_factor": self.factors.factors.rows}}
        return record


def mean_kl(model: "Model", split: Split) -> Tensor | None:
    """KL(q(z | x) || N(0, I)) of each dimension in nats, mean over a split (D,).

    None without a posterior, and with a learnt prior, from which the KL divergence is no sum over dimensions.
    """
    if not model.has_likelihood or model.density is not None:
        return None
    total = torch.zeros(model.latent_dim, dtype=torch.float64)
    for start in range(0, len(split), IMAGES_AT_ONCE):
        x = split.images[start : start + IMAGES_AT_ONCE].float() / 255
        total += gaussian_kl(*model.posterior(x)).sum(0).double().cpu()
    return total / len(split)


def dimension_table(z: Tensor, kl: Tensor | None, *, active: bool) -> Table:
    """A row per dimension of codes z (N, D): mean, variance, its KL where there is one (D,), and with `active` whether
    the dimension is."""
    variance, mean = torch.var_mean(z.double(), dim=0, correction=0)
    rows: list[dict[str, Any]] = []
    for index in range(z.shape[1]):
        row: dict[str, Any] = {"dimension": index, "mean": mean[index].item(), "variance": variance[index].item()}
        if kl is not None:
            row["kl"] = kl[index].item()
        if active:
            row["active"] = bool(variance[index] > ACTIVE)
        rows.append(row)
    return Table(rows)


def label_scores(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], seed: int) -> dict[str, float]:
    """What codes z (N, D) with labels (N,) say about the classes.

    `knn_accuracy` (5 neighbours) and `linear_probe_accuracy` (logistic regression on standardised codes) are fitted to
    the training codes and scored on the test codes. `silhouette` (Rousseeuw 1987), with the labels as clusters, is that
    of at most 5,000 test codes, in [-1, 1].
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (z, labels), (test_z, test_labels) = ((codes.numpy(), known.numpy()) for codes, known in (train, test))
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(z)), algorithm="brute").fit(z, labels)
    scores = {"knn_accuracy": float(neighbours.score(test_z, test_labels))}
    if len(np.unique(labels)) > 1:
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(z, labels)
        scores["linear_probe_accuracy"] = float(probe.score(test_z, test_labels))
    some = np.random.default_rng(seed).permutation(len(test_z))[:SILHOUETTE_CODES]
    if 1 < len(np.unique(test_labels[some])) < len(some):
        scores["silhouette"] = float(silhouette_score(test_z[some], test_labels[some]))
    return scores


def latent_card(model: "Model", codes: dict[str, Tensor], data: ImageData, seed: int = 0) -> LatentCard:
    """The card of the codes of some splits: variances, KL and active units, and what labels and factors say where there
    are any."""
    z, splits = torch.cat(list(codes.values())), data.splits
    judged = "test" if "test" in codes else next(iter(codes))
    kl = mean_kl(model, splits[judged])
    dimensions = dimension_table(z, kl, active=model.has_likelihood)
    summary: dict[str, Any] = {"images": len(z), "dimensions": len(dimensions)}
    summary["variance"] = sum(dimensions["variance"])
    if kl is not None:
        summary |= {"kl": kl.sum().item(), "kl_images": judged}
    if model.has_likelihood:
        summary["active_units"] = sum(dimensions["active"])
    train, test = splits["train"], splits["test"]
    chance: dict[str, float] = {}
    if train.labels is not None and test.labels is not None and {"train", "test"} <= codes.keys():
        summary |= label_scores((codes["train"], train.labels), (codes["test"], test.labels), seed)
        commonest = (test.labels == train.labels.bincount().argmax()).double().mean().item()
        chance |= {name: commonest for name in summary if name.endswith("_accuracy")}
    factors = None
    selection = select_factors(model, data, codes, seed)
    if selection is not None:
        judged_codes, fitted_codes = (codes[part.split][part.rows] for part in (selection.judged, selection.fitted))
        factors = factor_scores(selection, judged_codes, fitted_codes, seed)
        summary |= factors.scores
        chance |= factor_scores(selection, *random_codes(selection, z.shape[1], seed), seed).scores
    return LatentCard(dimensions, summary, factors, chance)
