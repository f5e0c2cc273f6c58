"""Which class an image belongs to, asked of a model that generates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from gentool.engine.randomness import indexed_noise
from gentool.metrics.flow_matching import even_times
from gentool.models.contract import Inverts
from gentool.progress import SILENT, Reporter

if TYPE_CHECKING:
    from gentool.latent.model import Model

TRIES = 32
"""Pairs of a noise and a time with which a class is judged, the same for all images and classes."""
AT_ONCE = 64
"""Images in one pass."""


@torch.no_grad()
def likeliest_class(model: "Model", x: Tensor, labels: Sequence[int], *, reporter: Reporter = SILENT) -> Tensor:
    """The class of each image x (N, C, H, W) in [0, 1] among `labels`: (N,).

    It is the one with which the model predicts the image best from noisy versions of it (Li et al. 2023,
    arXiv:2303.16203).
    """
    noise = indexed_noise(0, 0, TRIES, model.latent_dim).unflatten(1, model.shape).to(model.device)
    times = even_times(TRIES).to(model.device)
    errors = torch.zeros(len(x), len(labels))
    network = cast(Inverts, model.network)
    total, done = len(x) * len(labels), 0
    for column, label in enumerate(labels if len(labels) > 1 else ()):
        for start in range(0, len(x), AT_ONCE):
            part = x[start : start + AT_ONCE].to(model.device)
            tried = torch.full((len(part),), label, device=model.device)
            for one, t in zip(noise, times, strict=True):
                error = network.error(part, tried, one.expand_as(part), t.expand(len(part)))
                errors[start : start + AT_ONCE, column] += error.cpu()
            done += len(part)
            reporter.progress("classes tried", done, total)
    return torch.tensor(labels)[errors.argmin(1)]
