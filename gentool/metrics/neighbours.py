"""How two sets of points lie in one another, by their distances to neighbours."""

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
    for part, radii in zip(_blocks(real, len(fake)), _blocks(real_radii, len(fake)), strict=True):
        distances = _squared_distances(part, fake)
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
    radii = []
    for part in _blocks(points, len(points)):
        nearest = _squared_distances(part, points).topk(max(ks) + 1, dim=1, largest=False).values
        radii.append(nearest[:, list(ks)])  # place 0 is the point itself
    return torch.cat(radii)


def nearest(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The Euclidean distance of each of points (N, D) to the nearest of others (M, D), and its index: each (N,)."""
    points, others = points.double(), others.double()
    blocks = [_squared_distances(part, others).min(1) for part in _blocks(points, len(others))]
    return torch.cat([part.values for part in blocks]).sqrt(), torch.cat([part.indices for part in blocks])


def _blocks(points: Tensor, others: int) -> tuple[Tensor, ...]:
    """Chunks of rows whose distances to `others` points number about `BLOCK`."""
    return points.split(max(1, BLOCK // others))


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances of float64 points (N, D) and (M, D): one matrix product, and exactly 0 between equal
    points, where the product would leave rounding."""
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)
    distances = torch.addmm(lengths, a, b.T, alpha=-2)
    return distances.masked_fill_(distances < 1e-12 * lengths, 0)
