"""`gentool sample MODEL CKPT`."""

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from gentool.cli.command import command
from gentool.cli.options import (
    AfterModel,
    GridOptions,
    ModelDataOptions,
    ModelName,
    OutputOptions,
    PriorOptions,
    SamplingFlags,
    load_model,
    model_and_checkpoint,
    sampling_flags,
)
from gentool.engine.device import DeviceOptions
from gentool.engine.terminal import Terminal
from gentool.errors import OptionError
from gentool.figures.film import film
from gentool.figures.grids import Picture, grid, labelled_rows, legible_scale, save_png, to_picture
from gentool.latent.charts import normal_quantiles
from gentool.latent.inputs import ALL, class_numbers
from gentool.latent.model import Model
from gentool.latent.palette import commonest_colours, snap
from gentool.memory import check_memory
from gentool.options import Validated, indices, option, words
from gentool.progress import counted
from gentool.results import Results

SAMPLES = Results(".samples.json", "weights", r"\d{5}\.png")
LARGEST_NAME = 99_999
"""The largest number in the name of a file of --each."""
MAX_TRAVERSALS = 64
COUNT, PER_CLASS = 25, 10
"""Samples by default, and those of each class of a conditional model."""
CHARTS = {"manifold": True, "traverse": True}


@dataclass(frozen=True, kw_only=True)
class SampleOptions(Validated):
    """What to draw."""

    count: int | None = option(
        None,
        "Total number of samples; a conditional model takes its classes in turn.",
        min=1,
        max=100_000,
        short="-n",
        not_with=CHARTS,
        default_text=f"{COUNT}; {PER_CLASS} per class",
    )
    numbers: tuple[int, ...] | None = option(
        None,
        "Draw only these samples, counted from 0, such as 3,17,40-49. They are the same as in a full grid.",
        parse=indices,
        metavar="N[,N-N...]",
        not_with={"count": True, **CHARTS},
        default_text="the first --count",
    )
    seed: int = option(0, "Random seed. Sample i depends on the seed and i alone.", min=0, max=2**31 - 1)
    truncation: float = option(
        1.0,
        "Pull codes towards their mean by this factor: the smaller it is, the more alike the images are.",
        min=0.0,
        max=1.0,
        not_with=CHARTS,
        metavar="PSI",
    )
    labels: tuple[str, ...] = option(
        (ALL,), "Classes of a conditional model: comma-separated names or numbers, or all.", parse=words
    )
    rows: int | None = option(
        None,
        "Rows of the grid.",
        min=1,
        not_with=CHARTS,
        default_text="a nearly square grid; one row per class if all classes have equally many samples",
    )
    each: bool = option(False, "Also write every sample as a PNG of its own.", not_with=CHARTS)
    gif: bool = option(
        False,
        "Also write a film of the samples emerging from noise, one frame per solver step (flow).",
        not_with={"palette": True, **CHARTS},
    )
    palette: int | None = option(
        None, "Snap every pixel to one of the N commonest colours of --data.", min=2, max=65536, metavar="N"
    )
    manifold: bool = option(
        False,
        "Instead of samples, draw a grid over two directions of the latent space, at Gaussian quantiles.",
        not_with={"traverse": True},
    )
    traverse: bool = option(
        False, "Instead of samples, draw one row per latent dimension, in which only that dimension changes."
    )
    dims: tuple[int, ...] | None = option(
        None,
        "Latent dimensions, separated by commas: two for --manifold, any number for --traverse.",
        parse=indices,
        only_with=CHARTS,
        default_text="the two principal directions of the codes of --data; all with --traverse",
    )
    factors: bool = option(
        False,
        "Draw one row per known factor of --data: only the dimension that tells most about it changes, starting from a "
        "test image that --seed picks.",
        only_with={"traverse": True},
        not_with={"dims": True},
    )
    along: int | None = option(
        None, "Images along each direction.", min=2, max=200, only_with=CHARTS, default_text="20; 11 with --traverse"
    )


