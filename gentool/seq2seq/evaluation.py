"""Evaluation of a trained network on its held-out queries: scores, predictions, figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gentool.engine.charts import curve_panels
from gentool.engine.randomness import rng
from gentool.errors import OptionError
from gentool.evaluation.classifier import Classifier, classifier_of, predict
from gentool.figures.confusion import confusion
from gentool.figures.curves import draw_curves
from gentool.figures.grids import labelled_rows, save_png
from gentool.figures.histograms import histogram
from gentool.figures.style import FigureOptions, Plot
from gentool.progress import SILENT, Reporter
from gentool.results import Results
from gentool.seq2seq.model import Seq2SeqModel
from gentool.seq2seq.scores import commonest_answer, groups, nearest_mean, pixel_scores, score, share_of
from gentool.seq2seq.task import SYMBOLS, as_texts, read_number
from gentool.seq2seq.training import REAL_ANSWERS, Answers, answer_all, query_chunks
from gentool.tables import Table, format_number

SEQ2SEQ_EVALUATION = Results(
    "scores.json",
    "read_by",
    r"(scores|predictions)\.csv|examples\.png|(answers|distances|curves|confusion-\d+)\.(png|pdf|svg|csv)",
)
SHOWN = 12
"""Queries in the picture of examples."""
CLASSIFIER, NEAREST_MEAN, OWN_SYMBOLS = "classifier", "nearest mean", "symbols"
"""Ways of reading an answer: an independent classifier, the nearest mean picture, the network's own symbols."""


READ = {CLASSIFIER: "classifier reads", NEAREST_MEAN: "nearest mean reads", OWN_SYMBOLS: "answered"}
"""In the picture of examples, beside a wrong answer."""


