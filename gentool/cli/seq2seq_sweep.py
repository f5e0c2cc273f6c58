"""`gentool seq2seq sweep TASK`: the flags of the training, each with as many values as one likes."""

import dataclasses
import json
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any, ClassVar

import typer

from gentool.cli.command import command
from gentool.cli.lazy import lazy_group
from gentool.cli.place import run_place
from gentool.cli.seq2seq_train import TASKS
from gentool.engine.terminal import TerminalOptions
from gentool.options import Validated, option


def sweep_group() -> None:
    """Train every combination of option values: `0.1:0.9:0.1`, `1:5` or `16,32` for any option.

    The same command again goes on: what is finished is never trained twice.
    """


@dataclass(frozen=True, kw_only=True)
class SweepOptions(Validated):
    """How the runs are made."""

    panel: ClassVar[str] = "Sweep"

    repeats: int = option(1, "Runs of each combination, with the seeds --seed, --seed + 1, ...", min=1, max=1000)
    seed: int = option(0, "The first seed.", min=0, max=2**31 - 1)
    jobs: int = option(1, "Runs at a time, each with its share of the CPU cores.", min=1, max=256)


def load_task(name: str) -> typer.Typer:
    """The sweep of one task."""
    from gentool.engine.journal import RESULT
    from gentool.engine.terminal import Terminal
    from gentool.errors import CheckpointError, OptionError
    from gentool.files import write_json
    from gentool.seq2seq.options import TASKS as KINDS
    from gentool.seq2seq.sweep import Workers, cells, finished, markdown, means, run_all, write_tables

    kind = KINDS[name]

    def sweep(options: SweepOptions, values: Any, place: Any, terminal: TerminalOptions) -> None:
        voice = Terminal(terminal)
        given = {key: text for key, text in dataclasses.asdict(values).items() if text is not None}
        every = cells(kind, given, options.seed, options.repeats)
        folder = place.out or Path("runs") / f"sweep-{name}"
        plan = {"task": name, "options": given, "seed": options.seed, "repeats": options.repeats}
        written = folder / "sweep.json"
        if written.is_file() and not place.overwrite:
            try:
                before = json.loads(written.read_text(encoding="utf-8"))
                same = before["task"] == name and set(before["options"]) == set(given)
            except (ValueError, KeyError, TypeError) as error:
                raise CheckpointError(
                    f"{written}: damaged; give --overwrite to start again, or another --out"
                ) from error
            if not same:
                raise OptionError(f"{folder} holds another sweep: {before}. Give another --out, or --overwrite")
        elif folder.exists() and any(folder.iterdir()) and not written.is_file():
            raise OptionError(f"--out {folder}: not empty, and not a sweep of gentool's; choose another folder")
        if place.overwrite:
            for cell in every:
                (folder / cell.name / RESULT).unlink(missing_ok=True)
        write_json(written, plan)
        voice.say(f"{folder}: {len(every)} runs of {name}, {options.jobs} at a time")
        run_all(every, Workers(name, folder, options.jobs, place.overwrite), options.jobs, voice)
        rows = finished(every, folder)
        write_tables(rows, folder)
        for line in markdown(means(rows)):
            voice.say(line)
        voice.result(folder, {"event": "done", "folder": str(folder), "runs": len(rows)})

    return command(
        sweep, f"{TASKS[name]} {sweep_group.__doc__}", values=several(kind), place=run_place(f"runs/sweep-{name}")
    )


def several(kind: type[Validated]) -> type[Validated]:
    """The options of a training as texts that list values; none is given by default."""
    listed = []
    for one in dataclasses.fields(kind):
        if one.name == "seed":
            continue
        settings = {**one.metadata, "parse": None, "min": None, "max": None, "short": None, "metavar": "VALUES"}
        default = "by recipe or length" if one.default is None else one.default
        settings["help"] = str(one.metadata["help"]).split(" (default:")[0] + f" (one run: {default})"
        listed.append((one.name, str | None, field(default=None, metadata=settings)))
    return make_dataclass("Several", listed, bases=(Validated,), frozen=True, kw_only=True)


app = lazy_group(TASKS, load_task, callback=sweep_group)
