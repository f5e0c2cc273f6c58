"""`gentool evaluate`: everything that can be said of one trained model, as one table with its floor, and pictures."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gentool.data.images import ImageData
from gentool.engine.environment import environment
from gentool.engine.terminal import Terminal
from gentool.errors import DataError
from gentool.evaluation.agreement import seen
from gentool.evaluation.classifier import read
from gentool.evaluation.features import feature_networks
from gentool.evaluation.fidelity import Judge, in_order
from gentool.evaluation.held_out import held_out_scores
from gentool.evaluation.memorisation import Distances, copied_share
from gentool.evaluation.samples import Drawn, draw, shuffled
from gentool.evaluation.settings import Settings
from gentool.evaluation.table import FLOOR, interval_rows, over_seeds
from gentool.figures.grids import grid, labelled_rows, save_png
from gentool.figures.outlines import outlines
from gentool.files import write_csv, write_json
from gentool.latent.sample import Prior
from gentool.latent.trained import Trained
from gentool.metrics.classes import class_entropy

LEAST = 12
"""So many test and training images are needed: density looks at the fifth neighbour, in half-samples too."""
SHOWN, PAIRS = 25, 10
MEMORISING = 0.1
"""So large a share of samples nearer to the training images than 99 of 100 held-out ones are is called copying."""


@dataclass
class Evaluation:
    """`rows` of evaluation.csv; `facts` is the rest of evaluation.json; `tables` are CSV files by their names."""

    rows: list[dict[str, Any]]
    facts: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """evaluation.csv, the other tables, and evaluation.json."""
        write_csv(folder / "evaluation.csv", self.rows)
        for name, rows in self.tables.items():
            write_csv(folder / name, rows)
        write_json(folder / "evaluation.json", self.facts | {"rows": self.rows} | self.tables)


def judges_of(names: tuple[str, ...], data: ImageData, device: torch.device, seed: int, weights: Path | None,
              voice: Terminal) -> list[Judge]:  # fmt: skip
    """What samples are to be compared with, through each of the named networks.

    Raises DataError when there are too few real images, or no labels for a classifier; OptionError for the weights.
    """
    for name, split in (("test", data.test), ("training", data.train)):
        if len(split) < LEAST:
            raise DataError(f"{data.name}: {len(split)} {name} images; evaluating needs at least {LEAST}")
    networks = feature_networks(names, data, device, voice, weights)
    return [Judge.of(network, data, seed, voice) for network in networks]


def evaluate(
    trained: Trained,
    data: ImageData,
    judges: list[Judge],
    settings: Settings,
    folder: Path,
    voice: Terminal,
    prior: Prior | None = None,
) -> Evaluation:
    """Judge a model's samples and, where it encodes, its reconstructions, against the test images of a set.

    `prior` draws the codes, N(0, I) when None. Pictures go to `folder`.
    """
    count = min(settings.samples, len(data.train))
    if count < settings.samples:
        voice.say(f"{count:,} samples: as many as there are training images, which are the floor")
    result = Evaluation([], facts(trained, data, judges, settings, count))
    for seed in range(settings.seed, settings.seed + settings.seeds):
        with voice.progress("drawing samples", count) as update:
            drawn = draw(trained, data, count, seed, update, prior)
        first = seed == settings.seed
        result.rows.append({"what": "samples", "seed": seed, "images": count, "reference": len(data.test)})
        result.rows[-1] |= score(drawn, data, judges, settings, result if first else None, folder, voice)
    result.rows += over_seeds(result.rows)
    result.rows += interval_rows(result.facts.pop("intervals"), settings)
    real = floor(data, judges, count, settings.seed)
    result.rows.append({name: value for name, value in real.items() if name == "what" or name in result.rows[0]})
    if hasattr(trained.network, "encode"):
        with voice.progress("held-out images") as update:
            rows, tables = held_out_scores(trained, data.test, settings, update)
        result.rows += rows
        result.tables |= tables
    return result


def facts(trained: Trained, data: ImageData, judges: list[Judge], settings: Settings, count: int) -> dict[str, Any]:
    """What the numbers are of: the model, the data, the networks with their hashes."""
    header = trained.header
    return {
        "model": header.model,
        "checkpoint": str(trained.path),
        "parameters": sum(parameter.numel() for parameter in trained.network.parameters()),
        "data": data.name,
        "fingerprint": data.fingerprint,
        "trained_on": header.fingerprint,
        "samples": count,
        "reference": len(data.test),
        "settings": vars(settings),
        "networks": {judge.network.name: {"hash": judge.network.hash, **judge.network.facts} for judge in judges},
        "environment": environment(trained.device, torch.float32),
    }


def score(
    drawn: Drawn, data: ImageData, judges: list[Judge], settings: Settings,
    first: Evaluation | None, folder: Path, voice: Terminal,
) -> dict[str, float]:  # fmt: skip
    """The row of one seed's samples. Of the first, also the intervals, the table of classes, and the pictures."""
    row = {"copied": copied_share(drawn.images, data.train.images)}
    intervals: dict[str, tuple[float, float]] = {}
    for judge in judges:
        with voice.progress(f"{judge.network.name}: features of samples", len(drawn.images)) as update:
            fake = judge.network(drawn.images, update)
        distances = Distances.of(fake, judge.train)
        scores = judge.samples(fake, distances)
        row |= scores
        if first is not None and settings.bootstrap:
            with voice.progress(f"{judge.network.name}: intervals") as update:
                intervals |= judge.intervals(fake, distances, scores, settings.bootstrap, settings.seed, update)
        if first is not None:
            pictures(drawn, data, judge, distances, folder)
        if judge.network.classifier is not None:
            found, sure, table = seen(judge.network.classifier, drawn, data, settings)
            row, intervals = row | found, intervals | sure
            if first is not None and table:
                first.tables["agreement.csv"] = table
    if first is not None:
        first.facts["intervals"] = intervals
        first.facts["memorising"] = any(row[name] > MEMORISING for name in row if name.startswith("near_train"))
        save_png(grid(drawn.images[:SHOWN]), folder / "samples.png")
    return row


def floor(data: ImageData, judges: list[Judge], count: int, seed: int) -> dict[str, Any]:
    """The row of real training images in place of samples; of copying, that of held-out images."""
    row: dict[str, Any] = {"what": FLOOR, "images": count, "reference": len(data.test)}
    row["copied"] = copied_share(data.test.images, data.train.images)
    for judge in judges:
        row |= judge.floor(count, seed)
        if judge.network.classifier is not None:
            chosen = data.train.images[shuffled(len(data.train), seed)[:count]]
            row[f"class_entropy_classifier_{count}"] = class_entropy(
                read(judge.network.classifier, chosen), len(data.classes)
            ).item()
            row[f"agreement_classifier_{count}"] = judge.network.facts["accuracy"]
    return row


def pictures(drawn: Drawn, data: ImageData, judge: Judge, distances: Distances, folder: Path) -> None:
    """The samples nearest to a training image above that image; and how near all are, beside held-out images."""
    chosen = in_order(distances, PAIRS)
    pair = torch.cat([drawn.images[chosen], data.train.images[distances.index[chosen]]])
    save_png(labelled_rows(pair, ["sample", "training image"]), folder / f"nearest_{judge.network.name}.png")
    outlines(
        {"samples": distances.distance.numpy(), "held-out real images": judge.held_out.distance.numpy()},
        folder / f"distances_{judge.network.name}.png",
        x=f"distance to the nearest training image, {judge.network.name} features",
    )
