"""The latent card: what a latent space holds, in numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gentool.data.images import Split
from gentool.files import write_csv, write_json
from gentool.latent.codes import IMAGES
from gentool.latent.encoded import Encoded
from gentool.latent.trained import Trained
from gentool.metrics.elbo import ACTIVE, gaussian_kl

NEIGHBOURS = 5
SILHOUETTE_POINTS = 5000


@torch.no_grad()
def mean_kl(trained: Trained, split: Split) -> Tensor | None:
    """KL(q(z | x) || N(0, I)) of each dimension in nats, mean over a split (D,); None without a posterior."""
    if not hasattr(trained.network, "posterior"):
        return None
    total = torch.zeros(trained.network.latent_dim, dtype=torch.float64)
    for start in range(0, len(split), IMAGES):
        x = split.images[start : start + IMAGES].to(trained.device).float() / 255
        total += gaussian_kl(*trained.network.posterior(x)).sum(0).double().cpu()
    return total / len(split)


def dimension_rows(z: Tensor, kl: Tensor | None) -> list[dict[str, Any]]:
    """A row for each dimension of codes z (N, D): mean and variance, and with a KL whether the dimension is active."""
    variance, mean = torch.var_mean(z.double(), dim=0, correction=0)
    rows: list[dict[str, Any]] = []
    for index in range(z.shape[1]):
        row: dict[str, Any] = {"dimension": index, "mean": mean[index].item(), "variance": variance[index].item()}
        if kl is not None:
            row |= {"kl": kl[index].item(), "active": bool(variance[index] > ACTIVE)}
        rows.append(row)
    return rows


def label_scores(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], seed: int) -> dict[str, float]:
    """What codes z (N, D) with labels (N,) say of the classes.

    `knn_accuracy` (5 neighbours) and `linear_probe_accuracy` (logistic regression on standardised codes) are learnt on
    the training codes and scored on the test codes; `silhouette` (Rousseeuw 1987), of the labels as clusters, is that
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
    some = np.random.default_rng(seed).permutation(len(test_z))[:SILHOUETTE_POINTS]
    if 1 < len(np.unique(test_labels[some])) < len(some):
        scores["silhouette"] = float(silhouette_score(test_z[some], test_labels[some]))
    return scores


def write_card(trained: Trained, encoded: Encoded, folder: Path, seed: int) -> dict[str, Any]:
    """latent_card.csv, a row for each dimension, and latent_card.json, what they come to and what the labels say."""
    splits = encoded.images.splits
    judged = "test" if "test" in encoded.codes else next(iter(encoded.codes))
    kl = mean_kl(trained, splits[judged])
    rows = dimension_rows(encoded.z, kl)
    write_csv(folder / "latent_card.csv", rows)
    card: dict[str, Any] = {"images": len(encoded.z), "dimensions": len(rows)}
    card["variance"] = sum(row["variance"] for row in rows)
    if kl is not None:
        card |= {"kl": kl.sum().item(), "kl_images": judged, "active_units": sum(row["active"] for row in rows)}
    train, test = splits["train"], splits["test"]
    if train.labels is not None and test.labels is not None and {"train", "test"} <= encoded.codes.keys():
        known = (encoded.codes["train"], train.labels), (encoded.codes["test"], test.labels)
        card |= label_scores(*known, seed)
    write_json(folder / "latent_card.json", card | {"per_dimension": rows})
    return card
