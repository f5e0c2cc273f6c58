"""Does a generator copy? Samples should lie no nearer to the training images than held-out images do.

After Meehan, Chaudhuri & Dasgupta 2020, arXiv:2004.05675, "A non-parametric test to detect data-copying".
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from gentool.metrics.neighbours import nearest

NEAR = 0.01
"""The share of held-out images that count as near to a training image, and so of the samples of a model that copies
nothing."""


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


def copied_share(images: Tensor, train: Tensor) -> float:
    """The share of uint8 images (N, C, H, W) that equal a training image in every pixel."""
    known = {_digest(image) for image in train}
    return sum(_digest(image) in known for image in images) / len(images)


def _digest(image: Tensor) -> bytes:
    """A digest in place of the pixels, which would not fit in memory for a large set."""
    return hashlib.blake2b(image.contiguous().numpy().data, digest_size=16).digest()
