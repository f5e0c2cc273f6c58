"""How two sets of points lie in one another, by their distances to neighbours."""

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 2**21
"""The number of distances that are in memory at a time."""


def manifold_scores(real: Tensor, fake: Tensor, *, k: int = 3, density_k: int = 5) -> dict[str, float]:
    """How two sets of features (N, D) and (M, D) lie in one another, by the balls around their points.

    A point's ball reaches to its k-th nearest neighbour in its own set; N and M must be above both k.

    - `precision`: the share of fake points in some real ball; `recall`: the share of real points in some fake ball
      (Kynkaanniemi et al. 2019, arXiv:1904.06991, equation 2). In [0, 1].
    - `density`: how many real balls a fake point is in, over k, with `density_k` (Naeem et al. 2020, arXiv:2002.09797,
      equation 3). 1 is expected of real points, and it may be above.
    - `coverage`: the share of real balls that hold a fake point (equation 4). In [0, 1].
    """
    real, fake = real.double(), fake.double()
    real_radii, fake_radii = neighbour_distances(real, (k, density_k)), neighbour_distances(fake, (k,))
    in_real = torch.zeros(len(fake), dtype=torch.bool)
    recalled = covered = inside = 0
    for part, distances in _squared_distances(real, fake):
        radii = real_radii[part]
        in_real |= (distances <= radii[:, :1]).any(0)
        recalled += int((distances <= fake_radii[:, 0]).any(1).sum())
        balls = distances <= radii[:, 1:]
        inside += int(balls.sum())
        covered += int(balls.any(1).sum())
    return {
        "precision": in_real.double().mean().item(),
        "recall": recalled / len(real),
        "density": inside / (density_k * len(fake)),
        "coverage": covered / len(real),
    }


def neighbour_distances(points: Tensor, ks: tuple[int, ...]) -> Tensor:
    """The squared distances of points (N, D), float64, to their k-th nearest other point for each k: (N, len(ks))."""
    radii = points.new_empty(len(points), len(ks))
    for part, distances in _squared_distances(points, points):
        radii[part] = distances.topk(max(ks) + 1, dim=1, largest=False).values[
            :, list(ks)
        ]  # place 0 is the point itself
    return radii


def nearest(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The Euclidean distance of each of points (N, D) to the nearest of others (M, D), and its index: each (N,)."""
    points, others = points.double(), others.double()
    smallest = points.new_empty(len(points))
    index = torch.empty(len(points), dtype=torch.long)
    for part, distances in _squared_distances(points, others):
        smallest[part], index[part] = distances.min(1)
    return smallest.sqrt(), index


def _squared_distances(points: Tensor, others: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared Euclidean distances of float64 points (N, D) to others (M, D), some rows after the other: which rows,
    and their distances, in memory that the next rows use again.

    A matrix product for each, and exactly 0 between equal points, where the product would leave rounding.
    """
    rows = max(1, min(len(points), BLOCK // len(others)))
    own, lengths = points.square().sum(1)[:, None], others.square().sum(1)
    sums, products = points.new_empty(2, rows, len(others))
    equal = torch.empty(rows, len(others), dtype=torch.bool)
    for start in range(0, len(points), rows):
        part = slice(start, min(start + rows, len(points)))
        count = part.stop - start
        added = torch.add(own[part], lengths, out=sums[:count])
        distances = torch.addmm(added, points[part], others.T, alpha=-2, out=products[:count])
        distances.masked_fill_(torch.lt(distances, added.mul_(1e-12), out=equal[:count]), 0)
        yield part, distances
