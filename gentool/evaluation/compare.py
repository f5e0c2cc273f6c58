"""Several trained models in one table and one picture, all scored in the same way."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.checkpoint import Header
from gentool.errors import DataError
from gentool.evaluation.budget import training_cost
from gentool.evaluation.evaluate import SHOWN, Evaluation, evaluate, references_for
from gentool.evaluation.options import EvaluateOptions, ScoreOptions
from gentool.evaluation.samples import draw_samples, shuffled
from gentool.evaluation.summary import FLOOR, NO_SCORES
from gentool.figures.grids import save_png, side_by_side
from gentool.files import write_text
from gentool.latent.images import load_for
from gentool.latent.model import Model
from gentool.models import options_class
from gentool.progress import SILENT, Reporter
from gentool.tables import Table, cell, mean_and_sd

NO_NUMBERS = ("model", "checkpoints")


@dataclass(frozen=True)
class Contender:
    """Models that differ only in their seed, under one name."""

    name: str
    models: list[Model]


@dataclass(frozen=True)
class Comparison:
    """What the models scored.

    `table` has a row per contender, with means and, in columns that end in _sd, standard deviations over its seeds, and
    a row for the floor. `evaluations` has those of each contender's models, `samples` the images of its first one.
    """

    table: Table
    evaluations: dict[str, list[Evaluation]]
    samples: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_markdown(self) -> str:
        """The table turned on its side: a column per model, a row per score."""
        rows = self.table.rows
        names = [name for name in self.table.columns if name not in NO_NUMBERS]
        names = [name for name in names if not (name.endswith("_sd") and name[:-3] in names)]
        heads = [
            row["model"] + (f" ({row['checkpoints']} seeds)" if row.get("checkpoints", 1) > 1 else "") for row in rows
        ]
        lines = [f"| | {' | '.join(heads)} |", f"| --- |{' --- |' * len(rows)}"]
        lines += [f"| {name} | {' | '.join(cell(row, name) for row in rows)} |" for name in names]
        return "\n".join([*lines, "", *self.notes]) + "\n"

    def save(self, folder: Path | str) -> Path:
        """Write comparison.csv, .md and .png, and a folder for each evaluation, into a folder, which is returned."""
        folder = Path(folder)
        self.table.to_csv(folder / "comparison.csv")
        write_text(folder / "comparison.md", self.to_markdown())
        save_png(side_by_side(self.samples), folder / "comparison.png")
        for name, evaluations in self.evaluations.items():
            for number, evaluation in enumerate(evaluations):
                evaluation.save(folder / "evaluations" / f"{name}-{number}")
        return folder


def compare(
    models: Sequence[Model],
    data: ImageData | Path | str | None = None,
    options: ScoreOptions | None = None,
    *,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Comparison:
    """Score several models in the same way; models that differ only in their seed become one row.

    `data` are the real images, by default those that the first model was trained on; `settings` are the fields of
    `ScoreOptions`. Raises DataError for models of images of another shape.
    """
    options = ScoreOptions.resolve(options, settings)
    data = load_for(models[0].header, data, reporter=reporter)
    for model in models:
        if model.shape != data.shape:
            raise DataError(f"{model.path}: its images are not of the shape of {data.name}'s; compare it alone")
    references = references_for(data, options, models[0].device, reporter=reporter)
    shared = {field.name: getattr(options, field.name) for field in fields(ScoreOptions)}
    rows, samples = [], {}
    evaluations: dict[str, list[Evaluation]] = {}
    floor: dict[str, Any] = {}
    for contender in contenders(models):
        samples[contender.name] = draw_samples(contender.models[0], data, SHOWN, options.seed).images
        numbers = []
        for model in contender.models:
            reporter.notice(f"{contender.name}: {model.path or 'in memory'}")
            own = EvaluateOptions(half_samples=0, **(shared if model.has_likelihood else without_likelihood(shared)))
            evaluation = evaluate(model, data, own, references=references, reporter=reporter)
            evaluations.setdefault(contender.name, []).append(evaluation)
            numbers.append(numbers_of(evaluation, model))
            floor |= scores_of(next(row for row in evaluation.table if row["what"] == FLOOR))
        (summary,) = mean_and_sd(numbers)
        summary.pop("parameters_sd", None)
        rows.append({"model": contender.name, "checkpoints": len(numbers)} | summary)
    rows.append({"model": FLOOR} | floor)
    columns = [*NO_NUMBERS, *dict.fromkeys(name for row in rows for name in row if name not in NO_NUMBERS)]
    samples["training images"] = data.train.images[shuffled(len(data.train), options.seed)[:SHOWN]]
    hashes = ", ".join(f"{one.network.name} {one.network.hash}" for one in references)
    notes = (
        f"Data: {data.name}, {len(data.test):,} test images. ± is the standard deviation over training seeds.",
        f"Feature networks and their hashes: {hashes}. Do not compare with scores from networks with other hashes.",
    )
    return Comparison(Table(rows, columns), evaluations, samples, notes)


def without_likelihood(settings: dict[str, Any]) -> dict[str, Any]:
    """The options of a model without a likelihood, among models that have one."""
    return {name: value for name, value in settings.items() if name not in ("k", "bound_images", "binarise")}


def contenders(models: Sequence[Model]) -> list[Contender]:
    """Group models of equal options, except for the seed and for options that do not affect the weights.

    They are in order of appearance, named by their model, or by their folder where two have the same model.
    """
    groups: dict[str, list[Model]] = {}
    for model in models:
        groups.setdefault(_key(model.header), []).append(model)
    kinds = [group[0].name for group in groups.values()]
    made = []
    for group in groups.values():
        first = group[0]
        folder = first.name if first.path is None else first.path.resolve().parent.name
        made.append(Contender(first.name if kinds.count(first.name) == 1 else folder, group))
    names = [contender.name for contender in made]
    return [
        contender
        if names.count(contender.name) == 1
        else Contender(f"{contender.name} {names[: place + 1].count(contender.name)}", contender.models)
        for place, contender in enumerate(made)
    ]


def _key(header: Header) -> str:
    options = options_class(header.model).from_json(header.options)
    free = {"seed"} | {field.name for field in fields(options) if field.metadata["resume"] == "free"}
    settings = {name: value for name, value in options.to_json().items() if name not in free}
    return json.dumps([header.model, header.fingerprint, settings], sort_keys=True)


def scores_of(row: dict[str, Any]) -> dict[str, Any]:
    """The scores of a row of an evaluation."""
    return {name: value for name, value in row.items() if name not in NO_SCORES}


def numbers_of(evaluation: Evaluation, model: Model) -> dict[str, float]:
    """Everything about one model that is a number: its size, its training, its scores."""
    numbers: dict[str, float] = {"parameters": evaluation.facts["parameters"]}
    numbers |= training_cost(model)
    return numbers | evaluation.scores
