"""`gentool show FILE...`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gentool.cli.command import command
from gentool.engine.blocks import draw, first_images, shows_pictures
from gentool.engine.folder import OPTIONS, PICTURES, drawn_in, read_options
from gentool.engine.terminal import Terminal
from gentool.errors import DataError, OptionError
from gentool.pictures import open_picture


def show(
    paths: Annotated[
        list[Path], typer.Argument(help="Pictures, or run folders, whose latest samples are shown.", metavar="FILE")
    ],
    terminal: Terminal,
) -> None:
    """Show pictures in the terminal, drawn with half-block characters, for example on a server."""
    console = Console(highlight=False, soft_wrap=True)
    if not shows_pictures(console):
        raise OptionError("stdout is not a terminal with UTF-8 and at least 256 colours; open the file in a viewer")
    for path in paths:
        file = newest_in(path) if path.is_dir() else path
        if not file.exists():
            raise DataError(f"{file}: no such file")
        try:
            picture = open_picture(file)
        except OSError as error:
            raise DataError(f"{file}: not a readable picture: {error.strerror or error}") from error
        size = f"{file}: {picture.width} x {picture.height} pixels"
        if path.is_dir() and (path / OPTIONS).is_file():
            shown = first_images(picture, read_options(path)["shape"], console)
            size += ", the first of its images" if shown.size != picture.size else ""
            picture = shown
        terminal.notice(size)
        draw(picture, console)


def newest_in(folder: Path) -> Path:
    """The last picture that a run has drawn. Raises DataError where there is none."""
    for name in PICTURES:
        if pictures := drawn_in(folder / name):
            return pictures[-1]
    raise DataError(f"{folder}: no pictures from a run; give a picture file")


app = command(show)
