"""Pixels as a network likes them: around zero, with a spread of one; and images to begin from.

An autoencoder that reads centred pixels and starts at the mean image learns in a fraction of the updates (LeCun et al.
1998, "Efficient BackProp", section 4.3).
"""

import torch
from torch import Tensor, nn

GLANCE = 512
"""The mean and the spread of a pixel are measured on so many images, at equal distances."""


def glance(images: Tensor) -> Tensor:
    """Some of uint8 images (N, C, H, W), at equal distances, in [0, 1]."""
    return images[:: -(-len(images) // GLANCE)].float() / 255


class Standardise(nn.Module):
    """Pixels in [0, 1] -> in units of their spread around their mean, once it is told them; as they are until then."""

    mean: Tensor
    sd: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("sd", torch.ones(()))

    def fit(self, x: Tensor) -> None:
        """Take the mean and the spread of the pixels of images (N, C, H, W) in [0, 1]."""
        self.mean.copy_(x.mean())
        self.sd.copy_(x.std(correction=0).clamp_min(1e-3))

    def forward(self, x: Tensor) -> Tensor:
        """(x - mean) / sd, in x's shape."""
        return (x - self.mean) / self.sd


def logit_of_mean(x: Tensor, *dims: int) -> Tensor:
    """The logit of the mean of pixels in [0, 1] over `dims`, away from the ends: a bias to start from."""
    return x.mean(dims).logit(0.01)
