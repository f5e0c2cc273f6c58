"""What a flow is trained on: points on straight paths from noise to data, and which noise belongs to which data.

Lipman et al. (2023, arXiv:2210.02747) and Liu et al. (2023, arXiv:2209.03003): with x_t = t x + (1 - t) e, a network
that predicts x - e from x_t and t with the least squared error has learnt a velocity field that carries noise to data.
"""

import numpy as np
import torch
from torch import Tensor

GOLDEN = 0.6180339887498949
"""The fractional parts of its multiples fill (0, 1) evenly (Weyl 1916, doi:10.1007/BF01475864)."""


def straight_path(x: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The point x_t at time t on the way from noise to x, and the velocity there, which is the same at all times.

    x and noise are (N, ...), t is (N,) in [0, 1].
    """
    t = t.view(-1, *[1] * (x.ndim - 1))
    return t * x + (1 - t) * noise, x - noise


def even_times(count: int) -> Tensor:
    """Logit-normal times (count,) in (0, 1), spread evenly, also in parts of them: for scores without chance."""
    share = torch.from_numpy(np.modf((np.arange(count) + 0.5) * GOLDEN)[0])
    return torch.special.ndtri(share).sigmoid().float()


def paired_noise(x: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """The rows of noise in another order, so that the sum of squared distances to x is as small as possible.

    Minibatch optimal transport (Tong et al. 2024, arXiv:2302.00482; Pooladian et al. 2023, arXiv:2304.14772): the
    paths cross less, and fewer steps solve the equation. With labels (N,), noise changes places within a class only:
    it would otherwise depend on the class, while samples are drawn from noise that does not.
    """
    from scipy.optimize import linear_sum_assignment

    cost = torch.cdist(x.flatten(1).float(), noise.flatten(1).float()).square().cpu()
    groups = torch.zeros(len(x), dtype=torch.long) if labels is None else labels.cpu()
    order = torch.empty(len(x), dtype=torch.long)
    for group in groups.unique():
        rows = (groups == group).nonzero()[:, 0]
        _, chosen = linear_sum_assignment(cost[rows][:, rows].numpy())
        order[rows] = rows[torch.from_numpy(chosen)]
    return noise[order.to(noise.device)]
