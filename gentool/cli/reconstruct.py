"""`gentool reconstruct MODEL CKPT`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from gentool.cli.app import CHECKPOINT_HELP, MODEL_HELP
from gentool.cli.command import command
from gentool.cli.dataset import DataOptions
from gentool.cli.place import PlaceOptions
from gentool.engine.randomness import derived_seed
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import DataError
from gentool.figures.grids import labelled_rows, save_png
from gentool.files import write_csv
from gentool.latent.codes import require_encoder
from gentool.latent.reconstruct import errors, reconstruct
from gentool.latent.trained import fresh_network, load_trained
from gentool.options import Validated, option


@dataclass(frozen=True, kw_only=True)
class ReconstructData(DataOptions):
    """The images to rebuild."""

    data: str | None = option(None, "The images to rebuild. (default: those of the training)")


@dataclass(frozen=True, kw_only=True)
class ReconstructOptions(Validated):
    """What to rebuild."""

    split: Literal["test", "validation", "train"] = option("test", "Which images of the set.")
    count: int = option(10, "Images in the picture.", min=1, max=1000, short="-n")
    untrained: bool = option(False, "Add a row from the same network before any training.")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")


def rebuild(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    checkpoint: Annotated[Path, typer.Argument(help=CHECKPOINT_HELP)],
    data: ReconstructData,
    options: ReconstructOptions,
    place: PlaceOptions,
    terminal: TerminalOptions,
) -> None:
    """Write originals above what an autoencoder makes of them (PNG), and the error of every image (CSV)."""
    voice = Terminal(terminal)
    trained = load_trained(model, checkpoint, options.device)
    require_encoder(trained, "reconstruct images")
    images = data.load_for(trained.header, voice)
    split = images.splits[options.split]
    if not len(split):
        raise DataError(f"{images.name}: has no {options.split} images; choose another --split")
    path = place.file(trained.path.parent / f"{trained.path.stem}-reconstructions.png")
    x = split.images[: options.count].float() / 255
    rows = {"original": x, model: reconstruct(trained, x)}
    if options.untrained:
        torch.manual_seed(derived_seed(0, "untrained"))
        network = fresh_network(trained.header).to(trained.device).eval()
        rows["untrained"] = reconstruct(replace(trained, network=network), x)
    save_png(labelled_rows(torch.cat(list(rows.values())), list(rows)), path)
    table = path.with_suffix(".csv")
    measured = list(errors(trained, split))
    write_csv(table, measured)
    mse = sum(row["mse"] for row in measured) / len(measured)
    what = f"{len(measured):,} {options.split} images of {images.name}"
    voice.say(f"{path} and {table.name}: {what}, mean squared error {mse:.5f} per pixel")
    voice.result(
        path, {"event": "done", "picture": str(path), "table": str(table), "images": len(measured), "mse": mse}
    )


app = command(rebuild)
