"""What an independent classifier sees in samples: the class that was asked for, or how evenly the classes occur."""

from dataclasses import dataclass
from typing import Any

from scipy.stats import hypergeom
from torch import Tensor

from gentool.data.images import ImageData
from gentool.evaluation.classifier import Classifier, predict
from gentool.evaluation.intervals import Interval, half_sample_deviations, interval, share_and_interval
from gentool.evaluation.memorisation import ERROR_RATE
from gentool.evaluation.samples import Samples
from gentool.metrics.classes import class_entropy
from gentool.tables import Table

MISSING = 0.1
"""A class is called missing below this share of how often real images show it, if chance does not explain it."""


@dataclass(frozen=True)
class ClassScores:
    """Scores by name with their intervals, missing classes, and for a conditional model a row per class."""

    scores: dict[str, float]
    intervals: dict[str, Interval]
    missing: tuple[str, ...] = ()
    per_class: Table | None = None


def class_scores(
    classifier: Classifier, samples: Samples, data: ImageData, *, half_samples: int, seed: int
) -> ClassScores:
    """The agreement of a conditional model's samples with their labels, or the entropy of the classes of others."""
    predicted, classes = predict(classifier, samples.images), len(data.classes)
    real_predicted = predict(classifier, data.test.images)
    missing = missing_classes(predicted, real_predicted, data.classes)
    if samples.labels is None:
        name = f"class_entropy_classifier_{len(predicted)}"
        entropy = class_entropy(predicted, classes).item()
        deviations = half_sample_deviations(
            lambda part: {name: class_entropy(part, classes).item()}, (predicted,), half_samples, seed
        )
        ends = {name: interval(entropy, value) for name, value in deviations.items()}
        return ClassScores({name: entropy}, ends, missing)
    assert data.test.labels is not None
    name = f"agreement_classifier_{len(predicted)}"
    share, wilson = share_and_interval(predicted == samples.labels)
    table = per_class_table(predicted, samples.labels, (real_predicted, data.test.labels), data.classes)
    return ClassScores({name: share}, {name: wilson} if half_samples else {}, missing, table)


def missing_classes(predicted: Tensor, real: Tensor, names: tuple[str, ...]) -> tuple[str, ...]:
    """The classes that a classifier sees in hardly any sample: less than `MISSING` times as often as in real images.

    `predicted` (N,) and `real` (M,) are the classes that it sees. The false positive rate over all classes is at most
    `ERROR_RATE`: Fisher's exact test for each class, with the Bonferroni correction.
    """
    count, both, missing = len(predicted), len(predicted) + len(real), []
    for number, name in enumerate(names):
        seen, expected = int((predicted == number).sum()), int((real == number).sum())
        rare = seen * len(real) < MISSING * expected * count
        if rare and hypergeom.cdf(seen, both, seen + expected, count) < ERROR_RATE / len(names):
            missing.append(name)
    return tuple(missing)


def per_class_table(predicted: Tensor, asked: Tensor, real: tuple[Tensor, Tensor], classes: tuple[str, ...]) -> Table:
    """A row per class: the share of the samples (N,) asked for it that the classifier says it of, and the same of real
    images, given as (predicted, labels)."""
    real_predicted, labels = real
    rows = []
    for number, name in enumerate(classes):
        row: dict[str, Any] = {"class": name, "samples": int((asked == number).sum())}
        row["agreement"] = _share(predicted[asked == number] == number)
        row["real_images"] = int((labels == number).sum())
        row["real_agreement"] = _share(real_predicted[labels == number] == number)
        rows.append(row)
    return Table(rows)


def _share(right: Tensor) -> float | None:
    return right.double().mean().item() if len(right) else None
