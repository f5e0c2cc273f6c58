"""`gentool project MODEL CKPT IMAGE...`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from gentool.cli.command import command
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
from gentool.figures.film import film
from gentool.figures.grids import Picture, labelled_rows, save_png
from gentool.latent.code_files import write_codes
from gentool.latent.images import indexed_images, read_pictures
from gentool.latent.model import Model
from gentool.latent.projection import ProjectOptions, project
from gentool.options import Validated, indices, option
from gentool.progress import counted

COLUMNS = 10
"""Images side by side; more continue below."""


@dataclass(frozen=True, kw_only=True)
class TargetOptions(Validated):
    """The images to find, in place of files."""

    index: tuple[int, ...] | None = option(
        None,
        "Instead of files, images of --data: comma-separated indices, counted from 0 over train, validation and test.",
        parse=indices,
    )
    gif: bool = option(False, "Also write a film of the search: the targets, and below them the best images so far.")


def search(
    options: ProjectOptions,
    target: TargetOptions,
    data: ModelDataOptions,
    sampling: SamplingFlags,
    device: DeviceOptions,
    output: OutputOptions,
    cells: GridOptions,
    terminal: Terminal,
    model_name: ModelName = None,
    checkpoint: AfterModel = None,
    pictures: Annotated[list[Path] | None, typer.Argument(help="Pictures to find codes for.", metavar="IMAGE")] = None,
) -> None:
    """Find the code (and the class) whose image is nearest to each given picture: PNG, CSV, and the codes as NPZ."""
    given, checkpoint, pictures = model_and_pictures(model_name, checkpoint, pictures or [])
    if pictures and (target.index is not None or data.changed()):
        raise OptionError("give picture files, or --index with --data; not both")
    if not pictures and target.index is None:
        raise OptionError("nothing to project: give picture files, or --index 3,17 with --data")
    model = load_model(given, checkpoint, device.device, sampling)
    assert model.path is not None
    beside = (".csv", ".npz", ".gif") if target.gif else (".csv", ".npz")
    path = output.path(model.path.parent / f"{model.path.stem}-projections.png", *beside)
    names, x = targets(model, target, data, pictures, terminal)
    projection = project(model, x, options, film=target.gif, reporter=terminal)
    files = {"picture": path, "table": path.with_suffix(".csv"), "latents": path.with_suffix(".npz")}
    save_png(pairs(x, projection.images, cells.scale), files["picture"])
    table = projection.table(names, model.classes)
    table.to_csv(files["table"])
    write_codes(files["latents"], projection.z, model.weights_digest, labels=projection.labels)
    if target.gif:
        files["film"] = film([pairs(x, images, cells.scale) for images in projection.film], path.with_suffix(".gif"))
    psnr = sorted(table["psnr"])
    mean = sum(psnr) / len(psnr)
    others = ", ".join(file.name for name, file in files.items() if name != "picture")
    scores = f"PSNR {psnr[0]:.1f} to {psnr[-1]:.1f} dB, mean {mean:.1f}"
    terminal.notice(f"{path} ({others}): {counted(len(table), 'projection')}, {scores}")
    record = {"event": "done"} | {name: str(file) for name, file in files.items()}
    terminal.result(path, record | {"images": len(table), "mse": float(projection.mse.mean()), "psnr": mean})


def targets(
    model: Model, target: TargetOptions, data: ModelDataOptions, files: list[Path], terminal: Terminal
) -> tuple[list[str], Tensor]:
    """The names of the given pictures, and their pixels (N, C, H, W) in the model's shape."""
    if target.index is None:
        return [str(file) for file in files], read_pictures(files, model.shape, reporter=terminal)
    images = data.load_as_they_are(model.header, terminal)
    names = [f"{images.name} {index}" for index in target.index]
    return names, indexed_images(images, target.index, model.shape, reporter=terminal)


def pairs(x: Tensor, images: Tensor, scale: int | None) -> Picture:
    """Targets (N, C, H, W) above what was found, `COLUMNS` side by side; the rest of the last row is white."""
    columns = min(COLUMNS, len(x))
    blank = torch.ones(-len(x) % columns, *x.shape[1:])
    parts = zip(torch.cat([x, blank]).split(columns), torch.cat([images, blank]).split(columns), strict=True)
    stack = [tensor for pair in parts for tensor in pair]
    return labelled_rows(torch.cat(stack), ["target", "projection"] * (len(stack) // 2), scale=scale)


app = command(search, sampling=sampling_flags())
