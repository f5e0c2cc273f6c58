"""Many candidate codes per image, and Adam that improves all of them at once."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gentool.latent.gauss_newton import shell_distance
from gentool.metrics.images import squared_error

VALUES_AT_ONCE = 2**20
"""Pixel values of the candidates that are computed in one pass, which bounds the memory."""
TURN = 0.5
"""Up to this share of the steps, the error is averaged over all scales and z is free. Then only the finest scale
counts, and the pull towards the shell begins: with it from the start, fewer searches get out of bad valleys."""

Decode = Callable[..., Tensor]
"""(z (N, D), labels (N,) for a conditional model) -> images (N, C, H, W), with gradients."""


@dataclass(frozen=True)
class Candidates:
    """K candidates for each of N images: z (N, K, D), labels (N, K) or None, restart (N, K), their mse (N, K)."""

    z: Tensor
    labels: Tensor | None
    restart: Tensor
    error: Tensor

    def at(self, index: Tensor) -> "Candidates":
        """The candidates of each image that `index` (N, k) names."""
        labels = None if self.labels is None else self.labels.gather(1, index)
        z = self.z.gather(1, index[..., None].expand(-1, -1, self.z.shape[2]))
        return Candidates(z, labels, self.restart.gather(1, index), self.error.gather(1, index))

    def joined_with(self, other: "Candidates") -> "Candidates":
        """These candidates and those of `other`."""
        labels = None
        if self.labels is not None and other.labels is not None:
            labels = torch.cat([self.labels, other.labels], 1)
        z, restart, error = (
            torch.cat(pair, 1) for pair in ((self.z, other.z), (self.restart, other.restart), (self.error, other.error))
        )
        return Candidates(z, labels, restart, error)

    def best(self, count: int = 1) -> "Candidates":
        """The `count` candidates of each image with the smallest errors, the smallest first."""
        return self.at(self.error.argsort(dim=1, stable=True)[:, :count])


def pyramid_error(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of images x and target (N, C, H, W), averaged over scales: (N,).

    Each scale averages the one before it over 2x2 pixels, down to sides of 4 to 7. On the coarse scales, shapes that do
    not overlap attract one another.
    """
    difference = x - target
    errors = [difference.square().flatten(1).mean(1)]
    while min(difference.shape[2:]) >= 8:
        difference = F.avg_pool2d(difference, 2)
        errors.append(difference.square().flatten(1).mean(1))
    return torch.stack(errors).mean(0)


def lr_share(progress: float) -> float:
    """The learning rate at a share of the steps in [0, 1), relative to its peak: a short rise, a cosine at the end."""
    return min(1.0, (progress + 0.01) / 0.05, 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - progress) / 0.25)))


def pull_share(progress: float) -> float:
    """The share of the prior's weight at a share of the steps: 0 until `TURN`, then rising to 1."""
    return min(1.0, max(0.0, (progress - TURN) / 0.2))


def descend(
    decode: Decode,
    device: torch.device,
    x: Tensor,
    start: Candidates,
    *,
    steps: int,
    lr: float,
    prior_weight: float,
    frames: int = 0,
    count_images: Callable[[int], None],
) -> list[Candidates]:
    """The candidates of images x (N, C, H, W) at `frames` moments of `steps` steps of Adam, and at the end.

    `count_images` is given the number of images that were computed; one with its gradient counts as three.
    """
    moments = {round(steps * (i / frames) ** 2) for i in range(frames)}
    count, each, dim = start.z.shape
    paths = []
    for rows in torch.arange(count * each).split(max(1, VALUES_AT_ONCE // x[0].numel())):
        z = start.z.flatten(0, 1)[rows].to(device).requires_grad_()
        labels = () if start.labels is None else (start.labels.flatten()[rows].to(device),)
        target = x[rows // each].to(device)
        adam = torch.optim.Adam([z], lr=lr)
        path = []
        for step in range(steps):
            progress = step / steps
            images = decode(z, *labels)
            if step in moments:
                path.append((z.detach().clone(), squared_error(images.detach(), target)))
            error = (pyramid_error if progress < TURN else squared_error)(images, target)
            loss = (error + pull_share(progress) * prior_weight * shell_distance(z)).sum()
            (z.grad,) = torch.autograd.grad(loss, z)
            adam.param_groups[0]["lr"] = lr * lr_share(progress)
            adam.step()
            count_images(3 * len(rows))
        with torch.no_grad():
            path.append((z.detach(), squared_error(decode(z, *labels), target)))
        paths.append([(z.cpu(), error.cpu()) for z, error in path])
    moments_found = []
    for parts in zip(*paths, strict=True):
        z, error = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        candidates = Candidates(z.view(count, each, dim), start.labels, start.restart, error.view(count, each))
        moments_found.append(candidates)
    return moments_found


def best_so_far(path: list[Candidates]) -> Iterator[Candidates]:
    """For each moment of a path, the best candidate of each image until then."""
    best = path[0].best()
    for moment in path:
        best = best.joined_with(moment.best()).best()
        yield best
