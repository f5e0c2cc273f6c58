"""Sweeps: every combination of option values, or one option varied at a time; a run for each, one table and one plot.
A finished run is never trained twice."""

import hashlib
import itertools
import math
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from gentool.engine.folder import RESULT, is_empty, owned
from gentool.engine.journal import earlier_result
from gentool.engine.many import run_many
from gentool.errors import CheckpointError, Diverged, OptionError, Stopped
from gentool.figures.error_bars import Lines, Point, error_bars
from gentool.figures.style import SUFFIXES, FigureOptions, Plot
from gentool.files import write_json, write_text
from gentool.jobs import ClusterOptions, Jobs, Processes
from gentool.launcher import gentool_command
from gentool.options import field_types, flag, option, suggestion, unwrap_optional
from gentool.progress import SILENT, Reporter, counted
from gentool.reading import Each, read_json, shown
from gentool.seq2seq.options import Options, options_class
from gentool.tables import Table, mean_and_sd

SCORES = ("test_exact_match", "test_character_accuracy", "test_mse", "test_read_exact_match")
ANSWERED, DRAWN = ("exact_match", "character_accuracy"), ("mse", "read_exact_match")
"""The scores in the plot: of answers in text, and of drawn ones."""
SCORE_NAMES = (*(name.removeprefix("test_") for name in SCORES), "seconds")
PLAN = "sweep.json"
PLOTS = tuple(f"sweep.{suffix}" for suffix in SUFFIXES)
FILES = ("runs.csv", "sweep.csv", "table.md", *PLOTS)
MAX_RUNS = 10_000
LARGEST = 10**12
"""The largest end of a range of values."""
MAX_NAME = 120
"""The length of a run's folder name; a longer one ends in a digest."""
DIVERGED = "diverged"


def values_of(text: str, kind: type) -> list[Any]:
    """`0.1:0.9:0.1` (both ends included), `1:5`, `a,b,c` or one value, as values of a type. Raises ValueError."""
    parts = text.split(":")
    if kind in (int, float) and len(parts) in (2, 3):
        try:
            low, high, step = Decimal(parts[0]), Decimal(parts[1]), Decimal(parts[2] if len(parts) == 3 else "1")
        except InvalidOperation:
            raise ValueError("expected FIRST:LAST:STEP, such as 0.1:0.9:0.1") from None
        if not (low.is_finite() and high.is_finite() and step.is_finite()) or max(abs(low), abs(high)) > LARGEST:
            raise ValueError("expected FIRST:LAST:STEP, such as 0.1:0.9:0.1")
        if kind is int and any(number % 1 for number in (low, step)):
            raise ValueError("expected whole numbers")
        if step <= 0 or high < low:
            raise ValueError("expected FIRST:LAST:STEP with FIRST <= LAST and STEP > 0")
        count = int((high - low) / step) + 1
        if count > MAX_RUNS:
            raise ValueError(f"{count:,} values are more than the {MAX_RUNS:,} runs of one sweep")
        return [kind(low + step * number) for number in range(count)]
    if kind is bool:
        words = {"yes": True, "no": False}
        if not set(text.split(",")) <= set(words):
            raise ValueError("expected yes, no or yes,no")
        return [words[word] for word in text.split(",")]
    try:
        return [kind(part) if kind in (int, float) else part for part in text.split(",")]
    except ValueError:
        raise ValueError(f"expected comma-separated values of type {kind.__name__}, or FIRST:LAST:STEP") from None


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


@dataclass(frozen=True)
class Cell:
    """One run of a sweep: the values of the options that vary, and its seed."""

    values: Mapping[str, Any]
    seed: int

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        parts = [f"{name.replace('_', '-')}={value}" for name, value in self.values.items()]
        name = ",".join([*parts, f"seed={self.seed}"]).replace("/", "_")
        if len(name) <= MAX_NAME:
            return name
        return f"{name[: MAX_NAME - 9]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


