"""Samples against held-out real images in the features of one network, and the floor that real images set.

A metric is one entry of `METRICS`: its name, its function, and what is known of its values.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from gentool.data.images import ImageData
from gentool.evaluation.features import FeatureNetwork
from gentool.evaluation.intervals import Interval, half_sample_deviations, interval
from gentool.evaluation.memorisation import Distances, nearness
from gentool.evaluation.samples import shuffled
from gentool.metrics.distances import SUBSETS, fid, kid
from gentool.metrics.neighbours import manifold_scores, neighbour_distances
from gentool.progress import SILENT, Reporter

HALF_SAMPLE_SUBSETS = 20
"""Draws of KID in each half-sample."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Metric:
    """Scores that are computed together from features of real images (N, D) and samples (M, D).

    `ranges` has the least and the largest value of each score. `equal_counts` says that as many real images as samples
    are compared, so that the smaller of the two numbers belongs in a score's name.
    """

    compute: Callable[[Tensor, Tensor, int], Mapping[str, float]]
    ranges: Mapping[str, Range]
    equal_counts: bool = False


def _manifold(real: Tensor, fake: Tensor, subsets: int) -> Mapping[str, float]:
    count = min(len(real), len(fake))
    return manifold_scores(real[:count], fake[:count])


METRICS = (
    Metric(lambda real, fake, subsets: {"fid": fid(real, fake)}, {"fid": (0.0, math.inf)}),
    Metric(lambda real, fake, subsets: {"kid": kid(real, fake, subsets=subsets)}, {"kid": (-math.inf, math.inf)}),
    Metric(
        _manifold,
        {"precision": (0.0, 1.0), "recall": (0.0, 1.0), "density": (0.0, math.inf), "coverage": (0.0, 1.0)},
        equal_counts=True,
    ),
)
NEARNESS_RANGES = {"near_train": (0.0, 1.0), "nearer_train": (0.0, 1.0)}
RANGES = {name: limits for metric in METRICS for name, limits in metric.ranges.items()} | NEARNESS_RANGES
EQUAL_COUNTS = {name for metric in METRICS if metric.equal_counts for name in metric.ranges}


def fidelity(real: Tensor, fake: Tensor, subsets: int = SUBSETS) -> dict[str, float]:
    """All `METRICS` of features (N, D) of real images and (M, D) of samples."""
    return {name: value for metric in METRICS for name, value in metric.compute(real, fake, subsets).items()}


@dataclass(frozen=True)
class Reference:
    """The real images that samples are compared with, in the features of one network.

    `features` (R, D) are those of the test images in a random order, `train` (T, D) those of the training images, and
    `held_out` (R,) the distances of the former to the latter. Every second of these sets the threshold of memorising,
    the others show what real images score by it.
    """

    network: FeatureNetwork
    features: Tensor
    train: Tensor
    held_out: Distances
    floors: dict[tuple[int, int], dict[str, float]] = field(default_factory=dict)
    floor_deviations: dict[tuple[int, int, int], dict[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, network: FeatureNetwork, data: ImageData, seed: int, *, reporter: Reporter = SILENT) -> "Reference":
        """The features of a data set's images."""
        test = network(data.test.images, task="features of test images", reporter=reporter)
        features = test[shuffled(len(data.test), seed)]
        train = network(data.train.images, task="features of training images", reporter=reporter)
        return cls(network, features, train, Distances.of(features, train))

    def columns(self, scores: Mapping[str, float], count: int) -> dict[str, float]:
        """Scores under names with the network and the number of samples that were compared."""
        fewer = min(count, len(self.features))
        return {
            f"{name}_{self.network.name}_{fewer if name in EQUAL_COUNTS else count}": value
            for name, value in scores.items()
        }

    def scores(self, fake: Tensor, distances: Distances) -> dict[str, float]:
        """All scores of the features (N, D) of samples."""
        scores = fidelity(self.features, fake) | nearness(distances.distance, self.held_out.distance[::2])
        return self.columns(scores, len(fake))

    def floor(self, count: int, seed: int) -> dict[str, float]:
        """The scores of as many training images as there are samples; of nearness, those of held-out images.

        Computed once, however many models are compared.
        """
        if (count, seed) not in self.floors:
            held_out = self.held_out.distance
            scores = fidelity(self.features, self._chosen(count, seed)) | nearness(held_out[1::2], held_out[::2])
            self.floors[count, seed] = self.columns(scores, count)
        return self.floors[count, seed]

    def floor_intervals(
        self, count: int, repeats: int, seed: int, *, reporter: Reporter = SILENT
    ) -> dict[str, Interval]:
        """95% intervals of the floor, but not of nearness. Computed once, however many models are compared."""
        if (count, repeats, seed) not in self.floor_deviations:
            self.floor_deviations[count, repeats, seed] = half_sample_deviations(
                lambda real, part: fidelity(real, part, HALF_SAMPLE_SUBSETS),
                (self.features, self._chosen(count, seed)), repeats, seed,
                reporter.task(f"{self.network.name}: intervals of the floor", repeats),
            )  # fmt: skip
        return self._intervals(self.floor(count, seed), self.floor_deviations[count, repeats, seed], count)

    def spacing(self, fake: Tensor, seed: int) -> float:
        """The median distance of samples (N, D) to the nearest other sample, beside that of as many training images.

        About 1 where samples vary as real images do, 0 where most of them repeat one another. 1 also where most
        training images have a duplicate, since there is nothing to compare with.
        """
        own, real = (
            neighbour_distances(points.double(), (1,)).sqrt().median()
            for points in (fake, self._chosen(len(fake), seed))
        )
        return (own / real).item() if real > 0 else 1.0

    def _chosen(self, count: int, seed: int) -> Tensor:
        """The features of training images that stand in place of samples."""
        return self.train[shuffled(len(self.train), seed)[:count]]

    def intervals(
        self,
        fake: Tensor,
        distances: Distances,
        scores: Mapping[str, float],
        repeats: int,
        seed: int,
        *,
        reporter: Reporter = SILENT,
    ) -> dict[str, Interval]:
        """95% intervals of the samples' scores, from half-samples of the samples and of the real images."""
        deviations = half_sample_deviations(
            lambda real, part: fidelity(real, part, HALF_SAMPLE_SUBSETS), (self.features, fake), repeats, seed,
            reporter.task(f"{self.network.name}: intervals", repeats),
        )  # fmt: skip
        deviations |= half_sample_deviations(nearness, (distances.distance, self.held_out.distance[::2]), repeats, seed)
        return self._intervals(scores, deviations, len(fake))

    def _intervals(
        self, scores: Mapping[str, float], deviations: Mapping[str, float], count: int
    ) -> dict[str, Interval]:
        names = zip(self.columns(deviations, count), deviations, strict=True)
        return {column: _within(RANGES[name], interval(scores[column], deviations[name])) for column, name in names}


def _within(limits: Range, ends: Interval) -> Interval:
    """An interval cut to the values that a score can have."""
    return max(ends[0], limits[0]), min(ends[1], limits[1])
