"""Distances between two sets of features: FID and KID.

Computed by torchmetrics. The features are those of any network, so a number means something only beside another one
from the same network.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

SUBSETS = 100
SUBSET = 1000


class _Given(nn.Module):
    """Stands in for torchmetrics' network: returns the features that it is given."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def fid(real: Tensor, fake: Tensor) -> float:
    """The Frechet distance of features (N, D) and (M, D), at least 2 each (Heusel et al. 2017, arXiv:1706.08500).

    |mean difference|^2 + tr(C + C' - 2 (C C')^1/2), in float64: 0 for equal Gaussians. Grows as N and M shrink.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    return _filled(FrechetInceptionDistance, real, fake).compute().item()


def kid(real: Tensor, fake: Tensor, *, seed: int = 0, subsets: int = SUBSETS, size: int = SUBSET) -> float:
    """The squared MMD of features (N, D) and (M, D) under the kernel (x.y / D + 1)^3 (Binkowski et al. 2018,
    arXiv:1801.01401): the mean over `subsets` draws of `size`, or as many as there are. Unbiased, so it may fall
    below 0.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)  # torchmetrics draws its subsets with the process's generator
    try:
        metric = _filled(
            KernelInceptionDistance, real, fake, subsets=subsets, subset_size=min(size, len(real), len(fake))
        )
        return metric.compute()[0].item()
    finally:
        torch.default_generator.set_state(state)


def _filled(kind: Any, real: Tensor, fake: Tensor, **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that features are kept in memory, where they already are
        # Several processes compute the same: each has all features, and nothing is to be brought together.
        metric = kind(feature=_Given(real.shape[1]), sync_on_compute=False, **settings)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return metric