@dataclass(frozen=True, repr=False)
class Sweep:
    """The results of a sweep: `runs` has a row per run, `table` one per combination, with means and deviations."""

    runs: Table

    def __repr__(self) -> str:
        return "\n".join(self.markdown()) or "<an empty sweep>"

    @property
    def options(self) -> list[str]:
        """The options that were given."""
        return [name for name in self.runs.columns if name not in (*SCORE_NAMES, DIVERGED, "seed")]

    @property
    def varied(self) -> list[str]:
        """The options that have several values."""
        return [name for name in self.options if len(set(self.runs[name])) > 1]

    @property
    def is_cross(self) -> bool:
        """Whether several options vary, each alone, the others as in the first run."""
        first = self.runs.rows[0] if len(self.runs) else {}
        changes = [sum(run[name] != first[name] for name in self.varied) for run in self.runs]
        return len(self.varied) > 1 and max(changes) == 1

    @property
    def diverged(self) -> int:
        """The number of runs that diverged, and have no scores."""
        return sum(run.get(DIVERGED, 0) for run in self.runs)

    @property
    def table(self) -> Table:
        """A row per combination of options: those that vary, the number of runs, mean and sample standard deviation of
        every score."""
        means = mean_and_sd(self.runs.rows, by=self.varied, leave_out=("seed", DIVERGED, *self.options))
        rows = []
        for row in means:
            runs = [run for run in self.runs if all(run[name] == row[name] for name in self.varied)]
            counts = {"runs": len(runs)}
            if self.diverged:
                counts[DIVERGED] = sum(run.get(DIVERGED, 0) for run in runs)
            scores = {name: row[name] for name in row if name not in self.varied}
            rows.append({name: row[name] for name in self.varied} | counts | scores)
        return Table(rows)

    def markdown(self) -> Iterator[str]:
        """The table as lines of Markdown, with mean ± sd in one cell and accuracies in percent; below it the options
        that are the same in all runs."""
        table = self.table
        if not len(table):
            return
        columns = [name for name in table.columns if not name.endswith("_sd")]
        yield "| " + " | ".join(map(_words, columns)) + " |"
        yield "|" + " --- |" * len(columns)
        for row in table:
            yield "| " + " | ".join(_cell(name, row) for name in columns) + " |"
        same = [f"{_words(name)} {self.runs[name][0]}" for name in self.options if name not in self.varied]
        if same:
            yield ""
            yield f"In all runs: {', '.join(same)}."

    def save(self, folder: Path | str, figures: FigureOptions | None = None) -> Path:
        """Write runs.csv, sweep.csv, table.md and sweep.png (or .pdf, .svg) into a folder, which is returned."""
        folder = Path(folder)
        if not len(self.runs):
            return folder
        self.runs.to_csv(folder / "runs.csv")
        self.table.to_csv(folder / "sweep.csv")
        write_text(folder / "table.md", "\n".join(self.markdown()) + "\n")
        for name in PLOTS:
            (folder / name).unlink(missing_ok=True)
        if self.varied and self.diverged < len(self.runs):
            self._plot().save(folder / "sweep", figures)
        return folder

    def _plot(self) -> Plot:
        """A row of axes for each score: of a cross an axis for each option, else one for the first option that varies,
        with a line per combination of the others."""
        table, varied = self.table, self.varied
        rows = {}
        for score in DRAWN if "mse" in table.columns else ANSWERED:
            if score not in table.columns:
                continue
            if self.is_cross:
                lines = [self._arm(name, score) for name in varied]
            else:
                lines = [Lines(_words(varied[0]), _series(table, varied[0], varied[1:], score))]
            rows[f"{_words(score)}\non held-out queries"] = lines
        return error_bars(rows)

    def _arm(self, name: str, score: str) -> Lines:
        """The part of a cross in which one option varies."""
        table = self.table
        others = {other: table.rows[0][other] for other in self.varied if other != name}
        rows = [row for row in table if others.items() <= row.items()]
        return Lines(
            _words(name),
            _series(rows, name, (), score),
            ", ".join(f"{_words(other)} {value}" for other, value in others.items()),
        )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _series(rows: Iterable[Mapping[str, Any]], x: str, others: Sequence[str], score: str) -> dict[str, list[Point]]:
    """The lines of a score against an option, by the values of the others. Rows without the score are left out."""
    series: dict[str, list[Point]] = {}
    for row in rows:
        if score in row:
            name = ", ".join(f"{_words(other)} {row[other]}" for other in others)
            series.setdefault(name, []).append((row[x], row[score], row.get(f"{score}_sd", float("nan"))))
    return series


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
    values = {name: _as_text(value) for name, value in values.items()}
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


def cells_of(
    kind: type[Options], values: Mapping[str, str], seed: int, repeats: int, *, cross: bool = False
) -> list[Cell]:
    """The product of the options' values, or a cross through the first of each, times the seeds. Raises OptionError for
    what a run would refuse."""
    types = field_types(kind)
    lists = {}
    for name, text in values.items():
        if name == "seed":
            raise OptionError("--seed: give the first seed, and the number of seeds as --repeats")
        if name not in types:
            raise OptionError(f"{name!r} is not an option of {kind.task}.{suggestion(name, types)}")
        plain = unwrap_optional(types[name])[0]
        try:
            lists[name] = list(dict.fromkeys(values_of(text, plain if isinstance(plain, type) else str)))
        except ValueError as error:
            raise OptionError(f"{flag(name)}: {shown(text)}: {error}") from None
    count = 1 + sum(len(one) - 1 for one in lists.values()) if cross else math.prod(map(len, lists.values()))
    if count * repeats > MAX_RUNS:
        raise OptionError(f"{count * repeats:,} runs are more than the {MAX_RUNS:,} of one sweep")
    product = (dict(zip(lists, chosen, strict=True)) for chosen in itertools.product(*lists.values()))
    made = [
        Cell(chosen, seed + repeat) for chosen in (_cross(lists) if cross else product) for repeat in range(repeats)
    ]
    for cell in made:
        kind(**cell.values, seed=cell.seed)
    return made


def _cross(lists: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The combinations of values in which at most one option differs from its first value, in the order of a
    product."""
    first = {name: values[0] for name, values in lists.items()}
    return [first, *(first | {name: value} for name in reversed(lists) for value in lists[name][1:])]


def _as_text(value: Any) -> str:
    """A value, or several, as they are typed on the command line."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return ",".join(map(_as_text, value)) if isinstance(value, list | tuple | range | np.ndarray) else str(value)


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
        reporter.notice(f"{done} of {len(cells)}: {cell.name}: {how}; about {left / 60:.0f} min left")
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


def _cell(name: str, row: Mapping[str, Any]) -> str:
    value, sd = row.get(name), row.get(f"{name}_sd")
    if name not in SCORE_NAMES or value is None:
        return "" if value is None else str(value)
    percent = name not in ("mse", "seconds")
    shape = "{:.2f}" if percent else "{:.1f}" if name == "seconds" else "{:.4f}"
    scale = 100 if percent else 1
    text = shape.format(scale * value) + ("%" if percent else "")
    return text if sd is None else f"{text} ± {shape.format(scale * sd)}"
