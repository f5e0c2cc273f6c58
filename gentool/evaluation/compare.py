"""Several trained models in one table and one picture, all scored in the same way."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from gentool.data.images import size_text
from gentool.data.load import Source
from gentool.engine.checkpoint import Header
from gentool.errors import DataError, OptionError
from gentool.evaluation.budget import training_cost
from gentool.evaluation.evaluate import check_likelihood, evaluate, notes_on, references_for
from gentool.evaluation.evaluation import EVALUATION, Evaluation
from gentool.evaluation.options import OF_LIKELIHOODS, EvaluateOptions, ScoreOptions
from gentool.evaluation.samples import check_classes, shuffled
from gentool.evaluation.scoring import SHOWN
from gentool.evaluation.summary import FLOOR, NO_SCORES
from gentool.figures.grids import save_png, side_by_side
from gentool.files import write_text
from gentool.latent.images import load_for
from gentool.latent.loading import as_model
from gentool.latent.model import Model
from gentool.models import options_class
from gentool.progress import SILENT, Reporter
from gentool.results import Results
from gentool.tables import Table, cell, mean_and_sd

COMPARISON = Results("comparison.json", "checkpoints", r"comparison\.(csv|md|png)")
NO_NUMBERS = ("model", "checkpoints")


@dataclass(frozen=True)
class Contender:
    """Models that differ only in their seed, under one name."""

    name: str
    models: list[Model]


@dataclass(frozen=True, repr=False)
class Comparison:
    """What the models scored.

    `table` has a row per contender, with means and, in columns that end in _sd, standard deviations over its seeds, and
    a row for the floor. `evaluations` has those of each contender's models, `samples` the images of its first one.
    """

    table: Table
    evaluations: dict[str, list[Evaluation]]
    samples: dict[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return self.to_markdown().rstrip()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

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
        folder = Path(folder).expanduser()
        judged = [one.facts for evaluations in self.evaluations.values() for one in evaluations]
        checkpoints = [{name: facts[name] for name in ("checkpoint", "model", "weights")} for facts in judged]
        trained = {name: value for name, value in COMPARISON.read(folder).items() if name == "trained"}
        with COMPARISON.writing(folder, {**trained, "checkpoints": checkpoints}):
            self._save_into(folder)
        return folder

    def _save_into(self, folder: Path) -> None:
        for earlier in (folder / "evaluations").glob("*"):
            EVALUATION.remove(earlier, with_record=True)
        self.table.to_csv(folder / "comparison.csv")
        write_text(folder / "comparison.md", self.to_markdown())
        save_png(side_by_side(self.samples), folder / "comparison.png")
        for name, evaluations in self.evaluations.items():
            for number, evaluation in enumerate(evaluations):
                evaluation.save(folder / "evaluations" / f"{name}-{number}")


def compare(
    models: Sequence[Model | Path | str],
    data: Source | None = None,
    options: ScoreOptions | None = None,
    *,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Comparison:
    """Score several models in the same way; models that differ only in their seed become one row.

    Args:
        models: Trained models, or their checkpoints.
        data: The real images; those of the first model's training by default.
        options: What to measure; or give the fields of `ScoreOptions` as `settings`.

    Raises OptionError for no models, and for options of a likelihood that none of them has; DataError for models of
    images of another shape.
    """
    options = ScoreOptions.resolve(options, settings)
    if isinstance(models, str | Path) or not isinstance(models, Sequence) or not models:
        raise OptionError("compare needs a list of models or checkpoints")
    known = [as_model(model) for model in models]
    check_likelihood([model.name for model in known], options)
    files = [model.path for model in known if model.path is not None]
    for number, file in enumerate(files):
        if any(file.resolve() == other.resolve() for other in files[:number]):
            raise OptionError(f"{file}: given twice; give each checkpoint once")
    data = load_for(known[0].header, data, reporter=reporter)
    for model in known:
        if model.shape != data.shape:
            where = f"{model.path}: " if model.path else ""
            raise DataError(
                f"{where}a {model.name} of images {size_text(model.shape)} cannot be compared on {data.name}, "
                f"{size_text(data.shape)}"
            )
        check_classes(model, data)
    references = references_for(data, options, known[0].device, reporter=reporter)
    rows, samples = [], {}
    evaluations: dict[str, list[Evaluation]] = {}
    floor: dict[str, Any] = {}
    for contender in contenders(known):
        scored = []
        for model in contender.models:
            reporter.notice(f"{contender.name}: {model.path or 'in memory'}")
            own = options_for(model, options)
            scored.append(evaluate(model, data, own, references=references, reporter=reporter))
        evaluations[contender.name], samples[contender.name] = scored, scored[0].samples
        floor |= scores_of(next(row for row in scored[0].table if row["what"] == FLOOR))
        pairs = zip(scored, contender.models, strict=True)
        (summary,) = mean_and_sd([numbers_of(evaluation, model) for evaluation, model in pairs])
        summary.pop("parameters_sd", None)
        rows.append({"model": contender.name, "checkpoints": len(scored)} | summary)
    rows.append({"model": FLOOR} | floor)
    columns = [*NO_NUMBERS, *dict.fromkeys(name for row in rows for name in row if name not in NO_NUMBERS)]
    samples["training images"] = data.train.images[shuffled(len(data.train), options.seed)[:SHOWN]]
    hashes = ", ".join(f"{one.network.name} {one.network.hash}" for one in references)
    notes = (
        f"Data: {data.name}, {len(data.test):,} test images. ± is the standard deviation over training seeds.",
        f"Feature networks and their hashes: {hashes}. Do not compare with scores from networks with other hashes.",
        *notes_on(references),
    )
    return Comparison(Table(rows, columns), evaluations, samples, notes)


def options_for(model: Model, options: ScoreOptions) -> EvaluateOptions:
    """What is measured of one model: the likelihood only where it has one."""
    left_out = () if model.has_likelihood else OF_LIKELIHOODS
    shared = {field.name: getattr(options, field.name) for field in fields(ScoreOptions) if field.name not in left_out}
    return EvaluateOptions(half_samples=0, **shared)


def contenders(models: Sequence[Model]) -> list[Contender]:
    """Group models of equal options and other seeds; options that do not affect the weights may differ.

    They are in order of appearance, named by their model, or by their folder where two have the same model.
    """
    groups: dict[tuple[str, int], list[Model]] = {}
    times: dict[tuple[str, Any], int] = {}
    for model in models:
        key, seed = _key(model.header), model.header.options.get("seed")
        place = times[key, seed] = times.get((key, seed), -1) + 1  # a seed that comes again is another contender
        groups.setdefault((key, place), []).append(model)
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
