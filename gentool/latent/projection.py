"""Projection: the code, and for a conditional model the class, whose image is nearest to a given one.

From the best of many random codes, Adam minimises a squared error at several scales (Zhu et al. 2016, arXiv:1609.03552;
Lipton & Tripathi 2017, arXiv:1702.04782), with a learning rate that rises and falls as in Karras et al. (2020,
arXiv:1912.04958, appendix D); then Gauss-Newton steps follow the best candidate's valley to its end. A small pull keeps
z near the shell on which Gaussian noise lies, where the generator was trained (Bojanowski et al. 2018,
arXiv:1707.05776, keep it in a ball).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gentool.errors import DataError, OptionError
from gentool.latent.descent import VALUES_AT_ONCE, Candidates, best_so_far, descend, pyramid_error
from gentool.latent.gauss_newton import MAX_DIM, ROUNDS, gauss_newton
from gentool.latent.inputs import ALL, class_numbers
from gentool.latent.likeliest import likeliest_class
from gentool.metrics.images import psnr, squared_error
from gentool.options import Validated, flag, option, words
from gentool.progress import SILENT, Reporter, counted
from gentool.tables import Table

if TYPE_CHECKING:
    from gentool.latent.model import Model

POOL = 2048
"""Random codes, of all classes together, among which the search looks for its starts."""
MIN_POOL = 256
LABELS_SEARCHED = 3
"""With more classes, only this many of the best go on after a short first search."""
FIRST_SEARCH = 0.25
"""The length of that first search, as a share of the whole one."""
REFINED = 3
"""Of all candidates of an image, this many of the best are refined by Gauss-Newton steps."""
FILM_FRAMES = 40


@dataclass(frozen=True, kw_only=True)
class ProjectOptions(Validated):
    """How to search for the codes of images."""

    steps: int = option(200, "Number of Adam steps.", min=1, max=100_000)
    restarts: int = option(
        8, "Starting points per image (and class): the nearest of many random codes.", min=1, max=MIN_POOL
    )
    lr: float = option(0.2, "Peak learning rate.", min=1e-5, max=10)
    prior_weight: float = option(
        1e-4,
        "Weight of the penalty on codes that are longer or shorter than those drawn from N(0, I); 0: none. "
        "Models whose prior is a learnt mixture have no penalty.",
        min=0,
        max=1,
        alias="prior",
    )
    labels: tuple[str, ...] = option(
        (ALL,), "Classes of a conditional model to try: comma-separated names or numbers, or all.", parse=words
    )
    seed: int = option(0, "Seed of the random starts.", min=0, max=2**31 - 1)


@dataclass(frozen=True, repr=False, eq=False)
class Projection:
    """What was found for N images, on the CPU.

    `z` (N, D), `labels` (N,) or None, `images` (N, C, H, W) in [0, 1] decoded from them, `mse` (N,) per pixel value,
    `restart` (N,) the start that won, counted from 0. `film` holds the best images at moments of the search, when asked
    for.
    """

    z: Tensor
    labels: Tensor | None
    images: Tensor
    mse: Tensor
    restart: Tensor
    seconds: float
    film: tuple[Tensor, ...] = ()

    def __repr__(self) -> str:
        return f"<projections of {counted(len(self.z), 'image')}, mean squared error {float(self.mse.mean()):.3g}>"

    def table(self, names: Sequence[str] = (), classes: Sequence[str] = ()) -> Table:
        """A row per image. The images were searched for together, so their time is shared equally."""
        rows = []
        for i in range(len(self.z)):
            row: dict[str, str | float] = {"picture": names[i] if names else str(i)}
            if self.labels is not None:
                row["label"] = classes[int(self.labels[i])] if classes else int(self.labels[i])
            mse = float(self.mse[i])
            row |= {"mse": mse, "psnr": psnr(mse), "restart": int(self.restart[i])}
            rows.append(row | {"seconds": round(self.seconds / len(self.z), 3)})
        return Table(rows)


def project(
    model: "Model",
    x: Tensor,
    options: ProjectOptions | None = None,
    *,
    film: bool = False,
    reporter: Reporter = SILENT,
) -> Projection:
    """The codes of images x (N, C, H, W) in [0, 1], N at least 1.

    The same images, seed and options give the same codes.
    """
    began = time.perf_counter()
    options = options or ProjectOptions()
    if not len(x):
        raise DataError("there are no images to project")
    labels = class_numbers(options.labels, model.classes).unique().tolist() if model.is_conditional else []
    if not model.is_conditional and options.labels != (ALL,):
        model.require("is_conditional")
    if model.inverts:
        return inverted(model, x, options, labels, film=film, reporter=reporter)
    if model.prior is not None:
        options = without_penalty(model, options)
    first = first_search_steps(options, len(labels))
    refine = model.latent_dim <= MAX_DIM
    announce(model, options, labels, reporter)
    steps = first * len(labels) + options.steps * min(max(len(labels), 1), LABELS_SEARCHED)
    refined = min(REFINED, options.restarts)
    rounds = refined * ROUNDS * 2 * model.latent_dim if refine else 0
    total, done = len(x) * (3 * steps * options.restarts + rounds), 0

    def count_images(images: int) -> None:
        nonlocal done
        done += images
        reporter.progress("images computed", min(done, total), total)

    def descended(start: Candidates, steps: int, frames: int) -> list[Candidates]:
        return descend(
            model.decode_part, model.device, x, start, steps=steps, lr=options.lr, prior_weight=options.prior_weight,
            frames=frames if film else 0, count_images=count_images,
        )  # fmt: skip

    # cuDNN's LSTM has no gradient outside training, and TF32 is too coarse for differences.
    with torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
        candidates = starts(model, x, options, labels)
        path = []
        if first:
            path += descended(candidates, first, FILM_FRAMES // 4)
            candidates = best_labels(path[-1], options.restarts)
        path += descended(candidates, options.steps, FILM_FRAMES)
        best = path[-1]
        if refine:
            best = refined_candidates(model, x, best.best(refined), options.prior_weight, count_images)
        best = best.best()
        images = decoded(model, best)
        shots = [decoded(model, moment) for moment in best_so_far(path)] if film else []
    reporter.progress("images computed", total, total)
    return Projection(
        z=best.z[:, 0],
        labels=None if best.labels is None else best.labels[:, 0],
        images=images,
        mse=squared_error(images, x),
        restart=best.restart[:, 0],
        seconds=time.perf_counter() - began,
        film=(*shots, images) if film else (),
    )


def without_penalty(model: "Model", options: ProjectOptions) -> ProjectOptions:
    """The options for a learnt prior. Raises OptionError where they have a weight of the penalty."""
    if "prior_weight" in options.changed():
        raise OptionError(f"--prior-weight: has no effect on a {model.name} with a learnt prior")
    return replace(options, prior_weight=0.0)


def inverted(
    model: "Model", x: Tensor, options: ProjectOptions, labels: Sequence[int], *, film: bool, reporter: Reporter
) -> Projection:
    """The codes of images along the model's path backwards: nothing is searched for but the class.

    Raises OptionError for options of the search.
    """
    began = time.perf_counter()
    for name in options.changed():
        if name not in ("labels", "seed"):
            raise OptionError(f"{flag(name)}: has no effect on a {model.name}, whose path is followed backwards")
    classes = likeliest_class(model, x, labels, reporter=reporter) if labels else None
    z = model.invert(x, classes, seed=options.seed, reporter=reporter)
    shots = model.trajectory(z, classes) if film else model.decode(z, classes)[None]
    return Projection(
        z=z,
        labels=classes,
        images=shots[-1],
        mse=squared_error(shots[-1], x),
        restart=torch.zeros(len(x), dtype=torch.long),
        seconds=time.perf_counter() - began,
        film=tuple(shots) if film else (),
    )


def announce(model: "Model", options: ProjectOptions, labels: list[int], reporter: Reporter) -> None:
    """Say what the search will do with classes and with many dimensions."""
    first = first_search_steps(options, len(labels))
    if first:
        reporter.notice(
            f"{len(labels)} classes are tried for {first} steps; the best {LABELS_SEARCHED} of each image go on for "
            f"{options.steps}"
        )
    elif labels:
        reporter.notice(f"searching the classes {', '.join(model.classes[label] for label in labels)}")
    if model.latent_dim > MAX_DIM:
        reporter.notice(f"z has more than {MAX_DIM} dimensions: no Gauss-Newton steps at the end")


def first_search_steps(options: ProjectOptions, labels: int) -> int:
    """The steps of the first search, which chooses among many classes; 0 where all classes go all the way."""
    return max(1, round(options.steps * FIRST_SEARCH)) if labels > LABELS_SEARCHED else 0


def starts(model: "Model", x: Tensor, options: ProjectOptions, labels: Sequence[int]) -> Candidates:
    """For each image and class, the random codes whose images are nearest; with an encoder, the first is z(x)."""
    count, restarts = len(x), options.restarts
    pool = model.draw_codes(max(POOL // max(len(labels), 1), MIN_POOL, restarts), seed=options.seed)
    part = max(1, VALUES_AT_ONCE // x[0].numel())
    errors = torch.empty(count, max(len(labels), 1), len(pool))
    for row, label in enumerate(labels or [None]):
        for begin in range(0, len(pool), part):
            z = pool[begin : begin + part]
            images = model.decode(z, None if label is None else torch.full((len(z),), label))
            for number, target in enumerate(x):
                errors[number, row, begin : begin + part] = pyramid_error(images, target.expand_as(images))
    error, index = errors.topk(restarts, largest=False, sorted=True)
    z = pool[index.flatten(1)]
    if model.encodes:
        z[:, 0] = model.encode(x, torch.full((count,), labels[0]) if labels else None)
    restart = torch.arange(restarts).repeat(max(len(labels), 1)).expand(count, -1)
    tried = torch.tensor(labels).repeat_interleave(restarts).expand(count, -1) if labels else None
    return Candidates(z, tried, restart, error.flatten(1))


def best_labels(candidates: Candidates, restarts: int) -> Candidates:
    """All restarts of the `LABELS_SEARCHED` classes of each image that came nearest."""
    classes = candidates.error.unflatten(1, (-1, restarts)).amin(2).topk(LABELS_SEARCHED, largest=False).indices
    return candidates.at((classes[..., None] * restarts + torch.arange(restarts)).flatten(1))


def refined_candidates(
    model: "Model", x: Tensor, candidates: Candidates, prior_weight: float, count_images: Callable[[int], None]
) -> Candidates:
    """The candidates after Gauss-Newton steps."""
    z, error = candidates.z.clone(), candidates.error.clone()
    for row, target in enumerate(x.to(model.device)):
        for column in range(z.shape[1]):
            label = None if candidates.labels is None else candidates.labels[row, column].to(model.device)

            def decode(z: Tensor, label: Tensor | None = label) -> Tensor:
                parts = z.split(max(1, VALUES_AT_ONCE // x[0].numel()))
                labels = [() if label is None else (label.expand(len(part)),) for part in parts]
                return torch.cat([model.decode_part(part, *more) for part, more in zip(parts, labels, strict=True)])

            refined = gauss_newton(decode, z[row, column].to(model.device), target, prior_weight)
            with torch.no_grad():
                error[row, column] = squared_error(decode(refined[None]), target[None])[0]
            z[row, column] = refined
            count_images(ROUNDS * 2 * z.shape[2])
    return Candidates(z, candidates.labels, candidates.restart, error)


def decoded(model: "Model", best: Candidates) -> Tensor:
    """The images (N, C, H, W) of one candidate each."""
    return model.decode(best.z[:, 0], None if best.labels is None else best.labels[:, 0])
