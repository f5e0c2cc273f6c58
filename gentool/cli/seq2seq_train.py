"""`gentool seq2seq train TASK`."""

from pathlib import Path
from typing import Any

import typer

from gentool.cli.command import command
from gentool.cli.lazy import lazy_group
from gentool.engine.terminal import TerminalOptions

TASKS = {
    "text2text": "Text of a query in, text of its answer out.",
    "image2text": "Pictures of handwritten symbols in, text out.",
    "text2image": "Text in, pictures of the answer's symbols out.",
    "image2image": "Pictures in, pictures out.",
}


def train_group() -> None:
    """Train a network that does arithmetic over sequences of symbols.

    The same command again resumes an unfinished run; more --epochs go on with a finished one.
    """


def load_task(name: str) -> typer.Typer:
    """The training command of one task, with its flags."""
    from gentool.cli.place import run_place
    from gentool.engine.run import Run
    from gentool.engine.terminal import Terminal
    from gentool.seq2seq.handwriting import load_pictures
    from gentool.seq2seq.options import TASKS as KINDS
    from gentool.seq2seq.queries import arithmetic
    from gentool.seq2seq.train import train

    def train_task(options: Any, place: Any, terminal: TerminalOptions) -> None:
        voice = Terminal(terminal)
        data = arithmetic(options, load_pictures(options))
        folder = place.out or Path("runs") / f"seq2seq-{name}"
        run = Run(folder, name, options, data, voice, overwrite=place.overwrite)
        if not run.done_before():
            with run:
                train(options, data, run)

    return command(train_task, TASKS[name], options=KINDS[name], place=run_place(f"runs/seq2seq-{name}"))


app = lazy_group(TASKS, load_task, callback=train_group)
