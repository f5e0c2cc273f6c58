"""Sweeps: every combination of option values, or one option varied at a time; a run for each, one table and one plot.
A finished run is never trained twice."""

import math
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from gentool.engine.folder import RESULT, is_empty, owned
from gentool.engine.journal import earlier_result
from gentool.engine.many import run_many
from gentool.errors import CheckpointError, Diverged, OptionError, Stopped
from gentool.figures.style import FigureOptions
from gentool.files import write_json
from gentool.jobs import ClusterOptions, Jobs
from gentool.launcher import gentool_command
from gentool.options import flag, option
from gentool.processes import Processes
from gentool.progress import SILENT, Reporter, counted
from gentool.reading import Each, read_json
from gentool.seq2seq.options import options_class
from gentool.seq2seq.sweep_cells import Cell, as_text, cells_of
from gentool.seq2seq.sweep_results import DIVERGED, FILES, SCORES, Sweep
from gentool.tables import Table

PLAN = "sweep.json"


@dataclass(frozen=True, kw_only=True)
class SweepOptions(ClusterOptions):
    """How the runs are made."""

    panel: ClassVar[str] = "Sweep"

    repeats: int = option(1, "Runs per combination, with the seeds --seed, --seed + 1, ...", min=1, max=1000)
    seed: int = option(0, "The first seed.", min=0, max=2**31 - 1)
    jobs: int = option(1, "Runs at a time; on this machine, each gets its share of the CPU cores.", min=1, max=256)
    cross: bool = option(
        False, "Vary one option at a time, with the others at their first value, instead of training all combinations."
    )


def sweep(
    task: str,
    values: Mapping[str, Any],
    *,
    out: Path | str,
    repeats: int = 1,
    seed: int = 0,
    jobs: int = 1,
    cross: bool = False,
    cluster: Literal["slurm", "local"] | None = None,
    cluster_options: str | tuple[str, ...] | None = None,
    overwrite: bool = False,
    figures: FigureOptions | None = None,
    reporter: Reporter = SILENT,
) -> Sweep:
    """Train combinations of option values, in runs under the folder `out`, and write its tables and plot.

    Args:
        values: Option to its values: `0.1:0.9:0.1` with both ends included, `1:5`, `16,32`, a list, or one value.
        repeats: Runs per combination, with the seeds `seed`, `seed` + 1, ...
        jobs: Runs at a time; on this machine, each in a process with its share of the CPU cores.
        cross: Vary one option at a time, the others at their first value, in place of all combinations.
        cluster: Train each run in a job of Slurm, or in a job on this machine to try it out.
        cluster_options: Options of sbatch for each job, such as `partition=gpu,time=4:00:00`.
        overwrite: Start again in a folder that holds a sweep.
        figures: How to write the plot.

    A run that diverges has no scores, and a 1 in the column `diverged`. Raises OptionError for values that a run would
    refuse, Stopped when asked to stop; the same call continues then.
    """
    how = SweepOptions(
        repeats=repeats, seed=seed, jobs=jobs, cross=cross, cluster=cluster,
        cluster_options=cluster_options,  # type: ignore[arg-type]  # parsed
    )  # fmt: skip
    repeats, seed, jobs = how.repeats, how.seed, how.jobs
    values = {name: as_text(value) for name, value in values.items()}
    cells = cells_of(options_class(task), values, seed, repeats, cross=how.cross)
    folder = Path(out).expanduser()
    how.check_cluster(folder)
    runner = Processes(jobs) if cluster is None else Jobs(how, folder, jobs, reporter=reporter)
    plan = {"task": task, "options": dict(values), "seed": seed, "repeats": repeats, "cross": how.cross}
    check_folder(folder, plan, overwrite)
    with owned(folder, reporter.notice):
        if overwrite:
            for path in (*(folder / name for name in FILES), *(folder / cell.name / RESULT for cell in cells)):
                path.unlink(missing_ok=True)
        write_json(folder / PLAN, plan)
        reporter.notice(f"{folder}: {counted(len(cells), 'run')} of {task}, {jobs} at a time{runner.where}")
        workers = Workers(task, folder, runner, overwrite, figures)
        run_all(cells, workers, reporter)
        done = finished(cells, folder, workers.diverged)
        done.save(folder, figures)
    return done


