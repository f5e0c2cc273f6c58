"""`gentool epochs RUN...`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import typer

from gentool.cli.command import command
from gentool.cli.options import OutputOptions, output_options
from gentool.engine.folder import MODEL, OPTIONS, PICTURES, drawn_in
from gentool.engine.report.content import short_names
from gentool.engine.terminal import Terminal
from gentool.errors import CheckpointError, DataError, OptionError
from gentool.figures.grids import Picture, captioned_rows, save_png
from gentool.options import Validated, numbers, option
from gentool.pictures import open_picture
from gentool.progress import counted

MOST = 20
"""The most pictures in a row."""


@dataclass(frozen=True, kw_only=True)
class EpochsOptions(Validated):
    """Which pictures to show."""

    panel: ClassVar[str] = "Pictures"

    epochs: tuple[int, ...] | None = option(
        None,
        "Epochs to show, comma-separated, such as 1,50,99. If one has no picture, the nearest that has one is shown.",
        parse=numbers,
        default_text="the first, one in the middle, the last",
    )
    kind: Literal["samples", "reconstructions"] | None = option(
        None, "The pictures to show.", default_text="samples if there are any"
    )


EpochsOutput = output_options(
    "epochs.png in the first run", out_help="The picture to write.", overwrite_help="Replace the picture if it exists."
)


def show_epochs(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, one row each.", metavar="RUN")],
    options: EpochsOptions,
    output: OutputOptions,
    terminal: Terminal,
) -> None:
    """Put the pictures from several epochs side by side in one PNG, with one row per run."""
    folders = [run.parent if run.name == MODEL else run for run in runs]
    path = output.path(folders[0] / "epochs.png")
    rows = []
    for folder in folders:
        chosen = pictures_of(folder, options)
        rows.append({f"epoch {epoch}": read(file) for epoch, file in chosen.items()})
        missing = [epoch for epoch in options.epochs or () if epoch not in chosen]
        if missing:
            terminal.notice(
                f"{folder}: no picture of epoch {', '.join(map(str, missing))}; the nearest is shown "
                "(train with --sample-every 1 to have one for every epoch)"
            )
    names = short_names(folders) if len(folders) > 1 else []
    save_png(captioned_rows(rows, names), path)
    terminal.notice(f"{path}: {counted(sum(map(len, rows)), 'picture')}")
    terminal.result(path, {"event": "done", "picture": str(path), "epochs": [list(row) for row in rows]})


def pictures_of(folder: Path, options: EpochsOptions) -> dict[int, Path]:
    """The files of the chosen epochs, by their epochs. Raises OptionError or DataError where there are none."""
    if not (folder / OPTIONS).is_file():
        raise CheckpointError(f"{folder}: not the folder of a run: there is no {folder / OPTIONS}")
    kinds = PICTURES if options.kind is None else (options.kind,)
    every = next((drawn for kind in kinds if (drawn := drawn_in(folder / kind))), [])
    if not every:
        what = options.kind or "pictures of epochs"
        raise DataError(f"{folder}: has no {what}; train with --sample-every 1, or choose another --kind")
    by_epoch = {int(file.stem.split("-")[1]): file for file in every}
    there = sorted(by_epoch)
    asked = options.epochs or sorted({there[0], there[(len(there) - 1) // 2], there[-1]})
    if len(asked) > MOST:
        raise OptionError(f"--epochs: {len(asked)} pictures are too many for one row; give at most {MOST}")
    nearest = [min((abs(epoch - wanted), epoch) for epoch in there)[1] for wanted in asked]
    return {epoch: by_epoch[epoch] for epoch in nearest}


def read(file: Path) -> Picture:
    """The pixels of a picture, (H, W) or (H, W, 3)."""
    try:
        with open_picture(file, ("PNG",)) as picture:
            return np.asarray(picture.convert("L" if picture.mode == "L" else "RGB"))
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be shown ({error})") from error


app = command(show_epochs, output=EpochsOutput)
