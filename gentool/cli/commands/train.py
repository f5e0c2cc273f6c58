"""`gentool train MODEL`."""

import shlex
from pathlib import Path
from typing import Any

import typer

from gentool.cli.command import command
from gentool.cli.examples import examples_of
from gentool.cli.lazy import lazy_group
from gentool.launcher import place
from gentool.models import MODELS

PARAGRAPH = "\n\n"
GROUPS: dict[str, tuple[str, ...]] = {
    "Model": ("latent_dim", "arch", "width", "channels", "hidden", "loss"),
    "Training": (
        *("data", "out", "overwrite", "epochs", "steps", "budget", "batch_size", "lr", "seed", "device"),
        *("flip", "zoom"),
    ),
    "Advanced": ("keep", "score_every", "sample_every"),
}
"""The groups of a training's help page, the same for every model and task."""
SAMPLES = 64
"""Samples that are drawn in the terminal at the end, as far as they fit on the screen."""


def train_group() -> None:
    """Train a model on --data.

    Run the same command again to resume an unfinished run. Raise --epochs to continue a finished one.
    """


def load_model(name: str) -> typer.Typer:
    """The training command of one model, with that model's flags."""
    from gentool.cli.options import DataOptions, run_output
    from gentool.engine.context import flush_denormals
    from gentool.engine.terminal import Terminal
    from gentool.latent.loading import train
    from gentool.models import model_module

    module = model_module(name)

    def train_model(data: DataOptions, options: Any, output: Any, terminal: Terminal) -> None:
        with flush_denormals():  # from before the first computation in several threads
            images = data.load(terminal)
            folder = output.out or Path("runs") / f"{name}-{images.name}"
            model = train(name, images, options, out=folder, overwrite=output.overwrite, reporter=terminal)
        if not place().rank:
            terminal.draw(lambda: model.sample(SAMPLES))
        finish(folder, options.next_command.format(model=model.name), terminal)

    assert module.__doc__ is not None
    description = f"{MODELS[name]}\n\n{module.__doc__.partition(PARAGRAPH)[0]}"
    return command(
        train_model, description, processes=True, groups=GROUPS,
        options=module.Options, output=run_output(f"runs/{name}-DATA"),
    )  # fmt: skip


def finish(folder: Path, next_command: str, terminal: Any) -> None:
    """Print the command to try next, and the run's folder or its result: once, however many processes have trained."""
    if place().rank:
        return
    from gentool.engine.journal import earlier_result

    terminal.notice(f"Next: {next_command} {shlex.quote(str(folder))}")
    terminal.result(folder, {"event": "done", "run": str(folder), **(earlier_result(folder) or {})})


app = lazy_group(MODELS, load_model, callback=train_group, examples=examples_of("gentool train", "vae"))
