"""`gentool reconstruct MODEL CKPT`."""

from dataclasses import dataclass
from typing import Literal

import torch

from gentool.cli.command import command
from gentool.cli.options import (
    AfterModel,
    GridOptions,
    ModelDataOptions,
    ModelName,
    OutputOptions,
    load_model,
    model_and_checkpoint,
)
from gentool.engine.device import DeviceOptions
from gentool.engine.terminal import Terminal
from gentool.errors import DataError
from gentool.evaluation.reconstruction import reconstruction_table
from gentool.figures.grids import labelled_rows, save_png
from gentool.options import Validated, option


@dataclass(frozen=True, kw_only=True)
class ReconstructOptions(Validated):
    """What to reconstruct."""

    split: Literal["test", "validation", "train"] = option("test", "The split to reconstruct.")
    count: int = option(10, "Number of images in the picture.", min=1, max=1000, short="-n")
    untrained: bool = option(False, "Add a row of reconstructions by the same network before training.")


def reconstruct(
    options: ReconstructOptions,
    data: ModelDataOptions,
    device: DeviceOptions,
    output: OutputOptions,
    cells: GridOptions,
    terminal: Terminal,
    model_name: ModelName = None,
    checkpoint: AfterModel = None,
) -> None:
    """Write images above their reconstructions by an autoencoder (PNG), and the error of every image (CSV)."""
    model = load_model(*model_and_checkpoint(model_name, checkpoint), device.device)
    model.require("encodes", "reconstruct images")
    images = data.load_for(model.header, terminal)
    split = images.splits[options.split]
    if not len(split):
        raise DataError(f"{images.name}: has no {options.split} images; choose another --split")
    assert model.path is not None
    path = output.path(model.path.parent / f"{model.path.stem}-reconstructions.png", ".csv")
    x = split.images[: options.count].float() / 255
    rows = {"original": x, model.name: model.reconstruct(x)}
    if options.untrained:
        rows["untrained"] = model.untrained().reconstruct(x)
    save_png(labelled_rows(torch.cat(list(rows.values())), list(rows), scale=cells.scale), path)
    table, table_path = reconstruction_table(model, split), path.with_suffix(".csv")
    table.to_csv(table_path)
    mse = sum(table["mse"]) / len(table)
    what = f"{len(table):,} {options.split} images of {images.name}"
    terminal.notice(f"{path} and {table_path.name}: {what}, mean squared error {mse:.5f} per pixel")
    record = {"event": "done", "picture": str(path), "table": str(table_path), "images": len(table), "mse": mse}
    terminal.result(path, record)


app = command(reconstruct)
