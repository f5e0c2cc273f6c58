"""`gentool seq2seq evaluate CKPT`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from gentool.cli.app import CHECKPOINT_HELP
from gentool.cli.command import command
from gentool.cli.place import PlaceOptions
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.options import Validated, option
from gentool.seq2seq.evaluate import evaluate
from gentool.seq2seq.trained import load_seq2seq


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(Validated):
    """Where to compute."""

    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")


def seq2seq_evaluate(
    checkpoint: Annotated[Path, typer.Argument(help=CHECKPOINT_HELP)],
    options: EvaluateOptions,
    place: PlaceOptions,
    terminal: TerminalOptions,
) -> None:
    """Score a trained model on the held-out queries: exact match and single characters, by group; tables, figures."""
    voice = Terminal(terminal)
    trained = load_seq2seq(checkpoint, options.device)
    folder = place.file(trained.path.parent / f"{trained.path.stem}-evaluation")
    scores = evaluate(trained, folder, voice)
    for name, value in scores.items():
        voice.say(
            f"{name.replace('_', ' ')} {value:,}" if value == int(value) else f"{name.replace('_', ' ')} {value:.5g}"
        )
    voice.result(folder, {"event": "done", "folder": str(folder), **scores})


app = command(seq2seq_evaluate)
