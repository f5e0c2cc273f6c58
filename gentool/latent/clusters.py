"""A mixture on codes judged against the labels: the tables and the pictures of `embed --gmm`."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gentool.engine.terminal import Terminal
from gentool.figures.confusion import confusion
from gentool.figures.scatter import Ellipse, scatter
from gentool.files import write_csv
from gentool.latent.encoded import Encoded
from gentool.latent.mixture import (
    Labels,
    bayes_classifier,
    classify,
    contingency,
    fit_mixture,
    majority,
    matched,
    score,
)
from gentool.latent.plane import Plane


@dataclass(frozen=True)
class Coded:
    """Codes z (N, D) and their labels (N,) of the two splits that a judgement needs."""

    train: Tensor
    train_labels: Labels
    test: Tensor
    test_labels: Labels
    classes: int


def cluster_rows(coded: Coded, components: int, seed: int) -> tuple[Any, list[dict[str, Any]], Labels]:
    """A mixture of all training codes, its two rows of the table, and its contingency table with the test labels.

    `matched`: clusters are matched one to one to the labels of the test images, without any other use of labels.
    `majority`: clusters are named by the commonest label of the training images in them.
    """
    mixture = fit_mixture(coded.train, components, seed)
    clusters = mixture.predict(coded.test.double().numpy())
    of_train = mixture.predict(coded.train.double().numpy())
    table = contingency(clusters, coded.test_labels, components, coded.classes)
    names = {
        "matched": matched(clusters, coded.test_labels, components, coded.classes),
        "majority": majority(of_train, coded.train_labels, components, coded.classes),
    }
    likelihood = float(mixture.score(coded.test.double().numpy()))
    rows = [
        {"method": method, "components": components, "seed": seed}
        | asdict(score(coded.test_labels, named[clusters], clusters))
        | {"log_likelihood": likelihood, "converged": bool(mixture.converged_)}
        for method, named in names.items()
    ]
    return mixture, rows, table


def class_row(coded: Coded, components: int, seed: int) -> tuple[dict[str, Any], Labels]:
    """One mixture for each class as a Bayes classifier: its row, and its confusion table (label, predicted)."""
    predicted = classify(bayes_classifier(coded.train, coded.train_labels, components, seed), coded.test)
    row = {"method": "per class", "components": components, "seed": seed}
    row |= asdict(score(coded.test_labels, predicted, predicted))
    return row, contingency(coded.test_labels, predicted, coded.classes, coded.classes)


def summary(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Mean and standard deviation (n - 1) over the seeds, for each method and number of components."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["components"]), []).append(row)
    for (method, components), group in groups.items():
        result: dict[str, Any] = {"method": method, "components": components, "repeats": len(group)}
        for name in ("accuracy", "precision", "recall", "f1", "nmi", "ari"):
            values = np.array([row[name] for row in group])
            result[name] = float(values.mean())
            result[f"{name}_sd"] = float(values.std(ddof=1)) if len(group) > 1 else None
        yield result


@dataclass(frozen=True)
class Mixtures:
    """Which mixtures to judge: numbers of components for all codes and for those of a class, and how many seeds."""

    sizes: tuple[int, ...]
    class_components: int
    repeats: int
    seed: int


def judge(encoded: Encoded, plane: Plane, options: Mixtures, folder: Path, voice: Terminal) -> None:
    """gmm.csv, gmm_runs.csv, a confusion matrix for each method, and the scatter plot with the first mixtures."""
    train, test, classes = encoded.images.train, encoded.images.test, encoded.images.classes
    assert train.labels is not None
    assert test.labels is not None
    coded = Coded(
        encoded.codes["train"], train.labels.numpy(), encoded.codes["test"], test.labels.numpy(), len(classes)
    )
    sizes = options.sizes
    runs: list[dict[str, Any]] = []
    with voice.progress("mixtures", (len(sizes) + 1) * options.repeats) as update:
        for components in sizes:
            for repeat in range(options.repeats):
                mixture, rows, table = cluster_rows(coded, components, options.seed + repeat)
                runs += rows
                if repeat == 0:
                    title = f"clusters of a mixture of {components}, {len(coded.test):,} test images"
                    confusion(table.T, classes, list(map(str, range(components))),
                              folder / f"confusion-gmm-{components}.png", title=title)  # fmt: skip
                    outline(encoded, plane, mixture, folder / f"embedding-gmm-{components}.png")
                update(len(runs) // 2)
        for repeat in range(options.repeats):
            row, table = class_row(coded, options.class_components, options.seed + repeat)
            runs.append(row)
            if repeat == 0:
                title = f"one mixture of {options.class_components} for each class, {len(coded.test):,} test images"
                confusion(table, classes, classes, folder / "confusion-per-class.png", title=title)
            update(len(sizes) * options.repeats + repeat + 1)
    write_csv(folder / "gmm_runs.csv", runs)
    means = list(summary(runs))
    write_csv(folder / "gmm.csv", means)
    for row in means:
        spread = "" if row["accuracy_sd"] is None else f" ± {row['accuracy_sd']:.2%}"
        voice.say(
            f"mixture of {row['components']}, {row['method']}: accuracy {row['accuracy']:.2%}{spread} "
            f"(seeds: {row['repeats']}), F1 {row['f1']:.2%}, NMI {row['nmi']:.3f}, ARI {row['ari']:.3f}"
        )


def outline(encoded: Encoded, plane: Plane, mixture: Any, path: Path) -> None:
    """The scatter plot with an ellipse for each component: projected, or where that cannot be, of the points in it."""
    ellipses = []
    if plane.frame is not None:
        mean, directions = (part.double().numpy() for part in plane.frame)
        for centre, covariance in zip(mixture.means_, mixture.covariances_, strict=True):
            ellipses.append(Ellipse(directions @ (centre - mean), directions @ covariance @ directions.T))
    else:
        clusters = mixture.predict(encoded.z[plane.shown].double().numpy())
        for component in range(mixture.n_components):
            own = plane.points[clusters == component]
            if len(own) > 2:
                ellipses.append(Ellipse(own.mean(0), np.cov(own.T)))
    assert encoded.labels is not None
    scatter(plane.points, path, labels=encoded.labels[plane.shown].numpy(), classes=encoded.images.classes,
            ellipses=ellipses, axes_names=plane.axes,
            title=f"{plane.title}; mixture of {mixture.n_components}, two standard deviations")  # fmt: skip
