"""What samples score, and what real images score in their place, which is the floor."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gentool.data.images import ImageData
from gentool.evaluation.agreement import class_scores
from gentool.evaluation.classifier import predict
from gentool.evaluation.evaluation import Neighbours
from gentool.evaluation.faces import FaceReference
from gentool.evaluation.fidelity import Reference
from gentool.evaluation.intervals import Interval
from gentool.evaluation.memorisation import COPIES, Copies, Distances, chance_of_nearness
from gentool.evaluation.options import EvaluateOptions
from gentool.evaluation.samples import Samples, shuffled
from gentool.evaluation.summary import FLOOR
from gentool.metrics.classes import class_entropy
from gentool.progress import Reporter
from gentool.tables import Table

SHOWN, PAIRS = 25, 10
"""Samples in the picture, and pairs of a sample and its nearest training image."""


@dataclass
class SampleScores:
    """What the samples of one seed score; in full with intervals, nearest training images and tables.

    `chances` are the probabilities that the copies, and the nearness in the features of each network, come by chance.
    `spacing` is the distance of samples to one another beside that of real images, in the features of each network.
    """

    scores: dict[str, float]
    samples: Tensor
    chances: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    neighbours: dict[str, Neighbours] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    spacing: dict[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def score(
    samples: Samples,
    data: ImageData,
    references: Sequence[Reference],
    options: EvaluateOptions,
    faces: FaceReference | None,
    *,
    in_full: bool,
    reporter: Reporter,
) -> SampleScores:
    """The scores of one seed's samples; `faces` are real ones where the data are the set faces."""
    copies, held_out = (Copies.of(images, data.train.images) for images in (samples.images, data.test.images))
    chances = {COPIES: copies.chance_beside(held_out)}
    result = SampleScores(copies.shares(), samples.images[:SHOWN], chances)
    half_samples = options.half_samples if in_full else 0
    for reference in references:
        network = reference.network
        fake = network(samples.images, task="features of samples", reporter=reporter)
        distances = Distances.of(fake, reference.train)
        scores = reference.scores(fake, distances)
        result.scores.update(scores)
        chances[network.name] = chance_of_nearness(distances.distance, reference.held_out.distance)
        if half_samples:
            ends = reference.intervals(fake, distances, scores, half_samples, options.seed, reporter=reporter)
            result.intervals.update(ends)
        if in_full:
            result.spacing[network.name] = reference.spacing(fake, options.seed)
            chosen = distances.nearest_first(PAIRS)
            result.neighbours[network.name] = Neighbours(
                samples.images[chosen],
                data.train.images[distances.index[chosen]],
                distances.distance,
                reference.held_out.distance,
            )
        if network.classifier is not None:
            classes = class_scores(network.classifier, samples, data, half_samples=half_samples, seed=options.seed)
            result.scores.update(classes.scores)
            if in_full:
                result.intervals.update(classes.intervals)
                result.missing = classes.missing
                if classes.per_class is not None:
                    result.tables["agreement"] = classes.per_class
    if faces is not None:
        of_faces = faces.scores(samples.images, reporter=reporter)
        result.scores.update(of_faces.scores)
        if in_full:
            result.tables.update(of_faces.tables)
            result.intervals.update(of_faces.intervals if half_samples else {})
    return result


def floor_row(
    data: ImageData, references: Sequence[Reference], count: int, seed: int, faces: FaceReference | None
) -> dict[str, Any]:
    """The row of real training images in place of samples; for copying, that of held-out images."""
    row: dict[str, Any] = {"what": FLOOR, "images": count, "reference": len(data.test)}
    row |= Copies.of(data.test.images, data.train.images).shares()
    row |= faces.floor() if faces is not None else {}
    for reference in references:
        row |= reference.floor(count, seed)
        if reference.network.classifier is not None:
            chosen = data.train.images[shuffled(len(data.train), seed)[:count]]
            predicted = predict(reference.network.classifier, chosen)
            row[f"class_entropy_classifier_{count}"] = class_entropy(predicted, len(data.classes)).item()
            row[f"agreement_classifier_{count}"] = reference.network.facts["accuracy"]
    return row
