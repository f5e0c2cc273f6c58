"""Projection: the z, and for a conditional model the label, whose picture is nearest to a given one.

From the best of many random z, Adam descends a squared error at several scales (Zhu et al. 2016, arXiv:1609.03552;
Lipton & Tripathi 2017, arXiv:1702.04782), its rate rising and falling as in Karras et al. (2020, arXiv:1912.04958,
appendix D); then `gentool.latent.polish` follows the best one's valley to its end. A small pull keeps z near the
shell on which Gaussian noise lies, where the generator was trained (Bojanowski et al. 2018, arXiv:1707.05776, keep
it on a ball).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gentool.engine.randomness import indexed_noise
from gentool.latent.codes import decode, encode
from gentool.latent.descent import VALUES, Candidates, best_until_then, descend, pyramid_error, squared_error
from gentool.latent.polish import LARGEST, ROUNDS, polish
from gentool.latent.trained import Trained

POOL = 2048
"""So many random z, of all classes together, are looked at; the search starts from the nearest."""
LEAST_POOL = 256
KEPT_LABELS = 3
"""Of more classes, only the best so many go on after a short first search."""
FIRST_SHARE = 0.25
"""The length of that first search in steps of the whole one."""
POLISHED = 3
"""Of all candidates, the nearest so many of each picture are polished, and the best is what was found."""
FILM_FRAMES = 40


@dataclass(frozen=True, kw_only=True)
class Search:
    """How to search: `lr` is Adam's peak rate, `prior` the weight of the pull toward the shell (`shell_distance`)."""

    steps: int = 200
    restarts: int = 8
    lr: float = 0.2
    prior: float = 1e-4
    seed: int = 0


@dataclass(frozen=True)
class Projection:
    """What was found for N pictures, on the CPU.

    `z` (N, D), `labels` (N,) or None, `x` (N, C, H, W) in [0, 1] their pictures, `mse` (N,) per pixel value, `restart`
    (N,) the start that won, counted from 0. `film` holds, when asked for, the best pictures until then (N, C, H, W).
    """

    z: Tensor
    labels: Tensor | None
    x: Tensor
    mse: Tensor
    restart: Tensor
    seconds: float
    film: tuple[Tensor, ...] = ()


def project(
    trained: Trained,
    x: Tensor,
    search: Search | None = None,
    labels: Sequence[int] = (),
    *,
    film: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Projection:
    """The z of pictures x (N, C, H, W) in [0, 1], N at least 1; a conditional model tries all of `labels`.

    The same pictures, seed and options give the same z. The network's weights take no gradients after this.
    """
    began = time.perf_counter()
    search = search or Search()
    trained.network.requires_grad_(False)
    first = first_steps(search, labels)
    polished = trained.network.latent_dim <= LARGEST
    steps = first * len(labels) + search.steps * min(max(len(labels), 1), KEPT_LABELS)
    kept = min(POLISHED, search.restarts)
    rounds = kept * ROUNDS * 2 * trained.network.latent_dim if polished else 0
    total, done = len(x) * (3 * steps * search.restarts + rounds), 0

    def tick(pictures: int) -> None:
        nonlocal done
        done += pictures
        on_progress(done, total)

    def descended(start: Candidates, steps: int, frames: int) -> list[Candidates]:
        frames = frames if film else 0
        return descend(trained, x, start, steps=steps, lr=search.lr, prior=search.prior, frames=frames, tick=tick)

    # cuDNN's LSTM has no gradient outside training, and its TF32 is too coarse for differences.
    with torch.backends.cudnn.flags(enabled=False):
        found = starts(trained, x, search, labels)
        path = []
        if first:
            path += descended(found, first, FILM_FRAMES // 4)
            found = _best_labels(path[-1], search.restarts)
        path += descended(found, search.steps, FILM_FRAMES)
        best = path[-1]
        if polished:
            best = _polished(trained, x, best.nearest(kept), search.prior, tick)
        best = best.nearest()
        pictures = _pictures(trained, best)
        shots = [] if not film else [_pictures(trained, moment) for moment in best_until_then(path)]
    return Projection(
        z=best.z[:, 0],
        labels=None if best.labels is None else best.labels[:, 0],
        x=pictures,
        mse=squared_error(pictures, x),
        restart=best.restart[:, 0],
        seconds=time.perf_counter() - began,
        film=(*shots, pictures) if film else (),
    )


def first_steps(search: Search, labels: Sequence[int]) -> int:
    """The steps of the first search, which chooses the labels; 0 where all go all the way."""
    return max(1, round(search.steps * FIRST_SHARE)) if len(labels) > KEPT_LABELS else 0


def starts(trained: Trained, x: Tensor, search: Search, labels: Sequence[int]) -> Candidates:
    """For each picture and class, the random z whose pictures are nearest; with an encoder, the first is z(x)."""
    count, restarts = len(x), search.restarts
    pool = indexed_noise(
        search.seed, 0, max(POOL // max(len(labels), 1), LEAST_POOL, restarts), trained.network.latent_dim
    )
    part = max(1, VALUES // x[0].numel())
    errors = torch.empty(count, max(len(labels), 1), len(pool))
    for row, label in enumerate(labels or [None]):
        for begin in range(0, len(pool), part):
            z = pool[begin : begin + part]
            pictures = decode(trained, z, None if label is None else torch.full((len(z),), label))
            for number, target in enumerate(x):
                errors[number, row, begin : begin + part] = pyramid_error(pictures, target.expand_as(pictures))
    error, index = errors.topk(restarts, largest=False, sorted=True)
    z = pool[index.flatten(1)]
    if hasattr(trained.network, "encode"):
        z[:, 0] = encode(trained, x)
    restart = torch.arange(restarts).repeat(max(len(labels), 1)).expand(count, -1)
    tried = torch.tensor(labels).repeat_interleave(restarts).expand(count, -1) if labels else None
    return Candidates(z, tried, restart, error.flatten(1))


def _best_labels(found: Candidates, restarts: int) -> Candidates:
    """All restarts of the `KEPT_LABELS` classes of each picture that came nearest."""
    classes = found.error.unflatten(1, (-1, restarts)).amin(2).topk(KEPT_LABELS, largest=False).indices
    return found.chosen((classes[..., None] * restarts + torch.arange(restarts)).flatten(1))


def _polished(
    trained: Trained, x: Tensor, candidates: Candidates, prior: float, tick: Callable[[int], None]
) -> Candidates:
    """The candidates after Gauss-Newton steps."""
    z, error = candidates.z.clone(), candidates.error.clone()
    for row, target in enumerate(x.to(trained.device)):
        for column in range(z.shape[1]):
            label = None if candidates.labels is None else candidates.labels[row, column].to(trained.device)

            def shown(z: Tensor, label: Tensor | None = label) -> Tensor:
                parts = z.split(max(1, VALUES // x[0].numel()))
                given = [() if label is None else (label.expand(len(part)),) for part in parts]
                return torch.cat([trained.network.decode(part, *more) for part, more in zip(parts, given, strict=True)])

            found = polish(shown, z[row, column].to(trained.device), target, prior)
            with torch.no_grad():
                error[row, column] = squared_error(shown(found[None]), target[None])[0]
            z[row, column] = found
            tick(ROUNDS * 2 * z.shape[2])
    return Candidates(z, candidates.labels, candidates.restart, error)


def _pictures(trained: Trained, best: Candidates) -> Tensor:
    """The pictures (N, C, H, W) of one candidate for each."""
    return decode(trained, best.z[:, 0], None if best.labels is None else best.labels[:, 0])
