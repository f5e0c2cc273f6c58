"""Trainings of several models that each get the same time."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gentool.data.images import ImageData
from gentool.engine.budget import seconds_as_text, updates_within
from gentool.engine.folder import length_in
from gentool.engine.journal import earlier_result
from gentool.engine.many import run_many
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Plan
from gentool.errors import OptionError, Stopped
from gentool.files import write_json
from gentool.jobs import ClusterOptions, Jobs
from gentool.latent.loading import train
from gentool.latent.model import Model
from gentool.launcher import gentool_command
from gentool.models import options_class
from gentool.options import command_words
from gentool.progress import SILENT, Reporter, counted
from gentool.reading import read_json

TRIAL_SHARE = 0.1
"""The last trial takes at least this share of the budget. Trials are not counted in it."""


def train_within_budget(
    names: tuple[str, ...],
    data: ImageData,
    budget: float,
    seeds: range,
    folder: Path,
    *,
    device: str = "auto",
    overwrite: bool = False,
    reporter: Reporter = SILENT,
) -> list[Model]:
    """Train each model with its default options and each seed for `budget` seconds, in FOLDER/runs/MODEL-SEED.

    How many updates fit is tried out once per model. Runs that are there already are resumed, or left when finished;
    with `overwrite` all is done again. Raises OptionError where they have another budget.
    """
    count = len(names) * len(seeds)
    minutes = count * budget / 60
    reporter.notice(f"{counted(count, 'training run')} of {budget:g} s: about {minutes:,.1f} min, plus short trials")
    models = []
    for name in names:
        plan = plan_path(folder, name)
        if overwrite:
            plan.unlink(missing_ok=True)
        steps = planned_steps(name, data, budget, device, plan, reporter=reporter)
        for seed in seeds:
            out = folder / "runs" / f"{name}-{seed}"
            options = options_of(name, data, steps, device, seed)
            models.append(train(name, data, options, out=out, overwrite=overwrite, reporter=reporter))
    return models


def train_in_jobs(
    names: tuple[str, ...],
    data: ImageData,
    budget: float,
    seeds: range,
    folder: Path,
    *,
    cluster: ClusterOptions,
    at_a_time: int,
    source: Sequence[str],
    device: str = "auto",
    overwrite: bool = False,
    reporter: Reporter = SILENT,
) -> list[Model]:
    """As `train_within_budget`, with every training in a job of its own; `source` are the flags that give the data.

    How many updates of a model fit is tried out in a job as well, so on a machine of the same kind.
    """
    count = len(names) * len(seeds)
    jobs = Jobs(cluster, folder, at_a_time, reporter=reporter)
    reporter.notice(f"{counted(count, 'training run')} of {budget:g} s, {at_a_time} at a time{jobs.where}")
    plans = {name: plan_path(folder, name) for name in names}
    for plan in plans.values() if overwrite else ():
        plan.unlink(missing_ok=True)
    gentool = gentool_command()

    def try_out(name: str) -> None:
        words = ["compare", "--quiet", f"--train={name}", f"--budget={seconds_as_text(budget)}", "--plan", *source]
        ended = jobs.run(f"{name}-plan", [*gentool, *words, f"--device={device}", f"--out={folder}"], continues=False)
        if ended is not None:
            ended.check(f"{name}-plan")

    def tried_out(name: str, left: int) -> None:
        steps = planned_steps(name, data, budget, device, plans[name])
        reporter.notice(f"{name}: {steps:,} updates fit into {budget:,.0f} s")

    new = [name for name in names if earlier_plan(plans[name], budget, reporter) is None]
    run_many(new, try_out, jobs, tried_out)
    jobs = Jobs(cluster, folder, at_a_time, reporter=reporter)
    steps = {name: planned_steps(name, data, budget, device, plans[name]) for name in names}
    runs = {
        folder / "runs" / f"{name}-{seed}": (name, options_of(name, data, steps[name], device, seed))
        for name in names for seed in seeds
    }  # fmt: skip

    def is_due(out: Path) -> bool:
        return overwrite or earlier_result(out) is None or length_in(out)[1] != runs[out][1].steps

    def train_one(out: Path) -> None:
        name, options = runs[out]
        words = ["train", name, "--quiet", *source, *command_words(options), f"--out={out}"]
        ended = jobs.run(out.name, [*gentool, *words, *(["--overwrite"] if overwrite else [])])
        if ended is not None:
            ended.check(out.name)

    def trained(out: Path, left: int) -> None:
        reporter.notice(f"{count - left} of {count}: {out.name}: done")

    run_many([out for out in runs if is_due(out)], train_one, jobs, trained)
    return [train(name, data, options, out=out) for out, (name, options) in runs.items()]  # all are finished


def options_of(name: str, data: ImageData, steps: int, device: str, seed: int = 0) -> TrainOptions:
    """The default options of a training under a budget, with pictures of the first and the last epoch only.

    Those of short epochs would take most of the time, and not in proportion to the updates.
    """
    options = options_class(name)(steps=steps, seed=seed, device=device)  # type: ignore[arg-type]
    return replace(options, sample_every=Plan.of(options.for_data(data), len(data.train)).total_epochs)


def plan_path(folder: Path, name: str) -> Path:
    """Where the number of updates of a model is kept in a comparison's folder."""
    return folder / "runs" / f"{name}-plan.json"


def planned_steps(
    name: str, data: ImageData, budget: float, device: str, plan: Path, *, reporter: Reporter = SILENT
) -> int:
    """The number of updates of a model that fit into a time in seconds: tried out, and kept to resume with."""
    earlier = earlier_plan(plan, budget, reporter)
    if earlier is not None:
        return earlier
    trial = plan.with_name(f"{name}-trial")  # in a folder, as the trainings are: what they write takes time as well

    def seconds_of(steps: int) -> float:
        shutil.rmtree(trial, ignore_errors=True)
        return float(train(name, data, options_of(name, data, steps, device), out=trial).history.rows[-1]["seconds"])

    try:
        planned, trials = updates_within(seconds_of, budget, share=TRIAL_SHARE)
    except Stopped:
        raise Stopped(
            f"{name}: stopped while measuring how many updates fit; run the same command again to continue"
        ) from None
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    write_json(plan, {"model": name, "seconds": budget, "steps": planned, "trials": trials})
    reporter.notice(f"{name}: {planned:,} updates fit into {budget:,.0f} s")
    return planned


def earlier_plan(plan: Path, budget: float, reporter: Reporter = SILENT) -> int | None:
    """The number of updates that was tried out earlier; None where it was not, or where the file is damaged.

    Raises OptionError for another budget.
    """
    if not plan.is_file():
        return None
    try:
        earlier = read_json(plan, {"seconds": float, "steps": int})
    except ValueError:
        reporter.notice(f"{plan}: damaged; the number of updates is measured again")
        return None
    if earlier["seconds"] != budget:
        raise OptionError(
            f"{plan.parent.parent} has training runs of {earlier['seconds']:g} s, not {budget:g} s; "
            "give another --out, or --overwrite to train again"
        )
    return int(earlier["steps"])


def training_cost(model: Model) -> dict[str, float]:
    """The training time and the number of updates of a model; empty where its history is not known."""
    rows = model.history.rows[-1:]
    return {f"training_{name}": row[name] for row in rows for name in ("seconds", "step") if name in row}
