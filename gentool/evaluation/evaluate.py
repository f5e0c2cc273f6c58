"""Evaluation of one trained model: its samples and reconstructions against real images."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from gentool.data.images import ImageData
from gentool.data.load import Source
from gentool.engine.environment import environment
from gentool.errors import DataError, OptionError
from gentool.evaluation.evaluation import Evaluation
from gentool.evaluation.faces import FaceReference, has_compositions
from gentool.evaluation.features import default_names, feature_networks
from gentool.evaluation.fidelity import Reference
from gentool.evaluation.held_out import held_out_scores
from gentool.evaluation.intervals import Interval
from gentool.evaluation.memorisation import verdicts
from gentool.evaluation.modes import ModeReference
from gentool.evaluation.options import MIN_IMAGES, OF_LIKELIHOODS, EvaluateOptions, ScoreOptions
from gentool.evaluation.samples import check_classes, draw_samples
from gentool.evaluation.scoring import floor_row, score
from gentool.evaluation.summary import FLOOR, SAMPLES, interval_rows, seed_rows
from gentool.evaluation.verdicts import COLLAPSED, below_floor, verdict_lines
from gentool.latent.images import load_for
from gentool.latent.loading import as_model
from gentool.latent.model import Model
from gentool.latent.prior import ClassMixturePrior, Density, LearntPrior, MixturePrior
from gentool.models.capabilities import abilities_of, models_that
from gentool.options import flag
from gentool.progress import SILENT, Reporter, counted
from gentool.tables import Table

LARGEST_TEST = 0.5
ONLY_RANDOM = (
    "random network: blurred or noisy images can score well in it, and its KID has no scale; compare its scores "
    "only with their floor, or use --features self-supervised"
)


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
    trained_on = model.header.options.get("binarise", "none")
    if trained_on != "none" and options.binarise == "means":
        notes.append(
            f"the model was trained with --binarise {trained_on}, but its likelihoods here are of grey values; give "
            "--binarise static for those of pixels that are on or off"
        )
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
    return f"{needed}; prepare the images with --test {share:g}, and train again on what that makes"


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
