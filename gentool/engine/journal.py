"""What a run tells: the terminal and log.txt, metrics.csv, losses.png, pictures and films, result.json."""

import json
import math
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from gentool.engine.alarms import PREFIX, Alarm, alarms
from gentool.engine.loggers import check_logger, open_logger
from gentool.engine.table import Table
from gentool.engine.terminal import Terminal
from gentool.figures.curves import curves
from gentool.figures.film import film
from gentool.figures.grids import Picture, save_png
from gentool.files import write_json
from gentool.options import TrainOptions

DRAW_SECONDS = 60.0
"""Between two drawings of the curves there are at least so many seconds, but for the first and the last."""
PICTURES = ("samples", "reconstructions")
NOT_DRAWN = ("step", "lr", "images_per_second", "queries_per_second", "seconds")
RESULT = "result.json"


class Journal:
    """The telling of one run into its folder. Raises OptionError where --log names what is not installed."""

    def __init__(self, folder: Path, options: TrainOptions, terminal: Terminal) -> None:
        self.folder, self.options, self.terminal = folder, options, terminal
        self.drawn_at = float("-inf")
        check_logger(options.log)

    def begin(self, rows: int) -> None:
        """Go on from so many rows of metrics.csv; 0 for a new run."""
        self.table = Table(self.folder / "metrics.csv")
        self.table.keep(rows)
        self.rows = [{name: float(value) for name, value in row.items() if value} for row in self.table.rows]
        self.logger = open_logger(self.options.log, self.folder, self.options.to_json(), self.rows, PICTURES)

    def close(self) -> None:
        """The end of the run, however it comes."""
        logger, self.logger = getattr(self, "logger", None), None
        if logger:
            logger.close()

    def say(self, text: str) -> None:
        """A line on the terminal and in log.txt."""
        self.terminal.say(text)
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now().isoformat(timespec='seconds')} {text}\n")

    def row(self, row: Mapping[str, int | float]) -> list[Alarm]:
        """A row of metrics.csv, and with --json an object on stdout; alarms are said when they are new."""
        before = self.rows[-1] if self.rows else {}
        self.rows.append(dict(row))
        raised = alarms(self.rows)
        row = {**row, **{PREFIX + alarm.name: 1 for alarm in raised}}
        self.rows[-1] = dict(row)
        self.table.append(row)
        self.terminal.emit({"event": "epoch", **row})
        if self.logger:
            self.logger.row(row)
        for alarm in raised:
            if PREFIX + alarm.name not in before:
                self.say(f"alarm in epoch {row['epoch']}: {alarm.text}")
        return raised

    def picture(self, name: str, epoch: int, picture: Picture) -> None:
        """NAME/epoch-0001.png."""
        path = self.folder / name / f"epoch-{epoch:04d}.png"
        save_png(picture, path)
        if self.logger:
            self.logger.picture(name, epoch, path)

    def draw(self, now: bool) -> None:
        """The curves of metrics.csv: when `now`, or when the last drawing is old."""
        columns = self.table.numbers()
        if not columns or not (now or time.monotonic() - self.drawn_at >= DRAW_SECONDS):
            return
        self.drawn_at = time.monotonic()
        columns = {
            name: values for name, values in columns.items() if name not in NOT_DRAWN and not name.startswith(PREFIX)
        }
        curves(columns, self.folder / "losses.png", epochs=columns.pop("epoch"))

    def films(self) -> None:
        """One film of each kind of picture."""
        for name in PICTURES:
            frames = sorted((self.folder / name).glob("epoch-*.png"))
            if frames:
                film(frames, self.folder / f"{name}.gif")

    def result(self, test: Mapping[str, float]) -> None:
        """result.json: what the last row has, and the losses on the test images."""
        last = {name: values[-1] for name, values in self.table.numbers().items() if not math.isnan(values[-1])}
        test = {f"test_{name}": value for name, value in test.items()}
        write_json(self.folder / RESULT, {**last, **test})
        if test:
            self.say("on the test set: " + " ".join(f"{name[5:]} {value:.5g}" for name, value in test.items()))
        self.tell({**last, **test})

    def tell(self, result: Mapping[str, Any]) -> None:
        """The folder on stdout, or with --json the result."""
        self.terminal.result(self.folder, {"event": "done", "run": str(self.folder), **result})

    def earlier_result(self) -> dict[str, Any] | None:
        """What is in result.json; None where there is none that can be read, and the run is to end again."""
        try:
            return dict(json.loads((self.folder / RESULT).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):
            return None
