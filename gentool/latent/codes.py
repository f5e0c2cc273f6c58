"""Images to codes and back: the two directions of a trained model, in parts of one size.

A matrix product may round differently for another number of rows, so every part has the same number: a code's picture
is the same to the last bit alone and among thousands, as long as its place in the part is the same.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gentool.errors import OptionError
from gentool.latent.trained import Trained

CHUNK = 64
"""Codes are decoded so many at a time."""
IMAGES = 256
"""Images are encoded so many at a time."""


def require_encoder(trained: Trained, purpose: str) -> None:
    """Raises OptionError for a model that cannot encode, saying what for."""
    if not hasattr(trained.network, "encode"):
        raise OptionError(f"a {trained.header.model} has no encoder and cannot {purpose}; an autoencoder can")


@torch.no_grad()
def decode(trained: Trained, z: Tensor, labels: Tensor | None = None) -> Tensor:
    """z (N, D) and, when conditional, labels -> pixels (N, C, H, W) in [0, 1], on the CPU.

    `labels` is (N,) classes, or (N, K) weights of the classes, float and summing to 1.
    """
    pictures = []
    for start in range(0, len(z), CHUNK):
        given = [tensor[start : start + CHUNK] for tensor in (z, labels) if tensor is not None]
        part = [_filled(tensor, CHUNK).to(trained.device) for tensor in given]
        pictures.append(trained.network.decode(*part).cpu()[: len(z) - start])
    return torch.cat(pictures)


@torch.no_grad()
def encode(trained: Trained, x: Tensor, on_progress: Callable[[int], None] | None = None) -> Tensor:
    """x (N, C, H, W), in [0, 1] or uint8 -> z (N, D) on the CPU, the mean where the code is a distribution."""
    codes = [torch.zeros(0, trained.network.latent_dim)]
    for start in range(0, len(x), IMAGES):
        part = x[start : start + IMAGES]
        pixels = part.float() / 255 if part.dtype is torch.uint8 else part
        codes.append(trained.network.encode(_filled(pixels, IMAGES).to(trained.device)).float().cpu()[: len(part)])
        if on_progress is not None:
            on_progress(start + len(part))
    return torch.cat(codes)


def _filled(part: Tensor, count: int) -> Tensor:
    """The part with its last row repeated until there are `count`."""
    return torch.cat([part, part[-1:].expand(count - len(part), *part.shape[1:])]) if len(part) < count else part
