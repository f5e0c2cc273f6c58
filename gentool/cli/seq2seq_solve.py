"""`gentool seq2seq solve CKPT QUERY...`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from gentool.cli.app import CHECKPOINT_HELP
from gentool.cli.command import command
from gentool.cli.place import PlaceOptions
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import OptionError
from gentool.figures.grids import labelled_rows, save_png
from gentool.options import Validated, option
from gentool.seq2seq.solve import Solved, solve_pictures, solve_texts
from gentool.seq2seq.trained import Trained, load_seq2seq


@dataclass(frozen=True, kw_only=True)
class SolveOptions(Validated):
    """How to answer."""

    images: bool = option(False, "The arguments are pictures: strips of square symbols, or folders with one for each.")
    seed: int = option(0, "Seed of the handwriting in which a model that reads pictures is shown text.", min=0)
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")


def seq2seq_solve(
    checkpoint: Annotated[Path, typer.Argument(help=CHECKPOINT_HELP)],
    options: SolveOptions,
    place: PlaceOptions,
    terminal: TerminalOptions,
    queries: Annotated[
        list[str] | None, typer.Argument(help="Such as 81+24; from stdin, one a line, when none is given.")
    ] = None,
) -> None:
    """Answer queries, each with the probability that the model gives its answer.

    Models that draw write a PNG, a row for each answer.
    """
    voice = Terminal(terminal)
    if not queries and sys.stdin.isatty():
        raise OptionError("which queries? Give some, such as 81+24, or pipe them in, one a line")
    asked = queries or [line.strip() for line in sys.stdin if line.strip()]
    if not asked:
        raise OptionError("no query came in")
    trained = load_seq2seq(checkpoint, options.device)
    if place.out is not None and not trained.options.images_out:
        raise OptionError(f"--out: a {trained.header.model} model answers in text, on stdout")
    if options.images:
        solved = solve_pictures(trained, [Path(name) for name in asked])
    else:
        solved = solve_texts(trained, asked, options.seed)
    for one in solved:
        voice.emit({"event": "answer", "query": one.query, "answer": one.text, "confidence": one.confidence})
        if not voice.json:
            voice.data(f"{one.query} = {one.text}  ({one.confidence:.1%})")
    if trained.options.images_out:
        draw(solved, trained, place, voice)


def draw(solved: list[Solved], trained: Trained, place: PlaceOptions, voice: Terminal) -> None:
    """The PNG of all answers."""
    path = place.file(trained.path.parent / "answers.png")
    frames = torch.cat([one.frames for one in solved if one.frames is not None])
    save_png(labelled_rows(frames, [f"{one.query} =" for one in solved]), path)
    voice.say(f"{path}: the answers as pictures")
    voice.emit({"event": "picture", "path": str(path)})


app = command(seq2seq_solve)
