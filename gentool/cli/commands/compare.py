"""`gentool compare CKPT...`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import typer

from gentool.cli.command import command
from gentool.cli.options import DEFAULT_DATA, ModelDataOptions, OutputOptions, output_options
from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.engine.budget import parse_seconds, seconds_as_text
from gentool.engine.device import DeviceOptions, choose_device
from gentool.engine.terminal import Terminal
from gentool.errors import OptionError
from gentool.evaluation.budget import plan_path, planned_steps, train_in_jobs, train_within_budget
from gentool.evaluation.compare import COMPARISON, compare
from gentool.evaluation.evaluate import check_likelihood
from gentool.evaluation.options import ScoreOptions
from gentool.files import write_json
from gentool.jobs import ClusterOptions
from gentool.latent.model import Model
from gentool.models import MODELS
from gentool.options import command_words, flag, one_of, option, redefault
from gentool.progress import Reporter


@dataclass(frozen=True, kw_only=True)
class TrainFirstOptions(ClusterOptions):
    """Which models to train first."""

    panel: ClassVar[str] = "Training runs"

    train: tuple[str, ...] | None = option(
        None,
        "Train these models first, with their default options: comma-separated names.",
        metavar="MODEL[,MODEL]",
        parse=one_of(MODELS),
    )
    budget: float = option(
        300.0,
        "Time for each training run, such as 90s, 5m or 1h.",
        metavar="TIME",
        parse=parse_seconds,
        write=seconds_as_text,
        only_with={"train": True},
    )
    seeds: int = option(
        1,
        "Training runs per model, with the seeds --seed, --seed + 1, ...",
        min=1,
        max=1000,
        only_with={"train": True},
        not_with={"plan": True},
    )
    plan: bool = option(
        False, "Only measure how many updates fit into --budget, and save the number.", only_with={"train": True}
    )
    jobs: int = option(1, "Number of jobs at a time.", min=1, max=256, only_with={"cluster": ("slurm", "local")})
    cluster: Literal["slurm", "local"] | None = redefault(
        ClusterOptions, "cluster", None, only_with={"train": True}, not_with={"plan": True}
    )


def side_by_side(
    options: ScoreOptions,
    first: TrainFirstOptions,
    data: ModelDataOptions,
    device: DeviceOptions,
    output: Any,
    terminal: Terminal,
    checkpoints: Annotated[
        list[Path] | None, typer.Argument(help="Checkpoints: model.pt files or run folders.", metavar="CKPT")
    ] = None,
) -> None:
    """Compare models in one table (CSV, Markdown) and one picture. Models that differ only in their seed share a row.

    The real images are those that the first checkpoint was trained on, or faces for --train.
    """
    if bool(checkpoints) == (first.train is not None):
        raise OptionError("give checkpoints to compare, or --train with models to train first")
    if first.train is not None:
        check_likelihood(first.train, options)
        images = load_data(data.data or DEFAULT_DATA, data.preparation, reporter=terminal)
        folder = destination(output, images.name, resuming=True)
        if first.plan and options.changed():
            raise OptionError(f"{flag(options.changed()[0])}: has no effect with --plan")
        if first.cluster is not None:
            first.check_cluster(folder)
            choose_device(device.device)  # the models are scored here
        if not COMPARISON.read(folder):
            write_json(folder / COMPARISON.record, {"checkpoints": [], "trained": first.train})
        if first.plan:
            try_out(first, images, folder, device.device, overwrite=output.overwrite, terminal=terminal)
            return
        seeds = range(options.seed, options.seed + first.seeds)
        reporter = WithoutRows(terminal)
        if first.cluster is None:
            models = train_within_budget(
                first.train, images, first.budget, seeds, folder, device=device.device, overwrite=output.overwrite,
                reporter=reporter,
            )  # fmt: skip
        else:
            models = train_in_jobs(
                first.train, images, first.budget, seeds, folder, cluster=first, at_a_time=first.jobs,
                source=command_words(data), device=device.device, overwrite=output.overwrite, reporter=reporter,
            )  # fmt: skip
    else:
        models = [Model.load(path, device=device.device) for path in checkpoints or []]
        images = data.load_for(models[0].header, terminal)
        folder = destination(output, images.name, resuming=False)
    comparison = compare(models, images, options, reporter=terminal)
    comparison.save(folder)
    terminal.notice(comparison.to_markdown().strip())
    terminal.notice(f"{folder}: comparison.csv, .md and .png")
    terminal.result(folder, {"event": "done", "folder": str(folder), "rows": comparison.table.rows})


def try_out(
    first: TrainFirstOptions, images: ImageData, folder: Path, device: str, *, overwrite: bool, terminal: Terminal
) -> None:
    """Try out how many updates of each model fit into the budget."""
    steps = {}
    for name in first.train or ():
        plan = plan_path(folder, name)
        if overwrite:
            plan.unlink(missing_ok=True)
        steps[name] = planned_steps(name, images, first.budget, device, plan, reporter=WithoutRows(terminal))
    listed = ", ".join(f"{name} {count:,}" for name, count in steps.items())
    terminal.notice(f"{folder}: updates that fit into {seconds_as_text(first.budget)}: {listed}")
    terminal.result(folder, {"event": "done", "folder": str(folder), "steps": steps})


class WithoutRows(Reporter):
    """Reports trainings that are part of another command: their rows are not its data."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
        """As the terminal does."""
        self.terminal.progress(task, done, total, detail)

    def notice(self, text: str) -> None:
        """As the terminal does."""
        self.terminal.notice(text)

    def close(self) -> None:
        """As the terminal does."""
        self.terminal.close()


def destination(output: OutputOptions, data: str, *, resuming: bool) -> Path:
    """The folder to write. With --train, a folder that has such trainings in it is continued."""
    folder = output.out or Path(f"comparison-{data}")
    record = COMPARISON.read(folder)
    if resuming and ("trained" in record or any((folder / "runs").glob("*-plan.json"))):
        return folder
    return replace(output, out=folder).path(folder, results=COMPARISON)


COMPARISON_OUTPUT = output_options(
    "comparison-DATA", out_help="The folder to write.", overwrite_help="Replace the folder if it exists."
)
app = command(side_by_side, output=COMPARISON_OUTPUT)
