"""The record of a run: notices and log.txt, metrics.csv and its alarms, updates.csv, losses.png, pictures and films,
result.json.

Without a folder the rows are kept in memory, and nothing is written.
"""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gentool.engine.alarms import PREFIX, Alarm, Check, alarms
from gentool.engine.charts import curves_of
from gentool.engine.folder import CURVES, LOG, METRICS, NOTED, PICTURES, RESULT, drawn_in
from gentool.engine.loggers import Logger, check_logger, open_logger
from gentool.engine.metrics_file import MetricsFile
from gentool.engine.options import TrainOptions
from gentool.figures.curves import draw_curves
from gentool.figures.film import film
from gentool.figures.grids import Picture, save_png
from gentool.figures.style import Plot
from gentool.files import append_text, text_digest, write_json
from gentool.progress import Reporter
from gentool.reading import Each, Scalar, check, read_json

DRAW_SECONDS = 60.0
"""Seconds from the start to the first drawing of the curves, and between two; the last comes at the end."""
DIVERGED = "diverged: "
"""How the last line of log.txt begins, of a run that diverged."""
RESULTS = Each(float)
"""The form of result.json, but for its digest."""


class Journal:
    """The record of one run. Raises OptionError where --log names a package that is not installed."""

    def __init__(self, folder: Path | None, options: TrainOptions, reporter: Reporter) -> None:
        self.folder, self.options, self.reporter = folder, options, reporter
        self.metrics, self.noted = MetricsFile(None), MetricsFile(None)
        self.rows: list[dict[str, float]] = []
        self.checks: list[Check] = []
        self.logger: Logger | None = None
        self.drawn, self.drawn_at = False, time.monotonic()
        check_logger(options.log)

    def begin(self, rows: int, text: str | None, begun: int | None = None, noted: str | None = None) -> None:
        """Continue after this many rows of metrics.csv, 0 for a new run; `text` is its content up to there, and `noted`
        that of updates.csv.

        The file holds it, but for states of earlier versions. The row of the epoch `begun`, in which a shorter run
        ended, is left out: it comes again.
        """
        if self.folder is None:
            return
        path = self.folder / METRICS
        if text is None:
            self.metrics = MetricsFile(path)
            self.metrics.truncate(rows)
        else:
            self.metrics = MetricsFile.of(path, text)
        if begun is not None:
            self.metrics.truncate(sum(row["epoch"] < begun for row in self.metrics.numbers()))
        self.rows = self.metrics.numbers()
        if noted is None:
            (self.folder / NOTED).unlink(missing_ok=True)
        self.noted = MetricsFile.of(self.folder / NOTED, noted or "")
        self.logger = open_logger(self.options.log, self.folder, self.options.to_json(), self.rows, PICTURES)

    def close(self) -> None:
        """End the record, however the run ends."""
        if self.logger:
            self.logger.close()
        self.logger = None

    def notice(self, text: str) -> None:
        """A line for the user, and in log.txt."""
        self.reporter.notice(text)
        self.log(text)

    def log(self, text: str) -> None:
        """A line in log.txt."""
        if self.folder is not None:
            append_text(self.folder / LOG, f"{datetime.now().isoformat(timespec='seconds')} {text}\n")

    def add_row(self, row: Mapping[str, int | float]) -> Sequence[Alarm]:
        """Add the row of an epoch to metrics.csv. Returns its alarms; each is announced once in a run."""
        raised = alarms([*self.rows, row], self.checks)
        known = {name for earlier in self.rows for name in earlier} if raised else set()
        row = {**row, **{PREFIX + alarm.name: 1 for alarm in raised}}
        self.rows.append(dict(row))
        self.metrics.append(row)
        self.reporter.epoch(row)
        if self.logger:
            self.logger.row(row)
        for alarm in raised:
            if PREFIX + alarm.name not in known:
                self.notice(f"alarm in epoch {row['epoch']}: {alarm.text}")
        return raised

    def note(self, epoch: int, step: int, losses: Mapping[str, float]) -> None:
        """Add a row to updates.csv: mean losses up to this update, between the ends of epochs."""
        if self.folder is not None:
            self.noted.append({"epoch": epoch, "step": step, **losses})

    def picture(self, name: str, epoch: int, picture: Picture) -> None:
        """Write NAME/epoch-0001.png."""
        if self.folder is None:
            return
        path = self.folder / name / f"epoch-{epoch:04d}.png"
        save_png(picture, path)
        if self.logger:
            self.logger.picture(name, epoch, path)

    def draw_curves(self, *, now: bool) -> None:
        """Draw the curves of metrics.csv: when `now` is true, else a minute after the start or the last drawing."""
        due = now or time.monotonic() - self.drawn_at >= DRAW_SECONDS
        if self.folder is None or not self.rows or not due:
            return
        self.drawn, self.drawn_at = True, time.monotonic()
        panels, places, unit = curves_of(self.metrics.series(), self.noted.series())
        figure = draw_curves(panels, places, unit=unit).figure
        Plot(figure).save((self.folder / CURVES).with_suffix(""))  # metrics.csv has the numbers

    def make_films(self) -> None:
        """Write one film of each kind of picture."""
        if self.folder is None:
            return
        frames = {name: drawn_in(self.folder / name) for name in PICTURES}
        for name, paths in frames.items():
            if paths:
                film(paths, self.folder / f"{name}.gif")
        if not any(frames.values()):
            self.notice(
                "--gif: there are no sample pictures to make a film of; the run was trained with --sample-every 0"
            )

    def finish(self, test: Mapping[str, float]) -> dict[str, Any]:
        """result.json: the last row and the losses on the test images, which are announced. Returns its content."""
        last = {name: values[-1] for name, values in self.metrics.series().items() if not math.isnan(values[-1])}
        result = {**last, **{f"test_{name}": value for name, value in test.items()}}
        if self.folder is not None:
            write_json(self.folder / RESULT, {**result, "sha256": text_digest(result)})
        if test:
            self.notice("on the test set: " + " ".join(f"{name} {value:.5g}" for name, value in test.items()))
        return result


def earlier_result(folder: Path) -> dict[str, Any] | None:
    """The content of result.json; None where it is missing or damaged, and the run has to end again."""
    try:
        result: dict[str, Any] = read_json(folder / RESULT, Each(Scalar))
        stated = result.pop("sha256", None)
        check(result, RESULTS)
        check(result, {"epoch": float, "seconds": float})
    except (FileNotFoundError, ValueError):
        return None
    return result if stated in (None, text_digest(result)) else None
