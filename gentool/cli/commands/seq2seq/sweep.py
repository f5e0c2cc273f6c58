"""`gentool seq2seq sweep TASK`: the flags of the training, each with any number of values."""

import dataclasses
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

import typer

from gentool.cli.command import command
from gentool.cli.commands.seq2seq.train import TASKS
from gentool.cli.examples import examples_of
from gentool.cli.lazy import lazy_group
from gentool.errors import Diverged
from gentool.options import Validated, written
from gentool.progress import counted


def sweep_group() -> None:
    """Train every combination of option values: `0.1:0.9:0.1`, `1:5` or `16,32` for any option; `--cross` varies one at
    a time.

    Run the same command again to continue: finished runs are never trained twice.
    """


def load_task(name: str) -> typer.Typer:
    """The sweep of one task."""
    from gentool.cli.options import output_options
    from gentool.engine.terminal import Terminal
    from gentool.figures.style import FigureOptions
    from gentool.seq2seq.options import TASKS as OPTIONS
    from gentool.seq2seq.sweep_results import FILES
    from gentool.seq2seq.sweeps import SweepOptions, sweep

    def sweep_task(options: Any, values: Any, figures: FigureOptions, output: Any, terminal: Terminal) -> None:
        given = {key: text for key, text in vars(values).items() if text is not None}
        folder = output.out or Path("runs") / f"sweep-{name}"
        done = sweep(
            name, given, out=folder, repeats=options.repeats, seed=options.seed, jobs=options.jobs,
            cross=options.cross, cluster=options.cluster, cluster_options=options.cluster_options,
            overwrite=output.overwrite, figures=figures, reporter=terminal,
        )  # fmt: skip
        for line in done.markdown():
            terminal.notice(line)
        terminal.notice(f"{folder}: {', '.join(name for name in FILES if (folder / name).is_file())}")
        terminal.result(
            folder, {"event": "done", "folder": str(folder), "runs": len(done.runs), "diverged": done.diverged}
        )
        if done.diverged:
            raise Diverged(
                f"{folder}: {done.diverged} of {counted(len(done.runs), 'run')} diverged; runs.csv shows which, and "
                "has the scores of the others"
            )

    return command(
        sweep_task,
        f"{TASKS[name]} {sweep_group.__doc__}",
        options=SweepOptions,
        values=value_lists(OPTIONS[name]),
        output=output_options(
            f"runs/sweep-{name}",
            out_help="The sweep's folder.",
            overwrite_help="Start again: train all runs from scratch.",
        ),
    )


def value_lists(kind: type[Validated]) -> type[Validated]:
    """The options of a training as texts that list values; none is given by default."""
    lists = []
    for one in dataclasses.fields(kind):
        if one.name == "seed":
            continue
        words = {True: "yes", False: "no", None: ""}
        default = written(one, one.default)
        default = one.metadata["default_text"] or (
            words[default] if default is None or isinstance(default, bool) else str(default)
        )
        settings = {
            **one.metadata, "parse": None, "min": None, "max": None, "short": None, "alias": None, "metavar": "VALUES",
            "only_with": {}, "not_with": {}, "default_text": default,
        }  # fmt: skip
        lists.append((one.name, str | None, field(default=None, metadata=settings)))
    values = {"help_values": classmethod(lambda cls: kind.help_values())}
    return make_dataclass("ValueLists", lists, bases=(Validated,), namespace=values, frozen=True, kw_only=True)


EXAMPLES = examples_of("gentool seq2seq sweep", "text2text")
app = lazy_group(TASKS, load_task, callback=sweep_group, examples=EXAMPLES)
