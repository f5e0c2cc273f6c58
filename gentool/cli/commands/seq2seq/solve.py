"""`gentool seq2seq solve CKPT QUERY...`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer

from gentool.cli.command import command
from gentool.cli.options import Checkpoint, OutputOptions
from gentool.engine.device import DeviceOptions
from gentool.engine.terminal import Terminal
from gentool.errors import OptionError
from gentool.figures.grids import labelled_rows, save_png
from gentool.options import Validated, flag, option
from gentool.seq2seq.model import load
from gentool.seq2seq.solving import readable


@dataclass(frozen=True, kw_only=True)
class SolveOptions(Validated):
    """How to read the queries."""

    images: bool = option(
        False, "The queries are pictures: strips of square symbols, or folders with one picture per symbol."
    )
    seed: int = option(
        0,
        "For models that read pictures: seed of the handwriting in which text queries are drawn.",
        min=0,
        not_with={"images": True},
    )


def solve(
    checkpoint: Checkpoint,
    options: SolveOptions,
    device: DeviceOptions,
    output: OutputOptions,
    terminal: Terminal,
    queries: Annotated[
        list[str] | None, typer.Argument(help="Queries such as 81+24. (default: from stdin, one per line)")
    ] = None,
) -> None:
    """Answer queries, each with the probability that the model gives its answer.

    Models that draw answers also write a PNG with one row per answer. Errors about invalid queries come at the end.
    """
    if not queries and (sys.stdin is None or sys.stdin.isatty()):
        raise OptionError("which queries? Give some, such as 81+24, or pipe them in, one per line")
    asked = queries or [line.strip() for line in sys.stdin if line.strip()]
    if not asked:
        raise OptionError("no queries on stdin")
    model = load(checkpoint, device=device.device)
    draws = model.options.images_out
    if output.changed() and not draws:
        raise OptionError(f"{flag(output.changed()[0])}: a {model.task} model answers in text, on stdout")
    if options.seed and not model.options.images_in:
        raise OptionError(f"--seed: a {model.task} model reads text, not handwriting")
    path = output.path((model.path or Path()).parent / "answers.png")
    if options.images and not model.options.images_in:
        raise OptionError(f"--images: a {model.task} model reads text, not pictures")
    queries, errors = readable(model.network, asked, pictures=options.images)
    answers = model.solve_pictures(queries) if options.images else model.solve(queries, seed=options.seed)
    for answer in answers:
        record = {"query": answer.query, "answer": answer.text, "confidence": answer.confidence}
        terminal.emit({"event": "answer", **record})
        if not terminal.json:
            terminal.data(f"{answer.query} = {answer.text}  ({answer.confidence:.1%})")
    if draws and answers:
        frames = torch.cat([answer.frames for answer in answers if answer.frames is not None])
        save_png(labelled_rows(frames, [f"{answer.query} =" for answer in answers]), path)
        terminal.notice(f"{path}: the answers as pictures")
        terminal.emit({"event": "picture", "path": str(path)})
    for error in errors[:-1]:
        terminal.notice(str(error))
    if errors:
        raise errors[-1]


app = command(solve)
