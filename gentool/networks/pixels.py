"""Pixels standardised for a network, and a bias to start from.

An autoencoder that reads centred pixels and starts at the mean image learns in a fraction of the updates (LeCun et al.
1998, "Efficient BackProp", section 4.3).
"""

import torch
from torch import Tensor, nn

MEASURED = 512
"""Images on which the mean and the standard deviation of the pixels are measured."""


def some_images(images: Tensor) -> Tensor:
    """About 512 of uint8 images (N, C, H, W), at equal distances, as floats in [0, 1]."""
    return images[:: -(-len(images) // MEASURED)].float() / 255


class Standardise(nn.Module):
    """Pixels in [0, 1] -> in units of their standard deviation around their mean, once `fit` has measured these."""

    mean: Tensor
    sd: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("sd", torch.ones(()))

    def fit(self, x: Tensor) -> None:
        """Measure the mean and the standard deviation of the pixels of images (N, C, H, W) in [0, 1]."""
        self.mean.copy_(x.mean())
        self.sd.copy_(x.std(correction=0).clamp_min(1e-3))

    def forward(self, x: Tensor) -> Tensor:
        """(x - mean) / sd, in x's shape."""
        return (x - self.mean) / self.sd


def logit_of_mean(x: Tensor, *dims: int) -> Tensor:
    """The logit of the mean of pixels in [0, 1] over `dims`, clamped away from infinity: a bias to start from."""
    return x.mean(dims).logit(0.01)
