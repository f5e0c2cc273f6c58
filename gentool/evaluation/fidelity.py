"""Samples against held-out real images, seen through one feature network, and beside them the floor."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.terminal import Terminal
from gentool.evaluation.features import FeatureNetwork
from gentool.evaluation.intervals import interval, spreads
from gentool.evaluation.memorisation import Distances, nearness
from gentool.evaluation.samples import shuffled
from gentool.metrics.distances import SUBSETS, fid, kid
from gentool.metrics.fidelity import manifold_scores

HALF_SUBSETS = 20
"""Draws of KID in each half-sample."""
NEVER_NEGATIVE = ("fid", "precision", "recall", "density", "coverage", "near_train", "nearer_train")
SHARES = ("precision", "recall", "coverage", "near_train", "nearer_train")


def fidelity(reference: Tensor, fake: Tensor, subsets: int = SUBSETS) -> dict[str, float]:
    """FID and KID of features (N, D) and (M, D), and precision, recall, density and coverage of equally many."""
    count = min(len(reference), len(fake))
    return {
        "fid": fid(reference, fake),
        "kid": kid(reference, fake, subsets=subsets),
        **manifold_scores(reference[:count], fake[:count]),
    }


@dataclass(frozen=True)
class Judge:
    """What samples are compared with, in the features of one network.

    `reference` (R, D) are the test images in a random order, `train` (T, D) the training images, and `held_out` (R,)
    how far the former lie from the latter. Every second of these sets the measure of memorising; the others show what
    real images score by it.
    """

    network: FeatureNetwork
    reference: Tensor
    train: Tensor
    held_out: Distances
    floors: dict[tuple[int, int], dict[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, network: FeatureNetwork, data: ImageData, seed: int, voice: Terminal) -> "Judge":
        """The features of a data set's images."""
        total = len(data.test) + len(data.train)
        with voice.progress(f"{network.name}: features of real images", total) as update:
            reference = network(data.test.images, update)[shuffled(len(data.test), seed)]
            train = network(data.train.images, lambda done: update(len(reference) + done))
        return cls(network, reference, train, Distances.of(reference, train))

    def columns(self, scores: dict[str, float], count: int) -> dict[str, float]:
        """Scores under names that say the network, and how many samples were compared."""
        few = min(count, len(self.reference))
        manifold = ("precision", "recall", "density", "coverage")
        return {
            f"{name}_{self.network.name}_{few if name in manifold else count}": value for name, value in scores.items()
        }

    def samples(self, fake: Tensor, distances: Distances) -> dict[str, float]:
        """All scores of the features (N, D) of samples."""
        scores = fidelity(self.reference, fake) | nearness(distances.distance, self.held_out.distance[::2])
        return self.columns(scores, len(fake))

    def floor(self, count: int, seed: int) -> dict[str, float]:
        """The same of as many training images as there are samples; of held-out images, how near those are to them.

        Worked out once, however many models are compared.
        """
        if (count, seed) not in self.floors:
            chosen = shuffled(len(self.train), seed)[:count]
            held_out = self.held_out.distance
            scores = fidelity(self.reference, self.train[chosen]) | nearness(held_out[1::2], held_out[::2])
            self.floors[count, seed] = self.columns(scores, count)
        return self.floors[count, seed]

    def intervals(
        self,
        fake: Tensor,
        distances: Distances,
        scores: dict[str, float],
        repeats: int,
        seed: int,
        on_progress: Callable[..., None],
    ) -> dict[str, tuple[float, float]]:
        """95 % intervals of the samples' scores, from half-samples of them and of the reference."""
        points = (self.reference, fake)
        spread = spreads(lambda real, part: fidelity(real, part, HALF_SUBSETS), points, repeats, seed, on_progress)
        spread |= spreads(nearness, (distances.distance, self.held_out.distance[::2]), repeats, seed)
        named = zip(self.columns(spread, len(fake)), spread, strict=True)
        return {column: _within(name, *interval(scores[column], spread[name])) for column, name in named}


def _within(name: str, low: float, high: float) -> tuple[float, float]:
    """An interval within the values that a score can have."""
    return (max(low, 0.0) if name in NEVER_NEGATIVE else low), (min(high, 1.0) if name in SHARES else high)


def in_order(distances: Distances, count: int) -> Tensor:
    """The indices of the `count` points nearest to a training image, nearest first."""
    return torch.argsort(distances.distance, stable=True)[:count]
