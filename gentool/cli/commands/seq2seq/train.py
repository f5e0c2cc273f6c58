"""`gentool seq2seq train TASK`."""

from pathlib import Path
from typing import Any

import typer

from gentool.cli.command import command
from gentool.cli.examples import examples_of
from gentool.cli.lazy import lazy_group

TASKS = {
    "text2text": "Text of a query in, text of its answer out.",
    "image2text": "Pictures of handwritten symbols in, text out.",
    "text2image": "Text in, pictures of the answer's symbols out.",
    "image2image": "Pictures in, pictures out.",
}


def train_group() -> None:
    """Train a network that calculates with sequences of symbols.

    Run the same command again to resume an unfinished run. Raise --epochs to continue a finished one.
    """


def load_task(name: str) -> typer.Typer:
    """The training command of one task, with its flags."""
    from gentool.cli.commands.train import GROUPS, finish
    from gentool.cli.options import run_output
    from gentool.engine.context import flush_denormals
    from gentool.engine.terminal import Terminal
    from gentool.seq2seq.model import train
    from gentool.seq2seq.options import TASKS as OPTIONS

    def train_task(options: Any, output: Any, terminal: Terminal) -> None:
        folder = output.out or Path("runs") / f"seq2seq-{name}"
        with flush_denormals():  # from before the first computation in several threads
            train(name, options, out=folder, overwrite=output.overwrite, reporter=terminal)
        finish(folder, options.next_command, terminal)

    return command(
        train_task, TASKS[name], processes=True, groups=GROUPS,
        options=OPTIONS[name], output=run_output(f"runs/seq2seq-{name}"),
    )  # fmt: skip


EXAMPLES = examples_of("gentool seq2seq train", "text2text")
app = lazy_group(TASKS, load_task, callback=train_group, examples=EXAMPLES)
