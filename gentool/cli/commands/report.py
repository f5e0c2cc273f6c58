"""`gentool report RUN...`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gentool.cli.command import command
from gentool.cli.options import OutputOptions, output_options
from gentool.engine.folder import MODEL, REPORT
from gentool.engine.report import check_folder, write_comparison, write_report
from gentool.engine.terminal import Terminal

COMPARISON = Path("comparison.html")
ReportOutput = output_options(
    f"{REPORT} in the run's folder, or {COMPARISON} here for several runs",
    out_help="The page to write.",
    overwrite_help="Replace the page if it exists. The report in a run's own folder is always replaced.",
)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders, or their model.pt files.")],
    output: OutputOptions,
    terminal: Terminal,
) -> None:
    """Write a page about a run, or one with several runs side by side: pictures, curves, scores and options."""
    folders = [run.parent if run.is_file() and run.name == MODEL else run for run in runs]
    for folder in folders:
        check_folder(folder)
    if len(folders) == 1:
        path = write_report(folders[0], output.path(folders[0] / REPORT, pictures=(".html",)))
    else:
        chosen = output if output.out else replace(output, out=COMPARISON)
        path = write_comparison(folders, chosen.path(COMPARISON, pictures=(".html",)))
    size = path.stat().st_size
    terminal.notice(f"{path}: {size / 1e6:.1f} MB; open it in a browser")
    terminal.result(path, {"event": "done", "report": str(path), "bytes": size})


app = command(report, output=ReportOutput)
