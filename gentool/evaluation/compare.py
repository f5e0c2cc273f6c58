"""`gentool compare`: several trained models in one table and one picture, all measured in the same way."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from gentool.data.images import ImageData
from gentool.engine.checkpoint import Header
from gentool.engine.terminal import Terminal
from gentool.errors import DataError
from gentool.evaluation.budget import training
from gentool.evaluation.evaluate import SHOWN, Evaluation, evaluate
from gentool.evaluation.fidelity import Judge
from gentool.evaluation.samples import draw, shuffled
from gentool.evaluation.settings import Settings
from gentool.evaluation.table import FLOOR, NO_SCORES
from gentool.figures.grids import save_png
from gentool.figures.panels import panels
from gentool.files import write_csv, write_text
from gentool.latent.trained import Trained
from gentool.models import model_module

NO_NUMBERS = ("model", "checkpoints")


@dataclass(frozen=True)
class Recipe:
    """Checkpoints that differ in their seed alone."""

    name: str
    checkpoints: list[Trained]


def recipes(checkpoints: Sequence[Trained]) -> list[Recipe]:
    """Checkpoints of the same model and options together, but for the seed and what does not touch the numbers.

    They are in order of appearance, named by their model, or by their folder where two recipes have the same one.
    """
    groups: dict[str, list[Trained]] = {}
    for trained in checkpoints:
        groups.setdefault(_recipe_key(trained.header), []).append(trained)
    models = [group[0].header.model for group in groups.values()]
    made = []
    for group in groups.values():
        model = group[0].header.model
        folder = group[0].path.resolve().parent.name
        made.append(Recipe(model if models.count(model) == 1 else folder, group))
    names = [recipe.name for recipe in made]
    return [
        recipe if names.count(recipe.name) == 1 else Recipe(f"{recipe.name} {number}", recipe.checkpoints)
        for number, recipe in enumerate(made, 1)
    ]


def _recipe_key(header: Header) -> str:
    options = model_module(header.model).Options.from_json(header.options)
    free = {"seed"} | {field.name for field in fields(options) if field.metadata["resume"] == "free"}
    kept = {name: value for name, value in options.to_json().items() if name not in free}
    return json.dumps([header.model, header.fingerprint, kept], sort_keys=True)


def compare(
    checkpoints: Sequence[Trained], data: ImageData, judges: list[Judge], settings: Settings, folder: Path,
    voice: Terminal,
) -> list[dict[str, Any]]:  # fmt: skip
    """Evaluate all, and write comparison.csv, comparison.md and comparison.png; the rows of the first.

    A recipe with several seeds has the means over them, and their standard deviations in columns that end with _sd.
    Every checkpoint's evaluation is a folder beside them. Raises DataError for models of images of another shape.
    """
    for trained in checkpoints:
        if trained.header.shape != data.shape:
            raise DataError(f"{trained.path}: its images are not of the shape of {data.name}'s; compare it alone")
    rows, shown = [], {}
    floor: dict[str, Any] = {}
    for recipe in recipes(checkpoints):
        shown[recipe.name] = draw(recipe.checkpoints[0], data, SHOWN, settings.seed).images
        found = []
        for number, trained in enumerate(recipe.checkpoints):
            voice.say(f"{recipe.name}: {trained.path}")
            place = folder / "evaluations" / f"{recipe.name}-{number}"
            judged = evaluate(trained, data, judges, settings, place, voice)
            judged.write(place)
            found.append(numbers(judged, trained))
            floor |= scores(next(row for row in judged.rows if row["what"] == FLOOR))
        rows.append({"model": recipe.name, "checkpoints": len(found)} | summed_up(found))
    rows.append({"model": FLOOR} | floor)
    columns = ["model", "checkpoints", *dict.fromkeys(name for row in rows for name in row if name not in NO_NUMBERS)]
    write_csv(folder / "comparison.csv", rows, columns)
    write_text(folder / "comparison.md", markdown(rows, data, judges))
    shown["training images"] = data.train.images[shuffled(len(data.train), settings.seed)[:SHOWN]]
    save_png(panels(shown), folder / "comparison.png")
    return rows


def scores(row: dict[str, Any]) -> dict[str, Any]:
    """The scores of a row of an evaluation."""
    return {name: value for name, value in row.items() if name not in NO_SCORES}


def numbers(judged: Evaluation, trained: Trained) -> dict[str, float]:
    """All of one checkpoint that has a number: its size, its training, what its samples and reconstructions score."""
    found: dict[str, float] = {"parameters": judged.facts["parameters"]} | training(trained.path.parent)
    for row in judged.rows:
        if row["what"] == "test images" or (
            row["what"] == "samples" and row["seed"] == judged.facts["settings"]["seed"]
        ):
            found |= scores(row)
    return found


def summed_up(found: Iterable[dict[str, float]]) -> dict[str, float]:
    """Means over checkpoints, and where there are several the standard deviations."""
    found = list(found)
    row: dict[str, float] = {}
    for name in dict.fromkeys(name for one in found for name in one):
        values = [one[name] for one in found if name in one]
        row[name] = mean(values) if len(set(values)) > 1 else values[0]
        if len(values) > 1 and name != "parameters":
            row[f"{name}_sd"] = stdev(values)
    return row


def markdown(rows: list[dict[str, Any]], data: ImageData, judges: list[Judge]) -> str:
    """The table turned on its side: a column for each model, a row for each number, ± the deviation over seeds."""
    names = [name for name in dict.fromkeys(n for row in rows for n in row) if name not in NO_NUMBERS]
    names = [name for name in names if not (name.endswith("_sd") and name[:-3] in names)]
    heads = [row["model"] + (f" ({row['checkpoints']} seeds)" if row.get("checkpoints", 1) > 1 else "") for row in rows]
    lines = [f"| | {' | '.join(heads)} |", f"| --- |{' --- |' * len(rows)}"]
    for name in names:
        cells = [f"{row[name]:{_form(row[name])}}" if name in row else "" for row in rows]
        spread = [f" ± {row[name + '_sd']:.2g}" if f"{name}_sd" in row else "" for row in rows]
        lines.append(f"| {name} | {' | '.join(map(str.__add__, cells, spread))} |")
    used = ", ".join(f"{judge.network.name} {judge.network.hash}" for judge in judges)
    notes = (
        f"Data: {data.name}, {len(data.test):,} test images. ± is the standard deviation over training seeds.",
        f"Feature networks and their hashes: {used}; numbers of other hashes must not be compared with these.",
    )
    return "\n".join([*lines, "", *notes]) + "\n"


def _form(value: float) -> str:
    return ",.0f" if abs(value) >= 1000 or (isinstance(value, int) and not isinstance(value, bool)) else ".4g"
