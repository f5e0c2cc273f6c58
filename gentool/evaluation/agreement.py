"""What an independent classifier sees in samples: the class that was asked for, or how evenly the classes occur."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gentool.data.images import ImageData
from gentool.evaluation.classifier import Classifier, predict
from gentool.evaluation.intervals import Interval, half_sample_deviations, interval, mean_and_interval
from gentool.evaluation.samples import Samples
from gentool.metrics.classes import class_entropy
from gentool.tables import Table


@dataclass(frozen=True)
class ClassScores:
    """Scores by name with their intervals, and for a conditional model a row per class."""

    scores: dict[str, float]
    intervals: dict[str, Interval]
    per_class: Table | None = None


def class_scores(
    classifier: Classifier, samples: Samples, data: ImageData, *, half_samples: int, seed: int
) -> ClassScores:
    """The agreement of a conditional model's samples with their labels, or the entropy of the classes of others."""
    predicted, classes = predict(classifier, samples.images), len(data.classes)
    if samples.labels is None:
        name = f"class_entropy_classifier_{len(predicted)}"
        entropy = class_entropy(predicted, classes).item()
        deviations = half_sample_deviations(
            lambda part: {name: class_entropy(part, classes).item()}, (predicted,), half_samples, seed
        )
        return ClassScores({name: entropy}, {name: interval(entropy, value) for name, value in deviations.items()})
    assert data.test.labels is not None
    name = f"agreement_classifier_{len(predicted)}"
    share, ends = mean_and_interval(predicted == samples.labels)
    real = predict(classifier, data.test.images), data.test.labels
    table = per_class_table(predicted, samples.labels, real, data.classes)
    return ClassScores({name: share}, {name: ends} if half_samples else {}, table)


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
