"""What a sweep found: a row per run, a table of means and deviations, and a plot with error bars."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gentool.figures.error_bars import Lines, Point, error_bars
from gentool.figures.style import SUFFIXES, FigureOptions, Plot
from gentool.files import write_text
from gentool.tables import Table, mean_and_sd

SCORES = ("test_exact_match", "test_character_accuracy", "test_mse", "test_read_exact_match")
ANSWERED, DRAWN = ("exact_match", "character_accuracy"), ("mse", "read_exact_match")
"""The scores in the plot: of answers in text, and of drawn ones."""
SCORE_NAMES = (*(name.removeprefix("test_") for name in SCORES), "seconds")
PLOTS = tuple(f"sweep.{suffix}" for suffix in SUFFIXES)
FILES = ("runs.csv", "sweep.csv", "table.md", *PLOTS)
DIVERGED = "diverged"


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


def _cell(name: str, row: Mapping[str, Any]) -> str:
    value, sd = row.get(name), row.get(f"{name}_sd")
    if name not in SCORE_NAMES or value is None:
        return "" if value is None else str(value)
    percent = name not in ("mse", "seconds")
    shape = "{:.2f}" if percent else "{:.1f}" if name == "seconds" else "{:.4f}"
    scale = 100 if percent else 1
    text = shape.format(scale * value) + ("%" if percent else "")
    return text if sd is None else f"{text} ± {shape.format(scale * sd)}"
