"""Every combination of option values, a run for each: one table, one plot, and no finished run trained twice."""

import hashlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from threading import Event
from typing import Any

from gentool.engine.interrupt import StopSignal
from gentool.engine.journal import RESULT
from gentool.engine.terminal import Terminal
from gentool.errors import GentoolError, OptionError, Stopped
from gentool.figures.spread import spread
from gentool.files import write_csv, write_text
from gentool.options import field_types, flag, unwrap_optional
from gentool.seq2seq.options import Options

SCORES = ("test_exact_match", "test_character_accuracy", "test_mse", "test_read_exact_match")
MOST_RUNS = 10_000
LONGEST_NAME = 120
"""Of a run's folder; a longer name ends in a digest."""


def values_of(text: str, kind: type) -> list[Any]:
    """`0.1:0.9:0.1` (both ends in), `1:5`, `a,b,c` or one value, as values of a kind. Raises ValueError."""
    parts = text.split(":")
    if kind in (int, float) and len(parts) in (2, 3):
        try:
            low, high, step = Decimal(parts[0]), Decimal(parts[1]), Decimal(parts[2] if len(parts) == 3 else "1")
        except InvalidOperation:
            raise ValueError("expected FIRST:LAST:STEP, such as 0.1:0.9:0.1") from None
        if step <= 0 or high < low:
            raise ValueError("expected FIRST:LAST:STEP with FIRST <= LAST and STEP > 0")
        return [kind(low + step * number) for number in range(int((high - low) / step) + 1)]
    if kind is bool:
        words = {"yes": True, "no": False}
        if not set(text.split(",")) <= set(words):
            raise ValueError("expected yes, no or yes,no")
        return [words[word] for word in text.split(",")]
    try:
        return [kind(part) if kind in (int, float) else part for part in text.split(",")]
    except ValueError:
        raise ValueError(f"expected values of type {kind.__name__} with commas, or FIRST:LAST:STEP") from None


@dataclass(frozen=True)
class Cell:
    """One run: the values of the options that were given, and its seed."""

    values: Mapping[str, Any]
    seed: int

    @property
    def name(self) -> str:
        """The run's folder."""
        parts = [f"{name.replace('_', '-')}={value}" for name, value in self.values.items()]
        name = ",".join([*parts, f"seed={self.seed}"]).replace("/", "_")
        if len(name) <= LONGEST_NAME:
            return name
        return f"{name[: LONGEST_NAME - 9]}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


def cells(kind: type[Options], given: Mapping[str, str], seed: int, repeats: int) -> list[Cell]:
    """The product of the given options' values, times the seeds. Raises OptionError for what a run would refuse."""
    types = field_types(kind)
    lists = {}
    for name, text in given.items():
        plain = unwrap_optional(types[name])[0]
        try:
            lists[name] = values_of(text, plain if isinstance(plain, type) else str)
        except ValueError as error:
            raise OptionError(f"{flag(name)}: {text!r}: {error}") from None
    made = [Cell(dict(zip(lists, values, strict=True)), seed + repeat)
            for values in itertools.product(*lists.values()) for repeat in range(repeats)]  # fmt: skip
    if len(made) > MOST_RUNS:
        raise OptionError(f"{len(made):,} runs are more than the {MOST_RUNS:,} of one sweep")
    for cell in made:
        kind(**cell.values, seed=cell.seed)
    return made


def command(task: str, cell: Cell, folder: Path, overwrite: bool) -> list[str]:
    """The training of one cell."""
    words = [sys.executable, "-m", "gentool", "seq2seq", "train", task, "--quiet", "--out", str(folder)]
    for name, value in {**cell.values, "seed": cell.seed}.items():
        if isinstance(value, bool):
            words.append(flag(name) if value else flag(name).replace("--", "--no-", 1))
        else:
            words += [flag(name), str(value)]
    return [*words, "--overwrite"] if overwrite else words


class Workers:
    """Trainings in processes of their own, each with its share of the cores; `overwrite` starts each of them again."""

    def __init__(self, task: str, folder: Path, jobs: int, overwrite: bool = False) -> None:
        self.task, self.folder, self.overwrite = task, folder, overwrite
        self.stopped = Event()
        self.running: set[subprocess.Popen[str]] = set()
        threads = max(1, (os.cpu_count() or 1) // jobs)
        self.environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}

    def train(self, cell: Cell) -> None:
        """Train one cell to its end. Raises Stopped when it was asked to stop, GentoolError when it failed."""
        if self.stopped.is_set():
            return
        words = command(self.task, cell, self.folder / cell.name, self.overwrite)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(words, env=self.environment, **quiet) as process:  # type: ignore[call-overload]
            self.running.add(process)
            said = process.communicate()[1].strip().splitlines()
            self.running.discard(process)
        if process.returncode and not self.stopped.is_set():
            raise GentoolError(f"{cell.name}: ended with exit code {process.returncode}: {said[-1] if said else ''}")

    def stop(self) -> None:
        """Let the runs under way save and leave, and start no other."""
        self.stopped.set()
        for process in list(self.running):
            process.terminate()


