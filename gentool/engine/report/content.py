"""What a report shows, as plain values: dictionaries, lists, texts, numbers."""

import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gentool.engine.alarms import PREFIX
from gentool.engine.charts import PER_SECOND, curves_of
from gentool.engine.folder import (
    DESCRIPTION,
    ENVIRONMENT,
    EXAMPLES,
    GIVEN,
    IN_FORCE,
    LOG,
    METRICS,
    NOTED,
    UPDATES,
    read_if_there,
    read_options,
    trainer_of,
)
from gentool.engine.journal import DIVERGED, earlier_result
from gentool.engine.metrics_file import MetricsFile
from gentool.engine.report.pictures import films, gallery
from gentool.engine.report.scores import finite, group, results
from gentool.figures.curves import Curve, CurvePanel
from gentool.metrics.glossary import CHARTS, meaning, term
from gentool.options import flag
from gentool.progress import counted
from gentool.reading import Each, Scalar, read_bytes

READINGS = {chart.title: chart.reading for chart in CHARTS}
MOST_EPOCHS = 1500
"""Epochs in a chart; of longer runs, rows at equal distances are shown."""


def run_content(folder: Path) -> dict[str, Any]:
    """The content of the page of one run; numbers that are not finite are None."""
    run = read_options(folder)
    environment = read_if_there(folder / ENVIRONMENT, Each(Scalar))
    columns = thinned(MetricsFile(folder / METRICS).series())
    panels, places, unit = curves_of(columns, MetricsFile(folder / NOTED).series())
    result = earlier_result(folder) or {}
    pictures, left_out = gallery(folder)
    options = options_in(run)
    given = run.get(GIVEN)
    return {
        "kind": "run",
        "title": f"{run['model']} on {run['data']}",
        "model": run["model"],
        "data": run["data"],
        "name": folder.resolve().name,
        "state": state_in_words(run, columns, bool(result), log_lines(folder), trainer_of(folder)),
        "facts": facts(folder, run, environment, columns, finished=bool(result)),
        "alarms": [line.split(" ", 1)[1] for line in log_lines(folder) if " alarm in epoch " in line],
        "marks": alarm_marks(columns, places),
        "along": unit,
        "places": places,
        "updates_per_epoch": columns["step"][0] if columns.get("step") else 0,
        "charts": chart_content(columns, panels),
        "films": films(folder),
        "results": test_results(result) + results(folder),
        "gallery": pictures,
        "left_out": left_out,
        "given": [entry for entry in options if given is not None and entry["name"] in given],
        "defaults": [entry for entry in options if given is None or entry["name"] not in given],
        "command": str(environment.get("command", "")),
        "environment": [
            [name.replace("_", " "), finite(value)]
            for name, value in environment.items()
            if name != "command" and value not in (None, "")
        ],
    }


def comparison_content(folders: Sequence[Path]) -> dict[str, Any]:
    """The content of a page of several runs."""
    names = short_names(folders)
    runs = [run_content(folder) | {"name": name} for folder, name in zip(folders, names, strict=True)]
    return {"kind": "comparison", "title": f"{len(runs)} runs side by side", "runs": runs}


