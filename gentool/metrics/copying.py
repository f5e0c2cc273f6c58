"""Samples that are a training image with small changes, found by how much nearer it is than the second nearest.

The ratio of the two distances tells copies from samples that are merely unremarkable: a blurred or average image is
near to several training images alike (Lowe 2004, doi:10.1023/B:VISI.0000029664.99615.94, section 7.1, on matching).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 8
"""Images are compared by the means of this many by this many parts: noise and wrong details do not hide a copy."""
HALF, RARE = 0.5, 0.01
"""A sample is a near copy if its ratio is below `HALF`, and below that of all but this share of the training images."""


def coarse(images: Tensor) -> Tensor:
    """The means (N, C * 64) of 8x8 parts of images (N, C, H, W), in their units."""
    return F.adaptive_avg_pool2d(images, SIDE).flatten(1)


def neighbour_ratios(points: Tensor, others: Tensor) -> Tensor:
    """The distance of points (N, D) to the nearest of others (M, D), as a share of that to the second nearest: (N,).

    In [0, 1]; M must be at least 2. The others should differ from one another (`distinct`).
    """
    return _ratios(torch.cdist(points.double(), others.double()))


def own_ratios(points: Tensor) -> Tensor:
    """`neighbour_ratios` of points (N, D), N at least 3, among each other."""
    distances = torch.cdist(points.double(), points.double())
    return _ratios(distances.fill_diagonal_(torch.inf))


def distinct(points: Tensor) -> Tensor:
    """The points (M, D) among (N, D) without those that equal another one."""
    return points.unique(dim=0)


def near_copies(points: Tensor, train: Tensor) -> float:
    """The share of points (N, D) that are near copies of training images (M, D), in [0, 1]; M distinct ones, at least
    3."""
    limit = min(HALF, own_ratios(train).quantile(RARE, interpolation="lower").item())
    return (neighbour_ratios(points, train) < limit).double().mean().item()


def _ratios(distances: Tensor) -> Tensor:
    first, second = distances.topk(2, dim=1, largest=False).values.unbind(1)
    return torch.where(second > 0, first / second, 1.0)
