"""What is watched of the game of gan and cgan, beside its losses: columns of metrics.csv, and alarms."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.alarms import UNSETTLED_STEPS, WARM_UP_STEPS, Alarm, Row
from gentool.engine.run import Run
from gentool.metrics.adversarial import Loss, accuracy
from gentool.metrics.classes import LinearClassifier, class_entropy_ratio
from gentool.metrics.diversity import diversity, own_share

CLASSIFIER_IMAGES, CLASSIFIER_ACCURACY = 5_000, 0.6
"""The linear classifier is fitted to at most this many training images, and used if it predicts at least this
share of the validation images right."""
FEW_IMAGES = 8
"""Fewer images than this in an update say nothing about variety."""
FEW_CLASSES = 0.35
"""Classes have vanished below this ratio of the entropies of samples and real images; two classes of ten have .34."""
OVERPOWERING_ACCURACY, OVERPOWERED_LOSS = 0.995, 4.0
"""The discriminator overpowers a generator above both: it is right this often, and the generator's loss this high."""
GUESSING_LOSS = 4.0
"""A discriminator's loss above this is far worse than guessing, which costs log 4 (bce) or 2 (hinge)."""


class Telemetry:
    """What metrics.csv says about a game beside its losses: diversity, classes, the discriminator's accuracy.

    `few`: the images of one update are too few to vary, so what they show is measured at the end of the epoch.
    """

    def __init__(self, data: ImageData, run: Run, loss: Loss) -> None:
        self.classifier = linear_classifier(data, run)
        self.loss = loss
        self.few = run.plan.batch_size < FEW_IMAGES

    def of(self, real: Tensor, fake: Tensor, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
        """The columns of one update, from images (N, C, H, W) in [-1, 1] and logits (N,)."""
        columns = {} if self.few else self._variety(fake, real)
        right = accuracy(self.loss, real_logits, fake_logits)
        if right is not None:
            columns["discriminator_accuracy"] = right
        return columns

    def at_the_end(self, samples: Tensor, real: Tensor) -> dict[str, float]:
        """The columns of samples (N, C, H, W) in [0, 1] at the end of an epoch."""
        return {name: value.item() for name, value in self._variety(samples * 2 - 1, real * 2 - 1).items()}

    def _variety(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        columns = {"diversity": diversity(fake, real), "own_share": own_share(fake, real)}
        if self.classifier:
            columns["class_entropy_ratio"] = class_entropy_ratio(self.classifier, (fake + 1) / 2, (real + 1) / 2)
        return columns


def linear_classifier(data: ImageData, run: Run) -> LinearClassifier | None:
    """A linear classifier; None where there are no classes, or where it is not accurate enough."""
    if data.train.labels is None or len(data.classes) < 2:
        return None
    step = -(-len(data.train) // CLASSIFIER_IMAGES)
    images, labels = data.train.images[::step], data.train.labels[::step]
    classifier = LinearClassifier(images / 255, labels, len(data.classes), run.device)
    right = [classifier(x).eq(y).float() for x, y in run.in_order(data.validation) if y is not None]
    return classifier if right and torch.cat(right).mean() >= CLASSIFIER_ACCURACY else None


def worse_than_guessing(rows: Sequence[Row]) -> Iterator[Alarm]:
    """An alarm for a discriminator whose loss is far above that of guessing."""
    loss = rows[-1].get("discriminator", 0.0)
    if "discriminator_accuracy" in rows[-1] and loss > GUESSING_LOSS:
        text = f"exploding loss: discriminator is {loss:.3g}, but at most 2 if it only guesses; try a lower --lr"
        yield Alarm("exploding_loss", text)


def class_collapse(rows: Sequence[Row]) -> Iterator[Alarm]:
    """An alarm for samples that show few of the classes."""
    name = "class_entropy_ratio"
    if name not in rows[-1]:
        return
    step, now, best = rows[-1]["step"], rows[-1][name], max(row[name] for row in rows if name in row)
    dropped = step >= UNSETTLED_STEPS and best > 2 * FEW_CLASSES
    if now < FEW_CLASSES and (dropped or step >= WARM_UP_STEPS):
        yield Alarm(
            "class_collapse",
            f"class collapse: the classes of the samples have {now:.0%} of the entropy of the real ones', so most "
            "classes are missing; try a lower --lr",
        )


def overpowering(rows: Sequence[Row]) -> Iterator[Alarm]:
    """An alarm for a discriminator from which the generator learns nothing."""
    right, loss = rows[-1].get("discriminator_accuracy", 0.0), rows[-1].get("generator", 0.0)
    if right > OVERPOWERING_ACCURACY and loss > OVERPOWERED_LOSS:
        yield Alarm(
            "overpowering",
            f"the discriminator overpowers the generator: it is right on {right:.1%}, and the generator's loss is "
            f"{loss:.3g}; try --r1 1, --norm spectral or a lower --lr",
        )
