"""`gentool interpolate MODEL CKPT`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from gentool.cli.app import CHECKPOINT_HELP, MODEL_HELP
from gentool.cli.command import command
from gentool.cli.keys import KeyOptions, Keys
from gentool.cli.place import PlaceOptions
from gentool.engine.randomness import indexed_noise
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import OptionError
from gentool.figures.film import check_film, film
from gentool.figures.grids import Picture, grid, labelled_rows, save_png
from gentool.latent.codes import decode
from gentool.latent.interpolate import automatic_method, walk
from gentool.latent.sample import parse_labels
from gentool.latent.trained import Trained, load_trained
from gentool.options import Validated, flag, option

FILMS = (".gif", ".apng", ".mp4")


@dataclass(frozen=True, kw_only=True)
class WalkOptions(Validated):
    """How to walk."""

    steps: int = option(10, "Pictures of a row, its two key frames included.", min=2, max=1000)
    rows: int | None = option(
        None, "Walks between random codes. (default: 5; conditional: one for each class)", min=1, max=1000
    )
    method: Literal["auto", "linear", "slerp"] = option(
        "auto", "Straight lines or great arcs; auto: arcs where codes are Gaussian noise of 8 or more dimensions."
    )
    labels: str | None = option(
        None, "Classes of a conditional model's rows, in turn: names or numbers with commas, or all. (default: all)"
    )
    through_classes: str | None = option(
        None, "A conditional model walks through these classes at fixed noise: names or numbers with commas, or all."
    )
    gif: bool = option(False, "Also write a film, as a GIF beside the picture.")
    frames: int | None = option(
        None, "Pictures of the film from one key frame to the next. (default: 30)", min=2, max=10_000
    )
    fps: float | None = option(None, "Pictures of the film a second. (default: 15)", min=0.1, max=50)
    seed: int = option(0, "Row i is a function of the seed and i.", min=0, max=2**31 - 1)
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")


@dataclass(frozen=True)
class Route:
    """One row: codes z (K, D) to go through, weights of the classes (K, classes), and the given pictures there."""

    name: str
    z: Tensor
    weights: Tensor | None = None
    pictures: Tensor | None = None


def interpolate(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    checkpoint: Annotated[Path, typer.Argument(help=CHECKPOINT_HELP)],
    options: WalkOptions,
    keys: KeyOptions,
    place: PlaceOptions,
    terminal: TerminalOptions,
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Pictures to go through, in this order. (default: random codes)")
    ] = None,
) -> None:
    """Walk through the latent space, between random codes, pictures, or classes: a PNG strip for each pair, a film."""
    voice = Terminal(terminal)
    moving = place.out if place.out is not None and place.out.suffix.lower() in FILMS else None
    if moving is not None:
        check_film(moving)
    for name in ("frames", "fps"):
        if getattr(options, name) is not None and not (options.gif or moving):
            raise OptionError(f"{flag(name)}: only for a film; give --gif, or --out FILE.gif, .apng or .mp4")
    trained = load_trained(model, checkpoint, options.device)
    path = place.file(trained.path.parent / f"{trained.path.stem}-interpolation-{options.seed}.png")
    still = path.with_suffix(".png") if moving else path
    if moving and still.exists() and not place.overwrite:
        raise OptionError(f"--out {moving}: {still} beside it exists; give --overwrite to replace both")
    method = automatic_method(trained) if options.method == "auto" else options.method
    named = keys.kind(pictures or [])
    check(trained, options, named)
    given = keys.read(trained, pictures or [], options.seed, voice) if named else None
    routes = random_routes(trained, options) if given is None else routes_between(given, trained)
    strips = [strip(trained, route, options.steps, method) for route in routes]
    save_png(labelled_rows(torch.cat(strips), [route.name for route in routes]), still)
    if options.gif or moving:
        moving = moving or path.with_suffix(".gif")
        number = options.frames or 30
        walks = [along(trained, route, number, method) for route in routes]
        film(in_turn(walks) if given else side_by_side(walks), moving, options.fps or 15.0)
        voice.say(f"{moving}: a film of {number} pictures from one key frame to the next")
    voice.say(f"{still}: {len(routes)} rows of {options.steps} pictures, {method}")
    record = {"event": "done", "picture": str(still), "film": str(moving) if moving else None, "rows": len(routes)}
    voice.result(still, record | {"method": method, "seed": options.seed})


def check(trained: Trained, options: WalkOptions, named: str | None) -> None:
    """Raises OptionError for options that this model or the key frames have no use for, or that exclude one another."""
    for name in ("rows", "labels", "through_classes"):
        if named and getattr(options, name) is not None:
            raise OptionError(f"{flag(name)}: not with {named}")
    for name in ("labels", "through_classes"):
        if getattr(options, name) is not None and not getattr(trained.network, "classes", 0):
            raise OptionError(f"{flag(name)}: a {trained.header.model} is not conditional; cgan is")
    if options.labels is not None and options.through_classes is not None:
        raise OptionError("--labels, --through-classes: give one of the two")


def routes_between(given: Keys, trained: Trained) -> list[Route]:
    """A route from each key frame to the next."""
    weights = None if given.labels is None else F.one_hot(given.labels, trained.network.classes).float()
    pairs = [slice(start, start + 2) for start in range(len(given.z) - 1)]
    return [
        Route(
            " to ".join(given.names[pair]),
            given.z[pair],
            None if weights is None else weights[pair],
            None if given.pictures is None else given.pictures[pair],
        )
        for pair in pairs
    ]


def random_routes(trained: Trained, options: WalkOptions) -> list[Route]:
    """A route for each row: between two random codes, of one class where there are any; or through the classes."""
    classes = trained.header.classes if getattr(trained.network, "classes", 0) else ()
    dim = trained.network.latent_dim
    if options.through_classes is not None:
        chosen = parse_labels(options.through_classes, classes)
        if len(chosen) < 2:
            raise OptionError("--through-classes: a walk needs at least two classes")
        weights = F.one_hot(torch.tensor(chosen), len(classes)).float()
        noise = indexed_noise(options.seed, 0, options.rows or 5, dim)
        return [Route(f"z {row}", z.expand(len(chosen), -1), weights) for row, z in enumerate(noise)]
    chosen = parse_labels(options.labels or "all", classes) if classes else []
    rows = options.rows or len(chosen) or 5
    pairs = indexed_noise(options.seed, 0, 2 * rows, dim).unflatten(0, (rows, 2))
    if not classes:
        return [Route(f"z {2 * row} to {2 * row + 1}", z) for row, z in enumerate(pairs)]
    labels = [chosen[row % len(chosen)] for row in range(rows)]
    weights = F.one_hot(torch.tensor(labels), len(classes)).float()
    return [Route(classes[label], z, w.expand(2, -1)) for label, z, w in zip(labels, pairs, weights, strict=True)]


def strip(trained: Trained, route: Route, steps: int, method: str) -> Tensor:
    """The pictures of a route (F, C, H, W); a given picture stands beside what the model makes of it, at each end."""
    images = along(trained, route, steps, method)
    if route.pictures is None:
        return images
    return torch.cat([route.pictures[:1], images, route.pictures[-1:]])


def along(trained: Trained, route: Route, steps: int, method: str) -> Tensor:
    """The decoded pictures of a route, `steps` from each key frame to the next."""
    weights = None if route.weights is None else walk(route.weights, steps, "linear")
    images = decode(trained, walk(route.z, steps, method), weights)
    # The key frames as they are decoded by themselves: to the last bit what `reconstruct` shows.
    images[:: steps - 1] = decode(trained, route.z, route.weights)
    return images


def in_turn(walks: Sequence[Tensor]) -> list[Picture]:
    """One picture that goes from key frame to key frame."""
    return [grid(image[None]) for image in torch.cat([*(part[:-1] for part in walks[:-1]), walks[-1]])]


def side_by_side(walks: Sequence[Tensor]) -> list[Picture]:
    """All walks at the same time."""
    return [grid(torch.stack(images)) for images in zip(*walks, strict=True)]


app = command(interpolate)
