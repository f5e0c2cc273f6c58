"""Gaussian mixtures on codes judged by the labels: as clusters, and as a classifier with one mixture per class."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gentool.latent.mixture import (
    Labels,
    bayes_classifier,
    best_matching,
    classify,
    contingency,
    fit_mixture,
    majority,
    matched,
    score,
)
from gentool.progress import SILENT, Reporter
from gentool.tables import Table, mean_and_sd

SCORES = ("accuracy", "precision", "recall", "f1", "nmi", "ari")


@dataclass(frozen=True)
class LabelledCodes:
    """Codes z (N, D) and labels (N,) of the training and test images."""

    train: Tensor
    train_labels: Labels
    test: Tensor
    test_labels: Labels
    classes: int


@dataclass(frozen=True)
class Clustering:
    """What the mixtures scored.

    `runs` has a row per method, size and seed; `confusions` and `mixtures` are those of the first seed: a table
    (classes, clusters) of test images and a scikit-learn mixture for each number of components, and under
    `PER_CLASS` the table (classes, predicted) of the classifier with one mixture per class.
    """

    runs: Table
    confusions: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    mixtures: dict[int, Any] = field(default_factory=dict)

    @property
    def summary(self) -> Table:
        """A row per method and size: mean and standard deviation (n - 1) over the seeds."""
        means = mean_and_sd(
            self.runs.rows, by=("method", "components"), leave_out=("seed", "log_likelihood", "converged")
        )
        counts = [
            sum(row["method"] == one["method"] and row["components"] == one["components"] for row in self.runs)
            for one in means
        ]
        rows = []
        for one, repeats in zip(means, counts, strict=True):
            row = {"method": one["method"], "components": one["components"], "repeats": repeats}
            for name in SCORES:
                row |= {name: one[name], f"{name}_sd": one.get(f"{name}_sd")}
            rows.append(row)
        return Table(rows)


PER_CLASS = "per class"


def cluster_rows(codes: LabelledCodes, components: int, seed: int) -> tuple[Any, list[dict[str, Any]], Labels]:
    """A mixture of all training codes, its two rows of the table, and its contingency table with the test labels.

    `matched`: clusters are matched one to one to the labels of the test images, without any other use of labels.
    `majority`: a cluster's class is the commonest label of the training images in it.
    """
    mixture = fit_mixture(codes.train, components, seed)
    clusters = mixture.predict(codes.test.double().numpy())
    train_clusters = mixture.predict(codes.train.double().numpy())
    table = contingency(clusters, codes.test_labels, components, codes.classes)
    classes_of = {
        "matched": matched(clusters, codes.test_labels, components, codes.classes),
        "majority": majority(train_clusters, codes.train_labels, components, codes.classes),
    }
    likelihood = float(mixture.score(codes.test.double().numpy()))
    rows = [
        {"method": method, "components": components, "seed": seed}
        | asdict(score(codes.test_labels, class_of[clusters], clusters))
        | {"log_likelihood": likelihood, "converged": bool(mixture.converged_)}
        for method, class_of in classes_of.items()
    ]
    return mixture, rows, table


def class_row(codes: LabelledCodes, components: int, seed: int) -> tuple[dict[str, Any], Labels]:
    """One mixture per class as a Bayes classifier: its row, and its confusion table (label, predicted)."""
    predicted = classify(bayes_classifier(codes.train, codes.train_labels, components, seed), codes.test)
    row = {"method": PER_CLASS, "components": components, "seed": seed}
    row |= asdict(score(codes.test_labels, predicted, predicted))
    return row, contingency(codes.test_labels, predicted, codes.classes, codes.classes)


def in_order_of_classes(table: NDArray[np.int64], classes: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """The columns of a table (classes, clusters) of test images in the order of the classes that they are matched to.

    A column has the name of its class, or is called a cluster where there are more of them than classes.
    """
    rows, columns = best_matching(table)
    rest = [column for column in range(table.shape[1]) if column not in columns]
    names = [classes[row] for row in rows] + [f"cluster {column}" for column in rest]
    return table[:, [*columns, *rest]], names


def cluster(
    codes: LabelledCodes,
    sizes: Sequence[int],
    *,
    class_components: int = 10,
    repeats: int = 5,
    seed: int = 0,
    reporter: Reporter = SILENT,
) -> Clustering:
    """Fit mixtures of these sizes with several seeds, and one mixture per class, and score them on the test images."""
    runs: list[dict[str, Any]] = []
    confusions, mixtures = {}, {}
    total, done = (len(sizes) + 1) * repeats, 0
    for components in sizes:
        for repeat in range(repeats):
            mixture, rows, table = cluster_rows(codes, components, seed + repeat)
            runs += rows
            if repeat == 0:
                confusions[str(components)], mixtures[components] = table.T, mixture
            done += 1
            reporter.progress("fitting mixtures", done, total)
    for repeat in range(repeats):
        row, table = class_row(codes, class_components, seed + repeat)
        runs.append(row)
        if repeat == 0:
            confusions[PER_CLASS] = table
        done += 1
        reporter.progress("fitting mixtures", done, total)
    return Clustering(Table(runs), confusions, mixtures)
