"""Does a generator copy? Samples may lie as near to the training images as held-out images do, and no nearer.

After Meehan, Chaudhuri & Dasgupta 2020, arXiv:2004.05675, "A non-parametric test to detect data-copying".
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from gentool.metrics.fidelity import nearest

NEAR = 0.01
"""The share of held-out images that count as near to a training image: what a model that copies nothing has."""


@dataclass(frozen=True)
class Distances:
    """Each point's distance to its nearest training image in feature space (N,), and which one it is (N,)."""

    distance: Tensor
    index: Tensor

    @classmethod
    def of(cls, points: Tensor, train: Tensor) -> "Distances":
        """Of features (N, D) to those of the training images (M, D)."""
        return cls(*nearest(points, train))


def nearness(distances: Tensor, held_out: Tensor) -> dict[str, float]:
    """How distances to the training images (N,) compare with those of held-out real images (M,).

    - `near_train`: the share below the first percentile of the held-out ones: about 0.01 where nothing is copied, 1
      where everything is.
    - `nearer_train`: the probability that a point lies nearer than a held-out image, ties half: the test statistic of
      Mann & Whitney over N M. 0.5 is expected; above it points are too near, below it too far.
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
    """In place of the pixels: those of a large set would not fit in memory."""
    return hashlib.blake2b(image.contiguous().numpy().data, digest_size=16).digest()