def check_folder(folder: Path, plan: Mapping[str, Any], overwrite: bool) -> None:
    """Raises OptionError where the folder holds something else than this sweep, CheckpointError for a damaged one."""
    file = folder / PLAN
    if file.is_file() and not overwrite:
        try:
            before = read_json(file, {"task": str, "options": Each(str)})
            same = before["task"] == plan["task"] and set(before["options"]) == set(plan["options"])
        except ValueError as error:
            raise CheckpointError(f"{file}: damaged; give --overwrite to start again, or another --out") from error
        if not same:
            over = ", ".join(map(flag, before["options"])) or "no options"
            raise OptionError(
                f"{folder} holds another sweep: of {before['task']} over {over}. Give another --out, or --overwrite"
            )
    elif not file.is_file() and not is_empty(folder):
        raise OptionError(f"--out {folder}: not empty, and not a gentool sweep; choose another folder")


def command(task: str, cell: Cell, folder: Path, overwrite: bool) -> list[str]:
    """The command that trains one cell."""
    words = [*gentool_command(), "seq2seq", "train", task, "--quiet", "--out", str(folder)]
    for name, value in {**cell.values, "seed": cell.seed}.items():
        if isinstance(value, bool):
            words.append(flag(name) if value else flag(name).replace("--", "--no-", 1))
        else:
            words += [flag(name), str(value)]
    return [*words, "--overwrite"] if overwrite else words


class Workers:
    """Trainings of the cells of a sweep, by a runner of commands."""

    def __init__(self, task: str, folder: Path, runner: Processes | Jobs, overwrite: bool = False,
                 figures: FigureOptions | None = None) -> None:  # fmt: skip
        self.task, self.folder, self.runner, self.overwrite, self.figures = task, folder, runner, overwrite, figures
        self.diverged: dict[str, str] = {}

    def train(self, cell: Cell) -> None:
        """Train one cell to its end, or until it diverges, which is noted. Does nothing after the runner's `stop`.

        Raises Stopped when the run was stopped by a signal, GentoolError when it fails.
        """
        ended = self.runner.run(cell.name, command(self.task, cell, self.folder / cell.name, self.overwrite))
        if ended is not None:
            try:
                ended.check(cell.name)
            except Diverged as error:
                self.diverged[cell.name] = str(error)


def run_all(cells: Sequence[Cell], workers: Workers, reporter: Reporter = SILENT) -> None:
    """Train what is not finished; the tables grow as runs end.

    Ctrl-C or SIGTERM lets the runs under way save; they continue when the sweep is started again. Raises Stopped then,
    and GentoolError when a run fails.
    """
    todo = [cell for cell in cells if earlier_result(workers.folder / cell.name) is None]
    started = time.monotonic()

    def ended(cell: Cell, waiting: int) -> None:
        done = len(cells) - waiting
        left = (time.monotonic() - started) / (len(todo) - waiting) * waiting
        reporter.progress("runs", done, len(cells))
        how = f"diverged ({workers.diverged[cell.name]})" if cell.name in workers.diverged else "done"
        if waiting:
            how += f"; about {math.ceil(left / 60)} min left"
        reporter.notice(f"{done} of {len(cells)}: {cell.name}: {how}")
        finished(cells, workers.folder, workers.diverged).save(workers.folder, workers.figures)

    try:
        run_many(todo, workers.train, workers.runner, ended)
    except Stopped as stopped:
        raise Stopped(f"{workers.folder}: {stopped}") from None


def finished(cells: Sequence[Cell], folder: Path, diverged: Container[str] = ()) -> Sweep:
    """The runs that have ended: options, seed, scores, seconds; of those that `diverged` that they did."""
    rows = []
    for cell in cells:
        result = earlier_result(folder / cell.name)
        if result is not None:
            scores = {name.removeprefix("test_"): result[name] for name in SCORES if name in result}
            rows.append({**cell.values, "seed": cell.seed, **scores, "seconds": result["seconds"]})
        elif cell.name in diverged:
            rows.append({**cell.values, "seed": cell.seed, DIVERGED: 1})
    return Sweep(Table(rows))