def sample(
    options: SampleOptions,
    prior: PriorOptions,
    data: ModelDataOptions,
    sampling: SamplingFlags,
    device: DeviceOptions,
    output: OutputOptions,
    cells: GridOptions,
    terminal: Terminal,
    model_name: ModelName = None,
    checkpoint: AfterModel = None,
) -> None:
    """Draw samples from a trained model as a PNG grid, and with --each as single PNGs; or chart its latent space."""
    charted = options.manifold or options.traverse
    if data.changed() and options.palette is None and not (prior.fitted or options.manifold or options.factors):
        raise OptionError("--data: only with --palette, --factors, --prior gmm or flow, or --manifold without --dims")
    model = load_model(*model_and_checkpoint(model_name, checkpoint), device.device, sampling)
    if charted and prior.replaces(model):
        raise OptionError(f"--prior {prior.prior}: has no effect with --manifold or --traverse")
    if options.each and max(options.numbers or (0,)) > LARGEST_NAME:
        raise OptionError(f"--numbers: --each names files by the number of a sample, at most {LARGEST_NAME:,}")
    if not model.is_conditional and options.labels != (ALL,):
        raise_unconditional(model)
    if charted and model.encodes and "seed" in options.changed() and not options.factors:
        raise OptionError(f"--seed: has no effect on a chart of a {model.name}, which is drawn around code 0")
    if options.gif:
        model.require("inverts")
    classes = class_numbers(options.labels, model.classes) if model.is_conditional else torch.zeros(0, dtype=torch.long)
    what = "manifold" if options.manifold else "traversals" if options.traverse else "samples"
    assert model.path is not None
    path = output.path(
        model.path.parent / f"{model.path.stem}-{what}{prior.suffix(model)}-{options.seed}.png",
        *([""] if options.each else []),
        *([".gif"] if options.gif else []),
        results=SAMPLES if options.each else None,
    )
    axis, way = "", None
    if charted:
        images, names, axis = chart(model, options, data, classes, terminal)
    else:
        count = options.count or (PER_CLASS * len(classes) if model.is_conditional else COUNT)
        codes = prior.of(model, lambda: data.load_for(model.header, terminal), terminal)
        names = [model.classes[label] for label in classes]
        how: dict[str, Any] = {
            "seed": options.seed, "labels": classes if names else None, "prior": codes,
            "truncation": options.truncation,
        }  # fmt: skip
        images = model.sample(count, numbers=options.numbers, **how)
        if options.gif:
            check_film_room(model, len(images), cells.scale)
            way = model.sample_trajectory(options.numbers or range(count), **how)
    if options.palette is not None:
        real = data.load_as_they_are(model.header, terminal)
        images = snap(images, commonest_colours(real.train.images, options.palette))
    if charted:
        places = {column: f"{place:.2f}" for column, place in enumerate(normal_quantiles(len(images) // len(names)))}
        padding = 0 if options.manifold else 2
        picture = labelled_rows(images, names, headings=places, corner=f"{axis} =", padding=padding, scale=cells.scale)
    else:
        picture = laid_out(images, names, options, cells.scale)
    if options.each:
        folder = path.with_suffix("")
        record = {"weights": model.weights_digest, "seed": options.seed, "count": len(images)}
        with SAMPLES.writing(folder, record):
            for number, image in zip(options.numbers or range(len(images)), images, strict=True):
                save_png(to_picture(image), folder / f"{number:05d}.png")
            save_png(picture, path)
        written = len(set(options.numbers or range(len(images))))
        terminal.notice(f"{folder}: {counted(written, 'PNG')}")
    else:
        save_png(picture, path)
    terminal.notice(f"{path}: {counted(len(images), 'image' if charted else 'sample')}")
    record = {"event": "done", "picture": str(path), what: len(images), "seed": options.seed}
    if way is not None:
        moving = film([laid_out(frame, names, options, cells.scale) for frame in way], path.with_suffix(".gif"))
        terminal.notice(f"{moving}: a film of {counted(len(way), 'frame')}")
        record["film"] = str(moving)
    terminal.draw(lambda: images)
    terminal.result(path, record)


def check_film_room(model: Model, count: int, scale: int | None) -> None:
    """Raises GentoolError where the frames of a film of this many samples do not fit into memory."""
    _, height, width = model.shape
    frames = cast(Any, model.sampling).sample_steps + 1
    pixels = 3 * height * width * (scale or legible_scale(height, width)) ** 2
    check_memory(frames * count * pixels, f"a film of {frames:,} frames", "use fewer --sample-steps or samples")


def laid_out(images: Tensor, names: list[str], options: SampleOptions, scale: int | None) -> Picture:
    """Samples as a picture: in a row for each class where there are as many of each, else in a grid."""
    if names and len(images) % len(names) == 0 and options.rows is None and options.numbers is None:
        by_class = torch.cat([images[number :: len(names)] for number in range(len(names))])
        return labelled_rows(by_class, names, scale=scale)
    columns = None if options.rows is None else math.ceil(len(images) / options.rows)
    return grid(images, columns, scale=scale)


def raise_unconditional(model: Model, option: str = "--labels") -> None:
    """Raises OptionError for an option of models with classes."""
    try:
        model.require("is_conditional")
    except OptionError as error:
        raise OptionError(f"{option}: {error}") from None


def chart(
    model: Model, options: SampleOptions, data: ModelDataOptions, classes: Tensor, terminal: Terminal
) -> tuple[Tensor, list[str], str]:
    """The images of --manifold or --traverse, the names of their rows, and that of what changes along a row."""
    if len(classes) > 1:
        raise OptionError("--manifold, --traverse: choose one class of a conditional model with --labels")
    label = None if len(classes) == 0 else model.classes[int(classes[0])]
    if options.factors:
        model.require("encodes", "tell which dimension encodes a factor")
        images_of = data.load_for(model.header, terminal)
        found = model.traverse_factors(
            images_of, options.along or 11, label=label, seed=options.seed, reporter=terminal
        )
        return found.images, found.names, "(z - mean) / sd"
    if options.traverse:
        if options.dims is None and model.latent_dim > MAX_TRAVERSALS:
            raise OptionError(f"--traverse: {model.latent_dim} rows are too many; choose some with --dims")
        images = model.traverse(options.dims, options.along or 11, label=label, seed=options.seed)
        axis = "z" if model.prior is None else "(z - mean) / sd"
        return images, [f"z {row}" for row in options.dims or range(model.latent_dim)], axis
    real = None
    if options.dims is None and model.latent_dim != 2 and model.encodes:
        real = data.load_for(model.header, terminal)
    elif data.changed() and options.palette is None:
        raise OptionError("--data: only with --palette, --factors, --prior gmm or flow, or --manifold without --dims")
    along = options.along or 20
    images = model.manifold(along, dims=options.dims, label=label, data=real, seed=options.seed, reporter=terminal)
    dims = options.dims or ((0, 1) if model.latent_dim == 2 else None)
    unit = "" if model.prior is None else ", in sd"
    right, up = (f"z {dim}{unit}" for dim in dims) if dims else ("direction 1 / sd", "direction 2 / sd")
    return images, [f"{up} = {place:.2f}" for place in normal_quantiles(along).flip(0)], right


app = command(sample, sampling=sampling_flags())
