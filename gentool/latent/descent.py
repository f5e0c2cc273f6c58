"""Many candidates for given pictures, and Adam that brings them nearer, all at once."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gentool.latent.polish import shell_distance
from gentool.latent.trained import Trained

VALUES = 2**20
"""Pixel values of the candidates that are computed together: what bounds the memory."""
TURN = 0.5
"""Until this share of the steps the error is that of all scales and z is free; then the finest decides, and the pull
toward the shell sets in: with it from the start, fewer searches get out of bad valleys."""


@dataclass(frozen=True)
class Candidates:
    """K candidates for each of N pictures: z (N, K, D), labels (N, K) or None, restart (N, K), their mse (N, K)."""

    z: Tensor
    labels: Tensor | None
    restart: Tensor
    error: Tensor

    def chosen(self, index: Tensor) -> "Candidates":
        """Those of each picture that `index` (N, k) names."""
        labels = None if self.labels is None else self.labels.gather(1, index)
        z = self.z.gather(1, index[..., None].expand(-1, -1, self.z.shape[2]))
        return Candidates(z, labels, self.restart.gather(1, index), self.error.gather(1, index))

    def beside(self, other: "Candidates") -> "Candidates":
        """These and those of `other`."""
        labels = None
        if self.labels is not None and other.labels is not None:
            labels = torch.cat([self.labels, other.labels], 1)
        z, restart, error = (
            torch.cat(pair, 1) for pair in ((self.z, other.z), (self.restart, other.restart), (self.error, other.error))
        )
        return Candidates(z, labels, restart, error)

    def nearest(self, count: int = 1) -> "Candidates":
        """The `count` of each picture with the smallest errors, the smallest first."""
        return self.chosen(self.error.argsort(dim=1, stable=True)[:, :count])


def squared_error(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of pictures x and target (N, C, H, W): (N,)."""
    return (x - target).square().flatten(1).mean(1)


def pyramid_error(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of pictures x and target (N, C, H, W), averaged over scales: (N,).

    Each scale averages the one before it over 2x2 pixels, down to sides of 4 to 7: on the coarse ones, shapes that do
    not overlap attract one another.
    """
    difference = x - target
    errors = [difference.square().flatten(1).mean(1)]
    while min(difference.shape[2:]) >= 8:
        difference = F.avg_pool2d(difference, 2)
        errors.append(difference.square().flatten(1).mean(1))
    return torch.stack(errors).mean(0)


def rate(share: float) -> float:
    """The learning rate's factor at a share of the steps in [0, 1): a short linear rise, at the end a cosine fall."""
    return min(1.0, (share + 0.01) / 0.05, 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - share) / 0.25)))


def pull(share: float) -> float:
    """The prior's factor at a share of the steps: 0 until `TURN`, then rising to 1."""
    return min(1.0, max(0.0, (share - TURN) / 0.2))


def descend(
    trained: Trained,
    x: Tensor,
    start: Candidates,
    *,
    steps: int,
    lr: float,
    prior: float,
    frames: int = 0,
    tick: Callable[[int], None],
) -> list[Candidates]:
    """The candidates of pictures x (N, C, H, W) at `frames` moments of `steps` steps of Adam, and at the end.

    `tick` is told how many pictures were computed; one with its gradient counts as three.
    """
    moments = {round(steps * (i / frames) ** 2) for i in range(frames)}
    count, each, dim = start.z.shape
    seen = []
    for rows in torch.arange(count * each).split(max(1, VALUES // x[0].numel())):
        z = start.z.flatten(0, 1)[rows].to(trained.device).requires_grad_()
        given = () if start.labels is None else (start.labels.flatten()[rows].to(trained.device),)
        target = x[rows // each].to(trained.device)
        adam = torch.optim.Adam([z], lr=lr)
        path = []
        for step in range(steps):
            share = step / steps
            pictures = trained.network.decode(z, *given)
            if step in moments:
                path.append((z.detach().clone(), squared_error(pictures.detach(), target)))
            error = (pyramid_error if share < TURN else squared_error)(pictures, target)
            loss = (error + pull(share) * prior * shell_distance(z)).sum()
            (z.grad,) = torch.autograd.grad(loss, z)
            adam.param_groups[0]["lr"] = lr * rate(share)
            adam.step()
            tick(3 * len(rows))
        with torch.no_grad():
            path.append((z.detach(), squared_error(trained.network.decode(z, *given), target)))
        seen.append([(z.cpu(), error.cpu()) for z, error in path])
    found = []
    for parts in zip(*seen, strict=True):
        z, error = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        found.append(Candidates(z.view(count, each, dim), start.labels, start.restart, error.view(count, each)))
    return found


def best_until_then(path: list[Candidates]) -> Iterator[Candidates]:
    """For each moment of a path, the nearest candidate of each picture so far."""
    best = path[0].nearest()
    for moment in path:
        best = best.beside(moment.nearest()).nearest()
        yield best
