"""Trainings of several models that each get the same time."""

import csv
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.files import write_json
from gentool.models import MODELS, model_module
from gentool.options import TrainOptions, suggestion

UNITS = {"s": 1, "m": 60, "h": 3600}
PROBE_SHARE = 0.05
"""A trial takes about so much of the budget, and is not counted in it."""
FIRST_STEPS = 20
PLAN = "plan.json"


def parse_budget(text: str) -> float:
    """Seconds from `300s`, `5m` or `1.5h`. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not found or float(found[1]) <= 0:
        raise ValueError("expected a time such as 90s, 5m or 1.5h")
    return float(found[1]) * UNITS[found[2]]


def parse_models(text: str) -> tuple[str, ...]:
    """Names of models from a text with commas. Raises ValueError for one that does not exist."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for name in names:
        if name not in MODELS:
            raise ValueError(f"there are {', '.join(MODELS)}.{suggestion(name, MODELS)}")
    return names


class Aside(Terminal):
    """The terminal of a training that is part of another command: it tells people, and leaves stdout alone."""

    def emit(self, record: Mapping[str, Any]) -> None:
        """Nothing."""

    def result(self, path: Any, record: Mapping[str, Any]) -> None:
        """Nothing."""


def train_all(
    models: tuple[str, ...], data: ImageData, seconds: float, seeds: range, device: str, folder: Path, voice: Terminal
) -> list[Path]:
    """The run folders MODEL-SEED of each model with its default options and each seed; `seconds` for each run.

    How many updates fit is tried out once for each model. Runs that are there already are resumed, or left when done.
    """
    made = []
    for model in models:
        steps = planned_steps(model, data, seconds, device, folder / "runs" / f"{model}-{PLAN}", voice)
        for seed in seeds:
            path = folder / "runs" / f"{model}-{seed}"
            train_one(model, data, path, voice, steps=steps, seed=seed, device=device)
            made.append(path)
    return made


def train_one(model: str, data: ImageData, folder: Path, voice: Terminal, **given: Any) -> None:
    """One training with the model's default options but for those that are given."""
    module = model_module(model)
    options: TrainOptions = module.Options(**given)
    aside = Aside(TerminalOptions(quiet=voice.quiet))
    run = Run(folder, model, options, data, aside)
    if run.result is None:
        with run:
            module.train(options, data, run)


def planned_steps(model: str, data: ImageData, seconds: float, device: str, plan: Path, voice: Terminal) -> int:
    """How many updates of a model fit into so many seconds: tried out, and noted so that the same command resumes."""
    if plan.is_file():
        noted = json.loads(plan.read_text(encoding="utf-8"))
        if noted["seconds"] == seconds:
            return int(noted["steps"])
    trials: list[tuple[int, float]] = []
    steps = FIRST_STEPS
    while len(trials) < 2 or trials[-1][1] < PROBE_SHARE * seconds:
        with tempfile.TemporaryDirectory() as scratch:
            run = Path(scratch) / "trial"
            train_one(model, data, run, Terminal(TerminalOptions(quiet=True)), steps=steps, device=device)
            trials.append((steps, training(run)["training_seconds"]))
        steps *= 4
    # What is paid once, such as the first pictures and curves, is told apart from what an update costs.
    (before, some), (after, more) = trials[-2:]
    per_step = max((more - some) / (after - before), 1e-6)
    planned = max(1, round((seconds - max(some - before * per_step, 0.0)) / per_step))
    write_json(plan, {"model": model, "seconds": seconds, "steps": planned, "trials": trials})
    voice.say(f"{model}: {planned:,} updates fit into {seconds:,.0f} s")
    return planned


def training(run: Path) -> dict[str, float]:
    """How long a run trained, and for how many updates, from its metrics.csv; nothing where there is none."""
    path = run / "metrics.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1:]
    return {f"training_{name}": float(row[name]) for row in last for name in ("seconds", "step") if row.get(name)}
