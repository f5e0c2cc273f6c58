"""`gentool report RUN`."""

from pathlib import Path
from typing import Annotated

import typer

from gentool.cli.command import command
from gentool.engine.folder import MODEL
from gentool.engine.report import write_report
from gentool.engine.terminal import Terminal


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run, or its model.pt.")], terminal: Terminal
) -> None:
    """Write report.html into a run's folder: curves, pictures, scores and options on one page."""
    path = write_report(run.parent if run.is_file() and run.name == MODEL else run)
    size = path.stat().st_size
    terminal.notice(f"{path}: {size / 1e6:.1f} MB; open it in a browser")
    terminal.result(path, {"event": "done", "report": str(path), "bytes": size})


app = command(report)
