"""`gentool sample MODEL CKPT`."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from gentool.cli.app import CHECKPOINT_HELP, MODEL_HELP
from gentool.cli.command import command
from gentool.cli.dataset import DataOptions, training_data
from gentool.cli.place import PlaceOptions
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import OptionError
from gentool.figures.grids import grid, labelled_rows, save_png
from gentool.latent.sample import commonest_colours, parse_labels, sample, snap
from gentool.latent.trained import load_trained
from gentool.options import Validated, option


@dataclass(frozen=True, kw_only=True)
class SampleOptions(Validated):
    """What to draw."""

    count: int = option(25, "Samples to draw; for a conditional model, of each label.", min=1, max=100_000, short="-n")
    seed: int = option(0, "Sample i is a function of the seed and i.", min=0, max=2**31 - 1)
    labels: str | None = option(
        None, "Classes of a conditional model: names or numbers with commas, or all. (default: all)"
    )
    rows: int | None = option(
        None, "Rows of the grid. (default: nearly square; conditional: a row for each class)", min=1
    )
    each: bool = option(False, "Also write every sample as a PNG of its own.")
    palette: int | None = option(
        None, "Snap every pixel to one of the N commonest colours of --data.", min=2, max=65536, metavar="N"
    )
    data: str | None = option(None, "The images whose colours --palette takes. (default: those of the training)")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")


def draw(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    checkpoint: Annotated[Path, typer.Argument(help=CHECKPOINT_HELP)],
    options: SampleOptions,
    place: PlaceOptions,
    terminal: TerminalOptions,
) -> None:
    """Draw samples from a trained model: a PNG grid, and with --each a PNG for each."""
    voice = Terminal(terminal)
    trained = load_trained(model, checkpoint, options.device)
    classes = trained.header.classes if getattr(trained.network, "classes", 0) else ()
    if options.labels is not None and not classes:
        raise OptionError(f"--labels: a {model} is not conditional; cgan is")
    if options.rows is not None and classes:
        raise OptionError(f"--rows: a {model} has a row for each class; choose them with --labels")
    if options.data is not None and options.palette is None:
        raise OptionError("--data: only --palette has a use for it")
    default = trained.path.parent / f"{trained.path.stem}-samples-{options.seed}.png"
    path = place.file(default)
    chosen = parse_labels(options.labels or "all", classes) if classes else []
    labels = torch.tensor(chosen).repeat_interleave(options.count) if classes else None
    images = sample(trained, options.count * max(len(chosen), 1), options.seed, labels)
    if options.palette is not None:
        source = DataOptions(data=options.data or training_data(trained.header)).load(voice)
        images = snap(images, commonest_colours(source.train.images, options.palette))
    if classes:
        picture = labelled_rows(images, [classes[label] for label in chosen])
    else:
        picture = grid(images, None if options.rows is None else math.ceil(options.count / options.rows))
    save_png(picture, path)
    if options.each:
        folder = path.with_suffix("")
        for index, image in enumerate(images):
            save_png(grid(image[None], scale=1, padding=0), folder / f"{index:05d}.png")
        voice.say(f"{folder}: {len(images)} PNGs")
    voice.say(f"{path}: {len(images)} samples")
    voice.result(path, {"event": "done", "picture": str(path), "samples": len(images), "seed": options.seed})


app = command(draw)
