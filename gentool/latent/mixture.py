"""Gaussian mixtures on codes: as clusters, as a classifier, and as a density to sample from."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentool.errors import OptionError

Labels = NDArray[np.int64]

REGULARIZATION = 0.1
"""Added to the diagonal of each covariance, in units of the codes' mean variance. It keeps a component from shrinking
onto a few codes: clusters of MNIST in 20 dimensions agree better with the digits. A density to sample from needs next
to none, and so do clusters in few dimensions, which are narrow: K clusters in two have 1 / K of the variance."""
LOW_DIM, LOW_DIM_REGULARIZATION = 8, 0.001
"""Below this many dimensions, this regularization is used instead."""
ITERATIONS = 200
SEARCH_CODES = 20_000
"""Restarts are compared on at most this many codes; the best one continues with all of them."""
RESTARTS_TIMES_COMPONENTS = 100
"""Ten restarts for ten components, one for a hundred."""


def fit_mixture(
    z: Tensor, components: int, seed: int, regularization: float | None = None, search: int = ITERATIONS
) -> Any:
    """A scikit-learn GaussianMixture of codes z (N, D): the most likely of several runs of expectation maximisation.

    The runs start from k-means++ centres and are compared after `search` iterations, or sooner where they converge. The
    codes are not standardised, which would inflate inactive dimensions. Raises OptionError when there are fewer codes
    than components.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    if components > len(z):
        raise OptionError(f"a mixture of {components} components needs at least as many images; there are {len(z)}")
    codes = z.double().numpy()
    if regularization is None:
        regularization = LOW_DIM_REGULARIZATION if codes.shape[1] < LOW_DIM else REGULARIZATION
    some = codes[np.random.default_rng(seed).permutation(len(codes))[:SEARCH_CODES]]
    common = {"reg_covar": regularization * max(float(codes.var(0).mean()), 1e-9), "random_state": seed}
    restarts = max(1, RESTARTS_TIMES_COMPONENTS // components)
    # The products are so small that two threads take up to three times as long as one.
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the table says whether it converged
        searching = GaussianMixture(components, n_init=restarts, init_params="k-means++", max_iter=search, **common)
        fitted = searching.fit(some)
        start = {"weights_init": fitted.weights_, "means_init": fitted.means_, "precisions_init": fitted.precisions_}
        return GaussianMixture(components, max_iter=ITERATIONS, **start, **common).fit(codes)


@dataclass(frozen=True)
class Scores:
    """How well predicted classes (N,) agree with the labels: all in [0, 1], except `ari` in [-0.5, 1]."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    nmi: float
    ari: float


def score(labels: Labels, predicted: Labels, clusters: Labels) -> Scores:
    """Accuracy and macro-averaged precision, recall and F1 of the classes; NMI and ARI of the clusters behind them.

    NMI: normalised mutual information with the arithmetic mean; ARI: adjusted Rand index (Hubert & Arabie 1985).
    """
    from sklearn import metrics

    classes = np.unique(labels)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, average="macro", zero_division=0
    )
    return Scores(
        float((labels == predicted).mean()),
        float(precision),
        float(recall),
        float(f1),
        float(metrics.normalized_mutual_info_score(labels, clusters)),
        float(metrics.adjusted_rand_score(labels, clusters)),
    )


def matched(clusters: Labels, labels: Labels, components: int, classes: int) -> Labels:
    """The class of each cluster (components,) under the one-to-one matching with the most agreement (Kuhn 1955).

    Clusters beyond the number of classes get none: -1.
    """
    rows, columns = best_matching(contingency(clusters, labels, components, classes))
    names = np.full(components, -1)
    names[rows] = columns
    return names


def best_matching(table: Labels) -> tuple[Labels, Labels]:
    """The rows and columns of a table of counts that are matched one to one with the most agreement; rows ascend."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    return rows, columns


def majority(clusters: Labels, labels: Labels, components: int, classes: int) -> Labels:
    """The commonest class in each cluster (components,); -1 for an empty cluster."""
    table = contingency(clusters, labels, components, classes)
    return np.where(table.sum(1) > 0, table.argmax(1), -1)


def contingency(clusters: Labels, labels: Labels, components: int, classes: int) -> Labels:
    """The number of images of each class in each cluster, (components, classes)."""
    table = np.zeros((components, classes), np.int64)
    np.add.at(table, (clusters, labels), 1)
    return table


def bayes_classifier(z: Tensor, labels: Labels, components: int, seed: int) -> list[tuple[int, float, Any]]:
    """One mixture per class, with the class's number and the logarithm of its share, for Bayes' rule."""
    fitted = []
    for label in np.unique(labels):
        own = z[torch.from_numpy(labels == label)]
        number = min(components, len(own))
        fitted.append((int(label), float(np.log(len(own) / len(z))), fit_mixture(own, number, seed)))
    return fitted


def classify(classifier: list[tuple[int, float, Any]], z: Tensor) -> Labels:
    """The class with the largest posterior probability for each code."""
    codes = z.double().numpy()
    scores = np.stack([share + mixture.score_samples(codes) for _, share, mixture in classifier], axis=1)
    return np.array([label for label, _, _ in classifier])[scores.argmax(1)]