def run_all(every: Sequence[Cell], workers: Workers, jobs: int, terminal: Terminal) -> None:
    """Train what is not finished, `jobs` at a time; the tables grow as runs end.

    Ctrl-C or SIGTERM lets the runs under way save; they go on when the sweep is started again. Raises Stopped then,
    and GentoolError when a run fails.
    """
    todo = [cell for cell in every if not is_done(cell, workers.folder)]
    started = time.monotonic()
    with StopSignal() as stop, ThreadPoolExecutor(jobs) as pool, terminal.progress("runs", len(every)) as update:
        waiting = {pool.submit(workers.train, cell): cell for cell in todo}
        try:
            while waiting:
                for future in wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED).done:
                    cell = waiting.pop(future)
                    future.result()
                    done = len(every) - len(waiting)
                    left = (time.monotonic() - started) / (len(todo) - len(waiting)) * len(waiting)
                    update(done)
                    terminal.say(f"{done} of {len(every)}: {cell.name}; about {left / 60:.0f} min left")
                    write_tables(finished(every, workers.folder), workers.folder)
                if stop.wanted:
                    raise Stopped(f"{workers.folder}: stopped with {len(waiting)} runs to do; the same command goes on")
        finally:
            workers.stop()


def is_done(cell: Cell, folder: Path) -> bool:
    """Whether a cell's run has ended."""
    return (folder / cell.name / RESULT).is_file()


def finished(every: Sequence[Cell], folder: Path) -> list[dict[str, Any]]:
    """A row for every run that has ended: its options, seed, scores, seconds."""
    rows = []
    for cell in every:
        if is_done(cell, folder):
            result = json.loads((folder / cell.name / RESULT).read_text(encoding="utf-8"))
            scores = {name.removeprefix("test_"): result[name] for name in SCORES if name in result}
            rows.append({**cell.values, "seed": cell.seed, **scores, "seconds": result["seconds"]})
    return rows


def plain_scores() -> list[str]:
    """The columns of a run that are no options."""
    return [name.removeprefix("test_") for name in SCORES] + ["seconds"]


def means(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of equal options as one: the mean and the sample standard deviation of every score over the seeds."""
    scores = plain_scores()
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    options = [name for name in (rows[0] if rows else {}) if name not in (*scores, "seed")]
    for row in rows:
        groups.setdefault(tuple(row[name] for name in options), []).append(row)
    made = []
    for key, members in groups.items():
        row = {**dict(zip(options, key, strict=True)), "runs": len(members)}
        for name in scores:
            if name in members[0]:
                found = [member[name] for member in members]
                row[name] = statistics.fmean(found)
                row[f"{name}_sd"] = statistics.stdev(found) if len(found) > 1 else float("nan")
        made.append(row)
    return made


def write_tables(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """runs.csv with a row a run, sweep.csv with a row for each combination, table.md and sweep.png for people."""
    if not rows:
        return
    write_csv(folder / "runs.csv", rows)
    averaged = means(rows)
    write_csv(folder / "sweep.csv", averaged)
    write_text(folder / "table.md", "\n".join(markdown(averaged)) + "\n")
    options = [name for name in averaged[0] if len({row[name] for row in averaged}) > 1 and name in rows[0]]
    options = [name for name in options if name not in (*plain_scores(), "runs")]
    score = "mse" if "mse" in averaged[0] else "exact_match"
    if options:
        plot(averaged, options, score, folder / "sweep.png")


def plot(averaged: Sequence[Mapping[str, Any]], options: Sequence[str], score: str, path: Path) -> None:
    """A score over the first option that varies, a line for every combination of the others."""
    series: dict[str, list[tuple[Any, float, float]]] = {}
    for row in averaged:
        name = ", ".join(f"{option.replace('_', ' ')} {row[option]}" for option in options[1:])
        series.setdefault(name, []).append((row[options[0]], row[score], row[f"{score}_sd"]))
    spread(series, path, axis=options[0].replace("_", " "), value=f"{score.replace('_', ' ')} on held-out queries")


def markdown(averaged: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The table, with mean ± sd in one cell; accuracies in percent."""
    if not averaged:
        return
    hidden = [name for name in averaged[0] if name.endswith("_sd")]
    columns = [name for name in averaged[0] if name not in hidden]
    yield "| " + " | ".join(name.replace("_", " ") for name in columns) + " |"
    yield "|" + " --- |" * len(columns)
    for row in averaged:
        yield "| " + " | ".join(_cell(name, row) for name in columns) + " |"


def _cell(name: str, row: Mapping[str, Any]) -> str:
    value = row[name]
    if f"{name}_sd" not in row:
        return str(value)
    percent = name not in ("mse", "seconds")
    shape = "{:.2f}" if percent else "{:.1f}" if name == "seconds" else "{:.4f}"
    scale = 100 if percent else 1
    spread = row[f"{name}_sd"]
    text = shape.format(scale * value) + (" %" if percent else "")
    return text if spread != spread else text + " ± " + shape.format(scale * spread)
