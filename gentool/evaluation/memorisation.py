"""Does a generator copy? Samples should equal and come near the training images no more often than held-out images do.

After Meehan, Chaudhuri & Dasgupta 2020, arXiv:2004.05675, "A non-parametric test to detect data-copying".
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from scipy.stats import hypergeom
from torch import Tensor

from gentool.metrics.neighbours import nearest

NEAR = 0.01
"""The share of held-out images that count as near to a training image, and so of the samples of a model that copies
nothing."""

COPYING_SHARE = 0.1
"""A model is called memorising above this share of samples that are nearer to the training images than 99% of the
held-out images are, if chance does not explain it."""
ERROR_RATE = 0.01
"""How often at most a model is called memorising or copying whose samples are as good as held-out images."""
COPIES = "copies"
"""The name of the chance of the copies beside those of the feature networks."""


@dataclass(frozen=True)
class Distances:
    """The distance of each point to its nearest training image in feature space (N,), and that image's index (N,)."""

    distance: Tensor
    index: Tensor

    @classmethod
    def of(cls, points: Tensor, train: Tensor) -> "Distances":
        """The distances of features (N, D) to those of the training images (M, D)."""
        return cls(*nearest(points, train))

    def nearest_first(self, count: int) -> Tensor:
        """The indices of the `count` points that are nearest to a training image, nearest first."""
        return torch.argsort(self.distance, stable=True)[:count]


def nearness(distances: Tensor, held_out: Tensor) -> dict[str, float]:
    """How distances to the training images (N,) compare with those of held-out real images (M,).

    - `near_train`: the share of points below the first percentile of the held-out distances: about 0.01 where nothing
      is copied, 1 where everything is.
    - `nearer_train`: the probability that a point lies nearer than a held-out image, ties counted half: the
      Mann-Whitney statistic over N M. 0.5 is expected; above it points are too near, below it too far.
    """
    threshold = held_out.quantile(NEAR, interpolation="lower")
    order, points = held_out.sort().values, distances.contiguous()
    below = torch.searchsorted(order, points, right=False)
    up_to = torch.searchsorted(order, points, right=True)
    farther = len(order) - (below + up_to).double() / 2
    return {
        "near_train": (distances < threshold).double().mean().item(),
        "nearer_train": (farther / len(order)).mean().item(),
    }


def chance_of_nearness(distances: Tensor, held_out: Tensor) -> float:
    """The p-value of `near_train`: the probability that at least as many points are as near by chance.

    If points (N,) and held-out images (M,) come from one distribution, all orders of their distances are equally
    likely. The number of points below the r-th smallest held-out distance is then negative hypergeometric.
    """
    rank = int(NEAR * (len(held_out) - 1)) + 1
    near = int((distances < held_out.sort().values[rank - 1]).sum())
    drawn = near + rank - 1  # the nearest of all; at most rank - 1 of them are held-out images
    return float(hypergeom.cdf(rank - 1, len(distances) + len(held_out), len(held_out), drawn))


@dataclass(frozen=True)
class Copies:
    """How many of `count` images equal a training image in every pixel, and how many only its mirror image."""

    exact: int
    mirrored: int
    count: int

    @classmethod
    def of(cls, images: Tensor, train: Tensor) -> "Copies":
        """The copies among uint8 images (N, C, H, W)."""
        known = {_digest(image) for image in train}
        exact = [_digest(image) in known for image in images]
        mirrored = [not same and _digest(image.flip(-1)) in known for image, same in zip(images, exact, strict=True)]
        return cls(sum(exact), sum(mirrored), len(images))

    def shares(self) -> dict[str, float]:
        """The scores `copied` and `copied_mirrored`."""
        return {"copied": self.exact / self.count, "copied_mirrored": self.mirrored / self.count}

    def chance_beside(self, held_out: "Copies") -> float:
        """The p-value of Fisher's exact test that these have no more copies than held-out images."""
        copies, others = self.exact + self.mirrored, held_out.exact + held_out.mirrored
        return float(hypergeom.sf(copies - 1, self.count + held_out.count, copies + others, self.count))


def verdicts(near: Sequence[float], chances: Mapping[str, float]) -> dict[str, bool]:
    """Whether samples are called `memorising` or `copying`.

    `near` has the `near_train` of each feature network, `chances` the p-values of the copies and of the networks, in
    the same order. Together these tests err with probability `ERROR_RATE` at most (Bonferroni).
    """
    level = ERROR_RATE / len(chances)
    unlikely = [chance < level for name, chance in chances.items() if name != COPIES]
    return {
        "memorising": any(
            share > COPYING_SHARE and by_network for share, by_network in zip(near, unlikely, strict=True)
        ),
        "copying": chances[COPIES] < level,
    }


def _digest(image: Tensor) -> bytes:
    """A digest in place of the pixels, which would not fit in memory for a large set."""
    return hashlib.blake2b(image.contiguous().numpy().data, digest_size=16).digest()
