"""Evaluation of one trained model: a table of scores beside their floor, and pictures."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.data.load import Source
from gentool.engine.environment import environment
from gentool.errors import DataError, OptionError
from gentool.evaluation.agreement import class_scores
from gentool.evaluation.classifier import predict
from gentool.evaluation.faces import FaceReference, has_compositions
from gentool.evaluation.features import default_names, feature_networks
from gentool.evaluation.fidelity import Reference
from gentool.evaluation.held_out import HELD_OUT, held_out_scores
from gentool.evaluation.intervals import Interval
from gentool.evaluation.memorisation import COPIES, Copies, Distances, chance_of_nearness, verdicts
from gentool.evaluation.modes import ModeReference
from gentool.evaluation.options import (
    MIN_IMAGES,
    NETWORKS,
    OF_LIKELIHOODS,
    EvaluateOptions,
    ScoreOptions,
    name_in_scores,
)
from gentool.evaluation.samples import Samples, check_classes, draw_samples, shuffled
from gentool.evaluation.summary import FLOOR, NO_SCORES, SAMPLES, interval_rows, seed_rows, summary_lines
from gentool.evaluation.verdicts import COLLAPSED, below_floor, verdict_lines
from gentool.figures.grids import grid, labelled_rows, save_png
from gentool.figures.histograms import outlines
from gentool.figures.style import FigureOptions
from gentool.latent.images import load_for
from gentool.latent.loading import as_model
from gentool.latent.model import Model
from gentool.latent.prior import ClassMixturePrior, Density, LearntPrior, MixturePrior
from gentool.metrics.classes import class_entropy
from gentool.models.capabilities import abilities_of, models_that
from gentool.options import flag
from gentool.progress import SILENT, Reporter, counted
from gentool.results import Results
from gentool.tables import Table

LARGEST_TEST = 0.5
LARGE = "disentanglement"
"""The table that is not also in evaluation.json: it has a row for every factor and dimension."""
SHOWN, PAIRS = 25, 10
"""Samples in the picture, and pairs of a sample and its nearest training image."""
ONLY_RANDOM = (
    "random network: blurred or noisy images can score well in it, and its KID has no scale; compare its scores "
    "only with their floor, or use --features self-supervised"
)
SCORED = "|".join(map(name_in_scores, NETWORKS))
EVALUATION = Results(
    "evaluation.json",
    "rows",
    rf"(evaluation|agreement|dimensions|factors|disentanglement|attributes|faces)\.csv|samples\.png|"
    rf"nearest_({SCORED})\.png|distances_({SCORED})\.(png|pdf|svg|csv)",
)


@dataclass(frozen=True)
class Neighbours:
    """How near samples lie to the training images in the features of one network.

    `samples` and `train` are uint8 pairs (P, C, H, W), nearest first; `distances` (N,) are those of all samples and
    `held_out` (R,) those of the test images.
    """

    samples: Tensor
    train: Tensor
    distances: Tensor
    held_out: Tensor


@dataclass(frozen=True, repr=False, eq=False)
class Evaluation:
    """What a model scored.

    Attributes:
        table: A row for the samples, for the ends of their intervals, for the floor, and for the held-out images.
        facts: The model, the data, the options, and the feature networks with their hashes.
        tables: More tables: `agreement` per class, `dimensions` of a VAE, `factors` and `disentanglement` of a model
            that encodes data with known factors, `attributes` and `faces` of the set faces.
        samples: The first samples, uint8 (25, C, H, W).
        neighbours: The nearest training images, by feature network.
        notes: What to know before you compare the scores.
    """

    table: Table
    facts: dict[str, Any]
    tables: dict[str, Table] = field(default_factory=dict)
    samples: Tensor = field(default_factory=lambda: torch.empty(0))
    neighbours: dict[str, Neighbours] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def scores(self) -> dict[str, float]:
        """The scores by name: of the samples of the first seed, and of the reconstructions."""
        rows = {row["what"]: row for row in reversed(self.table.rows)}
        both = rows[SAMPLES] | rows.get(HELD_OUT, {})
        return {name: value for name, value in both.items() if name not in NO_SCORES}

    @property
    def verdicts(self) -> list[str]:
        """What the scores say of the model, a line each: whether it is memorising, copying or collapsed, which classes
        are missing, and which distances are below the floor."""
        return list(self.facts["verdicts"])

    @property
    def memorising(self) -> bool:
        """Whether the samples are nearer to the training images than chance explains."""
        return bool(self.facts["memorising"])

    @property
    def copying(self) -> bool:
        """Whether more samples equal a training image, or its mirror image, than chance explains."""
        return bool(self.facts["copying"])

    def __str__(self) -> str:
        return "\n".join(summary_lines(self.table.rows))

    def __repr__(self) -> str:
        return "\n".join(
            [f"<evaluation of a {self.facts['model']} on {self.facts['data']}>", str(self), *self.verdicts, *self.notes]
        )

    def _repr_markdown_(self) -> str:
        return "\n".join([self.table.to_markdown(), *self.verdicts, *self.notes])

    def save(self, folder: Path | str, figures: FigureOptions | None = None) -> Path:
        """Write evaluation.csv and .json, the other tables and the figures into a folder, which is returned."""
        folder = Path(folder).expanduser()
        rows = {f"{name}.csv": table.rows for name, table in self.tables.items() if name != LARGE}
        with EVALUATION.writing(folder, self.facts | {"rows": self.table.rows} | rows):
            self._save_into(folder, figures)
        return folder

    def _save_into(self, folder: Path, figures: FigureOptions | None) -> None:
        self.table.to_csv(folder / "evaluation.csv")
        for name, table in self.tables.items():
            table.to_csv(folder / f"{name}.csv")
        save_png(grid(self.samples), folder / "samples.png")
        for name, near in self.neighbours.items():
            pairs = labelled_rows(torch.cat([near.samples, near.train]), ["sample", "training image"])
            save_png(pairs, folder / f"nearest_{name}.png")
            outlines(
                {"samples": near.distances.numpy(), "held-out real images": near.held_out.numpy()},
                x=f"distance to the nearest training image, {name} features",
            ).save(folder / f"distances_{name}", figures)


def evaluate(
    model: Model | Path | str,
    data: Source | None = None,
    options: EvaluateOptions | None = None,
    *,
    prior: Density | None = None,
    references: Sequence[Reference] | None = None,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Evaluation:
    """Score a model's samples and, if it encodes, its reconstructions, against the test images of a data set.

    Args:
        model: A trained model, or its checkpoint.
        data: The real images; those of the model's training by default.
        options: What to measure; or give the fields of `EvaluateOptions` as `settings`.
        prior: A density to draw the codes from, such as `model.fit_prior(data)`; the model's own by default.
        references: The real images in the features of the networks, where several models are compared.

    Raises OptionError for an option that the model does not support, DataError where there are too few images or no
    labels.
    """
    options = EvaluateOptions.resolve(options, settings)
    model = as_model(model)
    check_likelihood([model.name], options)
    data = load_for(model.header, data, reporter=reporter)
    check_classes(model, data)
    notes = []
    if data.fingerprint != model.header.fingerprint:
        notes.append(
            "the model was trained on other images, or on another split of them: its scores for copying and for "
            "held-out images may not hold"
        )
    if model.density is not None:
        notes.append(prior_note(model, prior))
    if references is None:
        references = references_for(data, options, model.device, reporter=reporter)
        notes += notes_on(references)
    count = min(options.samples, len(data.train))
    if count < options.samples:
        notes.append(f"scoring {count:,} samples: the floor needs as many training images")
    for note in notes:
        reporter.notice(note)
    faces = FaceReference.of(data, count, options.seed, reporter=reporter) if has_compositions(data) else None
    modes = ModeReference.of(data, count, options.seed, model.device, reporter=reporter)
    scored = []
    rows: list[dict[str, Any]] = []
    for seed in range(options.seed, options.seed + options.seeds):
        samples = draw_samples(model, data, count, seed, prior=prior, reporter=reporter)
        in_full = seed == options.seed
        scored.append(score(samples, data, references, options, faces, in_full=in_full, reporter=reporter))
        row = {"what": SAMPLES, "seed": seed, "images": count, "reference": len(data.test)}
        rows.append(row | scored[-1].scores | (modes.scores(samples.images) if modes else {}))
    first = scored[0]
    floor = floor_row(data, references, count, options.seed, faces) | (modes.floor() if modes else {})
    known = rows[0].keys()
    rows += seed_rows(rows)
    rows += interval_rows(SAMPLES, first.intervals, options.seed)
    rows.append({name: value for name, value in floor.items() if name in known})
    floor_intervals: dict[str, Interval] = {}
    for reference in references if options.half_samples else ():
        ends = reference.floor_intervals(count, options.half_samples, options.seed, reporter=reporter)
        floor_intervals |= {name: value for name, value in ends.items() if name in known}
    rows += interval_rows(FLOOR, floor_intervals, options.seed)
    tables = dict(first.tables)
    facts = facts_of(model, data, references, options, count, prior or model.prior)
    if model.encodes:
        held_out = held_out_scores(model, data, options, reporter=reporter)
        rows += held_out.rows
        tables |= held_out.tables
        facts |= held_out.facts
    near = [first.scores[column] for column in first.scores if column.startswith("near_train")]
    if modes is not None:
        facts["digit_classifier"] = modes.facts
    facts |= verdicts(near, first.chances) | {"chances": first.chances, "spacing": first.spacing}
    facts["collapsed"] = max(first.spacing.values()) < COLLAPSED
    facts["missing_classes"] = list(first.missing)
    facts["below_floor"] = below_floor(first.scores, floor, first.intervals, floor_intervals)
    facts["verdicts"] = verdict_lines(facts, first.scores)
    return Evaluation(Table(rows), facts, tables, first.samples, first.neighbours, tuple(notes))


def prior_note(model: Model, given: Density | None) -> str:
    """Which prior the scores of a model with a learnt one are of; `given` is that of the samples, None for its own."""
    size = "" if model.prior is None else f", {counted(model.prior.components, 'component')}"
    own = f"the prior learnt in training ({model.prior_name}{size})"
    if given is None:
        return f"samples and likelihoods are those of {own}"
    return f"samples are drawn with --prior {given.kind}; likelihoods are those of {own}"


def check_likelihood(models: Iterable[str], options: ScoreOptions) -> None:
    """Raises OptionError for options of a likelihood that none of the models, given by name, has."""
    given = [name for name in OF_LIKELIHOODS if name in options.changed()]
    names = list(models)
    if given and not any("has_likelihood" in abilities_of(name) for name in names):
        able = models_that("has_likelihood")
        raise OptionError(f"{', '.join(map(flag, given))}: a {names[0]} has no likelihood (models with one: {able})")


def references_for(
    data: ImageData, options: ScoreOptions, device: torch.device, *, reporter: Reporter = SILENT
) -> list[Reference]:
    """The real images in the features of each network that the options name.

    Raises DataError when there are too few real images, or no labels for a classifier; OptionError for the weights.
    """
    for name, split in (("test", data.test), ("training", data.train)):
        if len(split) < MIN_IMAGES:
            raise DataError(f"{data.name}: {counted(len(split), f'{name} image')}, and {_more_images(data)}")
    names = options.features or default_names(data)
    networks = feature_networks(names, data, device, options.weights, reporter=reporter)
    return [Reference.of(network, data, options.seed, reporter=reporter) for network in networks]


def notes_on(references: Sequence[Reference]) -> list[str]:
    """What to know of scores in these feature networks: a line where there is only the random one."""
    return [ONLY_RANDOM] if [one.network.name for one in references] == ["random"] else []


def _more_images(data: ImageData) -> str:
    """How to come to enough images."""
    share = math.ceil(20 * MIN_IMAGES / len(data)) / 20
    needed = f"evaluating needs at least {MIN_IMAGES}"
    if share > LARGEST_TEST:
        return f"{needed}; use more images"
    return f"{needed}; prepare the images with --test {share:g}"


def facts_of(
    model: Model,
    data: ImageData,
    references: Sequence[Reference],
    options: ScoreOptions,
    count: int,
    prior: Density | None,
) -> dict[str, Any]:
    """What the scores are of: the model, the data, the networks with their hashes."""
    facts = {
        "model": model.name,
        "checkpoint": None if model.path is None else str(model.path),
        "parameters": model.parameters,
        "weights": model.weights_digest,
        "data": data.name,
        "fingerprint": data.fingerprint,
        "trained_on": model.header.fingerprint,
        "samples": count,
        "reference": len(data.test),
        "settings": options.to_json(),
        "networks": {one.network.name: {"hash": one.network.hash, **one.network.facts} for one in references},
        "environment": environment(model.device, "float32"),
        "prior": "normal" if prior is None else prior.kind,
        "prior_of_training": model.prior_name,
    }
    if isinstance(prior, MixturePrior | ClassMixturePrior | LearntPrior):
        facts["components"] = prior.components
    if model.sampling is not None:
        facts["sampling"] = model.sampling.to_json()
    return facts


@dataclass
class SampleScores:
    """What the samples of one seed score; in full with intervals, nearest training images and tables.

    `chances` are the probabilities that the copies, and the nearness in the features of each network, come by chance.
    `spacing` is the distance of samples to one another beside that of real images, in the features of each network.
    """

    scores: dict[str, float]
    samples: Tensor
    chances: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    neighbours: dict[str, Neighbours] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    spacing: dict[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def score(
    samples: Samples,
    data: ImageData,
    references: Sequence[Reference],
    options: EvaluateOptions,
    faces: FaceReference | None,
    *,
    in_full: bool,
    reporter: Reporter,
) -> SampleScores:
    """The scores of one seed's samples; `faces` are real ones where the data are the set faces."""
    copies, held_out = (Copies.of(images, data.train.images) for images in (samples.images, data.test.images))
    chances = {COPIES: copies.chance_beside(held_out)}
    result = SampleScores(copies.shares(), samples.images[:SHOWN], chances)
    half_samples = options.half_samples if in_full else 0
    for reference in references:
        network = reference.network
        fake = network(samples.images, task="features of samples", reporter=reporter)
        distances = Distances.of(fake, reference.train)
        scores = reference.scores(fake, distances)
        result.scores.update(scores)
        chances[network.name] = chance_of_nearness(distances.distance, reference.held_out.distance)
        if half_samples:
            ends = reference.intervals(fake, distances, scores, half_samples, options.seed, reporter=reporter)
            result.intervals.update(ends)
        if in_full:
            result.spacing[network.name] = reference.spacing(fake, options.seed)
            chosen = distances.nearest_first(PAIRS)
            result.neighbours[network.name] = Neighbours(
                samples.images[chosen],
                data.train.images[distances.index[chosen]],
                distances.distance,
                reference.held_out.distance,
            )
        if network.classifier is not None:
            classes = class_scores(network.classifier, samples, data, half_samples=half_samples, seed=options.seed)
            result.scores.update(classes.scores)
            if in_full:
                result.intervals.update(classes.intervals)
                result.missing = classes.missing
                if classes.per_class is not None:
                    result.tables["agreement"] = classes.per_class
    if faces is not None:
        of_faces = faces.scores(samples.images, reporter=reporter)
        result.scores.update(of_faces.scores)
        if in_full:
            result.tables.update(of_faces.tables)
            result.intervals.update(of_faces.intervals if half_samples else {})
    return result


def floor_row(
    data: ImageData, references: Sequence[Reference], count: int, seed: int, faces: FaceReference | None
) -> dict[str, Any]:
    """The row of real training images in place of samples; for copying, that of held-out images."""
    row: dict[str, Any] = {"what": FLOOR, "images": count, "reference": len(data.test)}
    row |= Copies.of(data.test.images, data.train.images).shares()
    row |= faces.floor() if faces is not None else {}
    for reference in references:
        row |= reference.floor(count, seed)
        if reference.network.classifier is not None:
            chosen = data.train.images[shuffled(len(data.train), seed)[:count]]
            predicted = predict(reference.network.classifier, chosen)
            row[f"class_entropy_classifier_{count}"] = class_entropy(predicted, len(data.classes)).item()
            row[f"agreement_classifier_{count}"] = reference.network.facts["accuracy"]
    return row
