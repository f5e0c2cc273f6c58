"""The classes that generated images show, by a linear classifier that is cheap enough for every training."""

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 16
"""Images are reduced to at most this side before they are classified."""
RIDGE = 0.01
"""The penalty, as a share of a pixel's mean variance."""
SMOOTHED = 0.1
"""Nats added to both entropies, so that the ratio stays finite for a batch of one class."""


class LinearClassifier:
    """Ridge regression (Hoerl & Kennard 1970) from the pixels of small copies to one column for each class.

    Fitted in closed form to images (n, C, H, W) in [0, 1] and labels (n,), both on the CPU; it reads on `device`.
    """

    def __init__(self, images: Tensor, labels: Tensor, classes: int, device: torch.device | str = "cpu") -> None:
        pixels = _small(images).double()
        mean = pixels.mean(0)
        pixels = pixels - mean
        targets = F.one_hot(labels, classes).double()
        shares = targets.mean(0)
        square = pixels.T @ pixels
        square.diagonal().add_(RIDGE * square.diagonal().mean() + 1e-12)
        weights = torch.linalg.solve(square, pixels.T @ (targets - shares))
        self.mean, self.shares, self.weights = (part.float().to(device) for part in (mean, shares, weights))

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] -> the class (N,) that each shows."""
        return ((_small(images) - self.mean) @ self.weights + self.shares).argmax(1)


def class_entropy(classes: Tensor, count: int) -> Tensor:
    """The entropy in nats of how often each of `count` classes is there, from (N,): a scalar.

    log(count) where all are equally frequent, 0 for a single one.
    """
    return torch.special.entr(F.one_hot(classes, count).float().mean(0)).sum()


def class_entropy_ratio(classifier: LinearClassifier, images: Tensor, real: Tensor) -> Tensor:
    """The entropy of the classes of images (N, C, H, W) beside that of as many real ones: a scalar.

    About 1 where both show the classes equally, near 0 where the images show a single one.
    """
    count = len(classifier.shares)
    entropy, expected = (class_entropy(classifier(x), count) for x in (images, real))
    return (entropy + SMOOTHED) / (expected + SMOOTHED)


def mode_divergence(counts: Tensor, expected: Tensor) -> float:
    """KL(samples || data) of the modes in nats, from how often (K,) samples show each and its share (K,) in the data.

    0 for equal shares. With N samples, it is expected to be about (K - 1) / (2 N) for a perfect generator.
    """
    shares = counts.double() / counts.sum()
    return (torch.xlogy(shares, shares) - torch.xlogy(shares, expected.double())).sum().item()


def _small(images: Tensor) -> Tensor:
    stride = -(-max(images.shape[2:]) // SIDE)
    images = images.float()
    return (F.avg_pool2d(images, stride, ceil_mode=True) if stride > 1 else images).flatten(1)
