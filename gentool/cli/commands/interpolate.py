"""`gentool interpolate MODEL CKPT`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from gentool.cli.command import command
from gentool.cli.commands.sample import raise_unconditional
from gentool.cli.options import (
    AfterModel,
    GridOptions,
    ModelDataOptions,
    ModelName,
    OutputOptions,
    SamplingFlags,
    load_model,
    model_and_pictures,
    sampling_flags,
)
from gentool.engine.device import DeviceOptions
from gentool.engine.terminal import Terminal
from gentool.errors import OptionError
from gentool.figures.film import check_film, film
from gentool.figures.grids import Picture, grid, labelled_rows, legible_scale, save_png
from gentool.latent.code_files import read_codes
from gentool.latent.images import indexed_images, read_pictures
from gentool.latent.inputs import ALL, class_numbers
from gentool.latent.interpolation import Method, walk
from gentool.latent.model import Model
from gentool.memory import check_memory
from gentool.options import Validated, flag, indices, option, words
from gentool.progress import counted

FILMS = (".gif", ".apng", ".mp4")
TOO_FEW = "a walk goes from one image to the next; give two or more"


@dataclass(frozen=True, kw_only=True)
class WalkOptions(Validated):
    """How to walk."""

    steps: int = option(10, "Images per row, including its two key frames.", min=2, max=1000)
    rows: int | None = option(
        None,
        "Number of walks between random codes.",
        min=1,
        max=1000,
        default_text="5; one per class for a conditional model",
    )
    method: Method = option(
        "auto",
        "Straight lines (linear) or great-circle arcs (slerp); auto: arcs if codes are Gaussian noise of 8 or more "
        "dimensions.",
    )
    labels: tuple[str, ...] = option(
        (ALL,),
        "Classes of a conditional model, which the rows take in turn: comma-separated names or numbers, or all.",
        parse=words,
        not_with={"through_classes": True},
    )
    through_classes: tuple[str, ...] | None = option(
        None,
        "Walk through these classes of a conditional model at fixed noise: comma-separated names or numbers, or all.",
        parse=words,
    )
    gif: bool = option(False, "Also write a film, as a GIF beside the picture.")
    frames: int = option(30, "Frames of the film from one key frame to the next.", min=2, max=10_000)
    fps: float = option(15.0, "Frames of the film per second.", min=0.1, max=50)
    seed: int = option(0, "Random seed. Row i depends on the seed and i alone.", min=0, max=2**31 - 1)


@dataclass(frozen=True, kw_only=True)
class KeyOptions(Validated):
    """The key frames of a walk."""

    panel: ClassVar[str] = "Key frames"

    from_: Path | None = option(None, "The picture to begin with.", metavar="PICTURE", only_with={"to": True})
    to: Path | None = option(None, "The picture to end with.", metavar="PICTURE", only_with={"from_": True})
    index: tuple[int, ...] | None = option(
        None, "Walk through these images of --data, in this order: comma-separated indices, counted from 0.",
        parse=indices,
    )  # fmt: skip
    latents: Path | None = option(
        None, "A file of codes to walk through, as written by project or embed.", metavar="NPZ"
    )

    def kind(self, pictures: Sequence[Path]) -> str | None:
        """The kind of key frames that is given, or None. Raises OptionError for two kinds, or fewer than two frames."""
        ends = [path for path in (self.from_, self.to) if path is not None]
        kinds = {"--from and --to": ends, "pictures": pictures, "--index": self.index, "--latents": self.latents}
        given = [name for name, value in kinds.items() if value]
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)}: give only one kind of key frames")
        if len(pictures) == 1 or len(self.index or ()) == 1:
            raise OptionError(f"{given[0]}: {TOO_FEW}")
        return given[0] if given else None


@dataclass(frozen=True)
class Keys:
    """Codes z (K, D), classes (K,) of a conditional model, and the pictures (K, C, H, W) where they were given."""

    names: tuple[str, ...]
    z: Tensor
    labels: Tensor | None
    pictures: Tensor | None


@dataclass(frozen=True)
class Route:
    """One row: codes z (K, D) to walk through, weights of the classes (K, classes), and the given pictures there."""

    name: str
    z: Tensor
    weights: Tensor | None = None
    pictures: Tensor | None = None


def interpolate(
    options: WalkOptions,
    keys: KeyOptions,
    data: ModelDataOptions,
    sampling: SamplingFlags,
    device: DeviceOptions,
    output: OutputOptions,
    cells: GridOptions,
    terminal: Terminal,
    model_name: ModelName = None,
    checkpoint: AfterModel = None,
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Pictures to walk through, in this order. (default: random codes)")
    ] = None,
) -> None:
    """Walk through latent space between random codes, pictures or classes: a PNG strip per pair, --gif adds a film."""
    moving = output.out if output.out is not None and output.out.suffix.lower() in FILMS else None
    if moving is not None:
        check_film(moving)
    for name in ("frames", "fps"):
        if name in options.changed() and not (options.gif or moving):
            raise OptionError(f"{flag(name)}: only with a film; give --gif, or --out FILE.gif, .apng or .mp4")
    given, checkpoint, pictures = model_and_pictures(model_name, checkpoint, pictures or [])
    kind = keys.kind(pictures)
    if data.changed() and keys.index is None:
        raise OptionError("--data: only with --index")
    model = load_model(given, checkpoint, device.device, sampling)
    check(model, options, kind)
    assert model.path is not None
    path = output.path(
        model.path.parent / f"{model.path.stem}-interpolation-{options.seed}.png",
        *([".png"] if moving else [".gif"] if options.gif else []),
        pictures=(".png", *FILMS),
    )
    still = path.with_suffix(".png") if moving else path
    method = model.interpolation_method(options.method)
    key_images = key_frames(model, keys, pictures, data, options.seed, terminal) if kind else None
    routes = random_routes(model, options) if key_images is None else routes_between(key_images, model)
    strips = [strip(model, route, options.steps, method) for route in routes]
    headings = column_names(model, options, with_pictures=routes[0].pictures is not None)
    names = [route.name for route in routes]
    save_png(labelled_rows(torch.cat(strips), names, headings=headings, scale=cells.scale), still)
    if options.gif or moving:
        moving = moving or path.with_suffix(".gif")
        count = options.frames * sum(len(route.z) - 1 for route in routes)
        _, height, width = model.shape
        pixels = 3 * height * width * (cells.scale or legible_scale(height, width)) ** 2
        check_memory(count * pixels, f"a film of {count:,} images", "use fewer --frames or --rows")
        walks = [images_along(model, route, options.frames, method) for route in routes]
        frames = one_after_another(walks, cells.scale) if key_images else all_at_once(walks, cells.scale)
        film(frames, moving, options.fps)
        terminal.notice(f"{moving}: a film of {options.frames} frames from one key frame to the next")
    terminal.notice(f"{still}: {counted(len(routes), 'row')} of {options.steps} images, {method}")
    record = {"event": "done", "picture": str(still), "film": str(moving) if moving else None, "rows": len(routes)}
    terminal.result(still, record | {"method": method, "seed": options.seed})


def check(model: Model, options: WalkOptions, kind: str | None) -> None:
    """Raises OptionError for options that have no effect on this model or with these key frames."""
    for name in ("rows", "labels", "through_classes"):
        if kind and name in options.changed():
            raise OptionError(f"{flag(name)}: has no effect with {kind}")
    if kind and "seed" in options.changed() and (model.encodes or kind == "--latents"):
        raise OptionError(f"--seed: has no effect with {kind}: nothing is random")
    if {"labels", "through_classes"} & set(options.changed()) and not model.is_conditional:
        raise_unconditional(model, "--labels" if "labels" in options.changed() else "--through-classes")


def key_frames(
    model: Model, keys: KeyOptions, pictures: Sequence[Path], data: ModelDataOptions, seed: int, terminal: Terminal
) -> Keys:
    """The key frames that are given, as codes."""
    if keys.latents is not None:
        z, labels, weights = read_codes(keys.latents, model.name, model.latent_dim, len(model.classes))
        if weights not in (None, model.weights_digest):
            terminal.notice(f"{keys.latents}: its codes were made with other weights than those in {model.path}")
        if len(z) < 2:
            raise OptionError(f"--latents: {TOO_FEW}")
        return Keys(tuple(map(str, range(len(z)))), z, labels, None)
    if keys.index is not None:
        images = data.load_as_they_are(model.header, terminal)
        names = tuple(map(str, keys.index))
        x = indexed_images(images, keys.index, model.shape, reporter=terminal)
    else:
        paths = [path for path in (keys.from_, keys.to) if path is not None] or pictures
        names = tuple(path.stem for path in paths)
        x = read_pictures(paths, model.shape, reporter=terminal)
    if model.encodes:
        labels = model.classify(x) if model.is_conditional else None
        return Keys(names, model.encode(x, labels), labels, x)
    how = "following the path of each picture backwards" if model.inverts else "searching for the code of each picture"
    terminal.notice(f"a {model.name} has no encoder: {how}, as project does")
    projection = model.project(x, seed=seed, reporter=terminal)
    return Keys(names, projection.z, projection.labels, x)


def routes_between(keys: Keys, model: Model) -> list[Route]:
    """A route from each key frame to the next."""
    weights = None if keys.labels is None else F.one_hot(keys.labels, len(model.classes)).float()
    pairs = [slice(start, start + 2) for start in range(len(keys.z) - 1)]
    return [
        Route(
            " to ".join(keys.names[pair]),
            keys.z[pair],
            None if weights is None else weights[pair],
            None if keys.pictures is None else keys.pictures[pair],
        )
        for pair in pairs
    ]


def random_routes(model: Model, options: WalkOptions) -> list[Route]:
    """A route per row: between two random codes, of one class where there are any; or through the classes."""
    classes = model.classes
    if options.through_classes is not None:
        chosen = class_numbers(options.through_classes, classes, "--through-classes")
        if len(chosen) < 2:
            raise OptionError("--through-classes: a walk needs at least two classes")
        weights = F.one_hot(chosen, len(classes)).float()
        noise = model.draw_codes(options.rows or 5, seed=options.seed)
        return [Route(f"z {row}", z.expand(len(chosen), -1), weights) for row, z in enumerate(noise)]
    chosen = class_numbers(options.labels, classes) if classes else torch.zeros(0, dtype=torch.long)
    rows = options.rows or len(chosen) or 5
    pairs = model.draw_codes(2 * rows, seed=options.seed).unflatten(0, (rows, 2))
    if not classes:
        return [Route(f"z {2 * row} to {2 * row + 1}", z) for row, z in enumerate(pairs)]
    labels = chosen[torch.arange(rows) % len(chosen)]
    weights = F.one_hot(labels, len(classes)).float()
    return [Route(classes[label], z, w.expand(2, -1)) for label, z, w in zip(labels, pairs, weights, strict=True)]


def strip(model: Model, route: Route, steps: int, method: Method) -> Tensor:
    """The images of a route (F, C, H, W); at each end, the given picture stands beside the model's version of it."""
    images = images_along(model, route, steps, method)
    if route.pictures is None:
        return images
    return torch.cat([route.pictures[:1], images, route.pictures[-1:]])