@dataclass(frozen=True, repr=False)
class Seq2SeqEvaluation:
    """What a network scored on the held-out queries.

    Attributes:
        scores: The main scores by name, read in the first way of `readings`.
        table: A row per way of reading, for the commonest answer, and per group of queries.
        predictions: A row per held-out query.
        readings: Way of reading to the answers as it reads them, symbol numbers (N, T).
    """

    model: Seq2SeqModel
    scores: dict[str, Any]
    table: Table
    predictions: Table
    answers: Answers
    readings: Mapping[str, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {format_number(value)}" for name, value in self.scores.items())
        return f"<{self.model.task} on {len(self.predictions):,} held-out queries: {shown}>"

    def save(self, folder: Path | str, figures: FigureOptions | None = None) -> Path:
        """Write scores.csv and .json, predictions.csv and the figures into a folder, which is returned."""
        folder = Path(folder)
        record = {"weights": self.model.weights_digest, **self.scores, "read_by": next(iter(self.readings))}
        with SEQ2SEQ_EVALUATION.writing(folder, record):
            self.table.to_csv(folder / "scores.csv")
            self.predictions.to_csv(folder / "predictions.csv")
            for name, plot in plots(self).items():
                plot.save(folder / name, figures)
            if self.model.data.pictures:
                save_png(examples(self), folder / "examples.png")
        return folder


def evaluate(model: Seq2SeqModel, *, reporter: Reporter = SILENT) -> Seq2SeqEvaluation:
    """Score a network on all of its held-out queries.

    Drawn answers are read by an independent classifier, which is trained once on the handwriting and kept in the cache.
    Raises OptionError for a model of images, CheckpointError or DataError when the queries or pictures of the training
    are gone.
    """
    if not isinstance(model, Seq2SeqModel):
        raise OptionError(f"expected a model of gentool.seq2seq, got {type(model).__name__}")
    data, pictures, seed = model.data, model.pictures, model.options.seed
    handwriting = {name: one.to(model.device) for name, one in data.pictures.items()}
    answers = answer_all(model.network, data.test, handwriting.get("test"), model.device, seed)
    readings = {OWN_SYMBOLS: answers.ids}
    scores: dict[str, Any] = {"parameters": model.parameters}
    if answers.frames is not None:
        assert pictures is not None
        classifier = classifier_of(pictures.as_images(), model.device, reporter=reporter).network
        frames, means = answers.frames.cpu(), data.pictures["train"].means()
        readings = {
            CLASSIFIER: read(classifier, frames),
            NEAREST_MEAN: nearest_mean(means, frames),
            OWN_SYMBOLS: answers.ids,
        }
        real = data.pictures["test"].draw(data.test.answers, rng(seed, REAL_ANSWERS))
        scores |= pixel_scores(frames, real, means, data.test.answers)
        right = read(classifier, real) == data.test.answers
        scores["classifier_on_real_exact_match"] = share_of(right.all(1))
        scores["classifier_on_real_character_accuracy"] = share_of(right)
    table = Table(score_rows(model, readings))
    scores |= {name: value for name, value in table.rows[0].items() if name not in ("group", "read_by")}
    predictions = Table(prediction_rows(model, answers, readings))
    return Seq2SeqEvaluation(model, scores, table, predictions, answers, readings)


def read(classifier: Classifier, frames: Tensor) -> Tensor:
    """Pictures (N, T, 1, 28, 28) in [0, 1] -> the symbols that a classifier sees in them, (N, T)."""
    images = (frames.flatten(0, 1) * 255).round().to(torch.uint8)
    return predict(classifier, images).view(frames.shape[:2])


def score_rows(model: Seq2SeqModel, readings: Mapping[str, Tensor]) -> Iterator[dict[str, Any]]:
    """All queries in every way of reading, the commonest answer beside them, and every group in the first way."""
    data = model.data
    task, index = data.task, data.division.test
    for way, ids in readings.items():
        yield {"group": "all", "read_by": way, **score(task, index, ids)}
    common = torch.full_like(index, commonest_answer(task, data.division.train))
    yield {"group": "the commonest answer, always", "read_by": "", **score(task, index, task.answers(common))}
    way, ids = next(iter(readings.items()))
    masks = dict(groups(task, index))
    trained = torch.isin(task.mirrored(index)[0], data.division.train)
    masks |= {"mirror image was trained on": trained, "mirror image was not trained on": ~trained}
    for name, mask in masks.items():
        if mask.any():
            yield {"group": name, "read_by": way, **score(task, index[mask], ids[mask])}


def prediction_rows(model: Seq2SeqModel, answers: Answers, readings: Mapping[str, Tensor]) -> Iterator[dict[str, Any]]:
    """A row per held-out query."""
    data = model.data
    right = as_texts(data.test.answers)
    texts = {name: as_texts(ids) for name, ids in readings.items()}
    first = next(iter(texts.values()))
    confidence = answers.confidence.tolist()
    for row, query in enumerate(as_texts(data.test.queries)):
        number, true = read_number(first[row]), int(right[row])
        columns = {f"answer_by_{name.replace(' ', '_')}": answer[row].rstrip() for name, answer in texts.items()}
        if len(columns) == 1:
            columns = {"answer": first[row].rstrip()}
        yield {
            "query": query.rstrip(), "right_answer": true, **columns, "right": int(first[row] == right[row]),
            "distance": "" if number is None else number - true, "confidence": f"{confidence[row]:.5f}",
        }  # fmt: skip


def plots(evaluation: Seq2SeqEvaluation) -> dict[str, Plot]:
    """Distributions of answers, confusions by position, and training curves, by the name of their file."""
    model, data = evaluation.model, evaluation.model.data
    way, ids = next(iter(evaluation.readings.items()))
    true = data.task.values(data.division.test).numpy()
    parsed = [read_number(text) for text in as_texts(ids)]
    number = np.array([value is not None for value in parsed])
    answers = np.array([0 if value is None else value for value in parsed])
    title = f"held-out queries, read by {way}" if evaluation.answers.frames is not None else "held-out queries"
    found = {
        "answers": histogram(
            {"right answers": true, "predicted": answers[number]}, x="answer", y="queries", title=title
        ),
        "distances": histogram(
            {"predicted - right": (answers - true)[number]}, x="predicted - right", y="queries",
            title=f"{title}: distance of answers that are numbers", log=True,
        ),
    }  # fmt: skip
    names = ["blank" if symbol == " " else symbol for symbol in SYMBOLS[: model.network.vocabulary]]
    for place in range(ids.shape[1]):
        table = np.zeros((len(names), len(names)), np.int64)
        np.add.at(table, (data.test.answers[:, place].numpy(), ids[:, place].clamp(max=len(names) - 1).numpy()), 1)
        title = f"symbol {place + 1} of the answer"
        found[f"confusion-{place + 1}"] = confusion(table, names, names, title=title)
    history = model.history
    panels = curve_panels({name: [nan_if_none(value) for value in history[name]] for name in history.columns})
    if panels:
        found["curves"] = draw_curves(panels, history["epoch"])
    return found


def nan_if_none(value: float | None) -> float:
    """A missing value as NaN, which leaves a gap in a curve."""
    return float("nan") if value is None else value


def examples(evaluation: Seq2SeqEvaluation) -> Any:
    """A picture of the first held-out queries with their answers. At the left the right answer, and what was read."""
    model, data = evaluation.model, evaluation.model.data
    way, ids = next(iter(evaluation.readings.items()))
    texts = zip(*(as_texts(some[:SHOWN]) for some in (data.test.queries, data.test.answers, ids)), strict=True)
    names = [
        f"{query.rstrip()} = {right.rstrip()}" + (f", {READ[way]} {answer.rstrip()}" if answer != right else "")
        for query, right, answer in texts
    ]
    # On the model's device, whose random numbers chose the handwriting that was answered.
    shown, seed = data.test.queries.to(model.device), model.options.seed
    frames = next(query_chunks(shown, data.pictures["test"].to(model.device), seed))[1]
    assert frames is not None
    frames = frames.cpu()
    cells = [frames[: len(names)]] if model.options.images_in else []
    if evaluation.answers.frames is not None:
        if cells:
            cells.append(torch.ones_like(frames[: len(names), :1]))  # a gap, white as the paper
        cells.append(evaluation.answers.frames[: len(names)].cpu())
    return labelled_rows(torch.cat(cells, dim=1).flatten(0, 1), names)
