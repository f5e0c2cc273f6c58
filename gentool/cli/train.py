"""`gentool train MODEL`."""

from pathlib import Path
from typing import Any

import typer

from gentool.cli.command import command
from gentool.cli.lazy import lazy_group
from gentool.models import MODELS


def train_group() -> None:
    """Train a model on --data.

    The same command again resumes an unfinished run; more --epochs go on with a finished one.
    """


def load_model(name: str) -> typer.Typer:
    """The training command of one model, with that model's flags."""
    from gentool.cli.dataset import DataOptions
    from gentool.cli.place import PlaceOptions, run_place
    from gentool.engine.run import Run
    from gentool.engine.terminal import Terminal, TerminalOptions
    from gentool.models import model_module

    module = model_module(name)

    def train(data: DataOptions, options: Any, place: PlaceOptions, terminal: TerminalOptions) -> None:
        voice = Terminal(terminal)
        images = data.load(voice)
        folder = place.out or Path("runs") / f"{name}-{images.name}"
        run = Run(folder, name, options, images, voice, overwrite=place.overwrite)
        if not run.done_before():
            with run:
                module.train(options, images, run)

    return command(
        train, f"{MODELS[name]}\n\n{module.__doc__}", options=module.Options, place=run_place(f"runs/{name}-DATA")
    )


app = lazy_group(MODELS, load_model, callback=train_group)