def column_names(model: Model, options: WalkOptions, *, with_pictures: bool) -> dict[int, str]:
    """What stands above the strips: the classes of a walk through them, and which pictures were given."""
    if options.through_classes is not None:
        chosen = class_numbers(options.through_classes, model.classes, "--through-classes")
        return {place * (options.steps - 1): model.classes[label] for place, label in enumerate(chosen)}
    if with_pictures:
        return {0: "picture", 1: "decoded", options.steps: "decoded", options.steps + 1: "picture"}
    return {}


def images_along(model: Model, route: Route, steps: int, method: Method) -> Tensor:
    """The decoded images of a route, `steps` from each key frame to the next."""
    weights = None if route.weights is None else walk(route.weights, steps, "linear")
    images = model.decode(walk(route.z, steps, method), weights)
    # The key frames are decoded by themselves, so that they equal what `reconstruct` shows to the last bit.
    images[:: steps - 1] = model.decode(route.z, route.weights)
    return images


def one_after_another(walks: Sequence[Tensor], scale: int | None) -> list[Picture]:
    """The frames of one image that goes from key frame to key frame."""
    return [grid(image[None], scale=scale) for image in torch.cat([*(part[:-1] for part in walks[:-1]), walks[-1]])]


def all_at_once(walks: Sequence[Tensor], scale: int | None) -> list[Picture]:
    """The frames of all walks in one grid."""
    return [grid(torch.stack(images), scale=scale) for images in zip(*walks, strict=True)]


app = command(interpolate, sampling=sampling_flags())
