"""`gentool report RUN`."""

from pathlib import Path
from typing import Annotated

import typer

from gentool.cli.command import command
from gentool.engine.report import write_report
from gentool.engine.terminal import Terminal, TerminalOptions


def page(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    terminal: TerminalOptions,
) -> None:
    """Write report.html into a run's folder: curves, pictures, evaluations and options on one page."""
    voice = Terminal(terminal)
    path = write_report(run)
    voice.say(f"{path}: {path.stat().st_size / 1e6:.1f} MB, to be opened in a browser")
    voice.result(path, {"event": "done", "report": str(path), "bytes": path.stat().st_size})


app = command(page)