def short_names(folders: Sequence[Path]) -> list[str]:
    """The parts of the paths that tell the folders apart."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{'/'.join(part[-1:])} ({number})" for number, part in enumerate(parts, 1)]


def state_in_words(
    run: dict[str, Any], columns: dict[str, list[float]], finished: bool, log: Sequence[str], trainer: str | None
) -> str:
    """How far the run is, given the lines of its log and the process that trains it now."""
    if finished:
        return "finished"
    last = log[-1].partition(" ")[2] if log else ""
    if last.startswith(DIVERGED):
        return last
    steps, total = columns.get("step", [0])[-1] if columns.get("step") else 0, run.get(UPDATES) or 0
    share = f", {steps / total:.0%} done" if total else ""
    if trainer is not None:
        return f"in training{share}: {trainer}"
    return f"not finished{share}: run the same command again to continue"


def facts(
    folder: Path,
    run: dict[str, Any],
    environment: dict[str, Any],
    columns: dict[str, list[float]],
    *,
    finished: bool,
) -> list[list[str]]:
    """What a reader asks first, as names and texts."""
    epochs = columns.get("epoch", [])
    seconds = columns["seconds"][-1] if columns.get("seconds") else 0.0
    examples = run.get(EXAMPLES) or {}
    counts = ", ".join(
        f"{count:,} {'training, per epoch' if name == 'train' else name}" for name, count in examples.items()
    )
    shown = ["blank" if name == " " else name for name in run["classes"][:20]]
    classes = f"{len(run['classes'])}: {', '.join(shown)}{' …' * (len(run['classes']) > 20)}"
    found = {
        "Ended" if finished else "Last line of the log": log_times(folder)[-1:],
        "Length": [f"{length(run, columns)}, in {duration(seconds)}"] if epochs else [],
        "Speed": [speed(columns)] if epochs else [],
        "Data": [", ".join(filter(None, (run["data"], run.get(DESCRIPTION))))],
        "Examples": [counts] if counts else [],
        "Symbols" if run["data"] == "arithmetic" else "Classes": [classes] if run["classes"] else [],
        "Weights": [f"{environment['parameters']:,} trained"] if "parameters" in environment else [],
        "Fingerprint of the data": [run["fingerprint"][:16]],
    }
    return [[name, text] for name, texts in found.items() for text in texts]


def length(run: dict[str, Any], columns: dict[str, list[float]]) -> str:
    """The updates, and how many epochs they are: `150 updates, 1.1 epochs`."""
    updates, examples = round(columns["step"][-1]), (run.get(EXAMPLES) or {}).get("train")
    batch = run["options"].get("batch_size")
    epochs = columns["epoch"][-1]  # begun ones, where nothing is known of the examples
    if examples and batch:
        epochs = updates / (examples // min(batch, examples))
    shown = f"{epochs:.1f}".removesuffix(".0") if epochs >= 0.1 else "less than 0.1"
    return f"{counted(updates, 'update')}, {shown} {'epoch' if shown == '1' else 'epochs'}"


def speed(columns: dict[str, list[float]]) -> str:
    """The median speed, in examples per second."""
    name = next((name for name in columns if name.endswith(PER_SECOND)), None)
    values = columns[name] if name else []
    return f"{statistics.median(values):,.0f} {name.removesuffix(PER_SECOND)}/s" if name and values else "not measured"


def duration(seconds: float) -> str:
    """Seconds as `45 s`, `12 min 5 s` or `2 h 5 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def log_times(folder: Path) -> list[str]:
    """The times of the lines in the log, to the minute."""
    times = (re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)", line) for line in log_lines(folder))
    return [f"{time[1]} {time[2]}" for time in times if time]


def log_lines(folder: Path) -> list[str]:
    """The lines of log.txt."""
    log = folder / LOG
    return read_bytes(log).decode(errors="replace").splitlines() if log.is_file() else []


def alarm_marks(columns: dict[str, list[float]], places: Sequence[float]) -> list[dict[str, Any]]:
    """The alarms, and the places on the charts of the epochs in which each was on."""
    return [
        {
            "name": name.removeprefix(PREFIX).replace("_", " "),
            "places": [place for place, value in zip(places, values, strict=True) if value == 1],
        }
        for name, values in columns.items()
        if name.startswith(PREFIX)
    ]


def thinned(columns: dict[str, list[float]]) -> dict[str, list[float]]:
    """The columns with at most about `MOST_EPOCHS` of their rows, the first and the last among them."""
    count = len(columns.get("epoch", []))
    step = -(-count // MOST_EPOCHS)
    rows = [row for row in range(count) if row in (0, count - 1) or row % step == step - 1]
    return {name: [values[row] for row in rows] for name, values in columns.items()}


def chart_content(columns: dict[str, list[float]], panels: Sequence[CurvePanel]) -> list[dict[str, Any]]:
    """The curves of a training: those of losses.png, then speed and learning rate. A line has places of its own where
    it does not have a value for each epoch."""
    panels = list(panels)
    for name, values in columns.items():
        if name.endswith(PER_SECOND):
            unit = name.replace(PER_SECOND, " per second").replace("_", " ")
            panels.append(CurvePanel("Speed", {name: Curve("speed", values)}, unit))
    if len(set(columns.get("lr", []))) > 1:
        panels.append(CurvePanel("Learning rate", {"lr": Curve("learning rate", columns["lr"])}, ""))
    return [
        {
            "title": panel.title,
            "unit": panel.unit,
            "reading": reading(panel),
            "lines": [
                {
                    "column": column,
                    "term": term(column),
                    "label": curve.label,
                    "colour": curve.colour,
                    "dashed": curve.dashed,
                    "values": [rounded(value) for value in curve.values],
                    "places": None if curve.x is None else list(curve.x),
                }
                for column, curve in panel.curves.items()
            ],
        }
        for panel in panels
        if any(math.isfinite(value) for curve in panel.curves.values() for value in curve.values)
    ]


def reading(panel: CurvePanel) -> str:
    """How to read a panel."""
    text = READINGS.get(panel.title, "")
    both = {curve.dashed for curve in panel.curves.values()} == {True, False}
    if both and all(meaning(column).better == "lower" for column in panel.curves):
        text += " Where the validation curve turns up while the other falls, the model memorises."
    return text.strip()


def rounded(value: float) -> float | None:
    """A value for a chart, to six digits; None where it is not finite."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def test_results(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The losses on the test images at the end of the training, as a group of scores."""
    losses = {name: value for name, value in result.items() if name.startswith("test_")}
    return [group("On the test set", losses)] if losses else []


def options_in(run: dict[str, Any]) -> list[dict[str, Any]]:
    """The options by their flags, each with the value in force."""
    in_force = run.get(IN_FORCE)
    made = []
    for name, value in run["options"].items():
        actual = (in_force or {}).get(name, value)
        shown = ("–" if in_force else "automatic") if actual is None else _shown(actual)  # –: it was not used
        if value is not None and actual != value:
            shown = f"{_shown(actual)} ({_shown(value)})"
        made.append({"name": name, "flag": flag(name), "value": shown})
    return made


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
