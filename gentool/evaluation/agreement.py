"""What an independent classifier sees in samples: the class that was asked for, or all classes alike."""

from typing import Any

from torch import Tensor

from gentool.data.images import ImageData
from gentool.evaluation.classifier import Classifier, read
from gentool.evaluation.intervals import interval, mean_and_interval, spreads
from gentool.evaluation.samples import Drawn
from gentool.evaluation.settings import Settings
from gentool.metrics.classes import class_entropy


def per_class(
    predicted: Tensor, asked: Tensor, real: tuple[Tensor, Tensor], classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """A row for each class: of how many samples (N,) that asked for it the classifier says so too, and of how many real
    images (predicted, labels)."""
    rows = []
    for number, name in enumerate(classes):
        row: dict[str, Any] = {"class": name, "samples": int((asked == number).sum())}
        row["agreement"] = _share(predicted[asked == number] == number)
        found, labels = real
        rows.append(row | {"real_images": int((labels == number).sum()),
                           "real_agreement": _share(found[labels == number] == number)})  # fmt: skip
    return rows


def _share(right: Tensor) -> float | None:
    return right.double().mean().item() if len(right) else None


def seen(
    classifier: Classifier, drawn: Drawn, data: ImageData, settings: Settings
) -> tuple[dict[str, float], dict[str, tuple[float, float]], list[dict[str, Any]]]:
    """What the classifier says of samples: a number, its interval, and of a conditional model a row for each class."""
    predicted, classes = read(classifier, drawn.images), len(data.classes)
    if drawn.labels is None:
        name = f"class_entropy_classifier_{len(predicted)}"
        entropy = class_entropy(predicted, classes).item()
        spread = spreads(
            lambda part: {name: class_entropy(part, classes).item()}, (predicted,), settings.bootstrap, settings.seed
        )
        return {name: entropy}, {name: interval(entropy, value) for name, value in spread.items()}, []
    assert data.test.labels is not None
    name = f"agreement_classifier_{len(predicted)}"
    share, sure = mean_and_interval(predicted == drawn.labels)
    real = read(classifier, data.test.images), data.test.labels
    table = per_class(predicted, drawn.labels, real, data.classes)
    return {name: share}, {name: sure} if settings.bootstrap else {}, table
