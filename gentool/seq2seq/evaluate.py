"""A trained network judged on its held-out queries: scores.csv, predictions.csv, figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gentool.engine.journal import NOT_DRAWN
from gentool.engine.randomness import generator
from gentool.engine.table import Table
from gentool.engine.terminal import Terminal
from gentool.figures.confusion import confusion
from gentool.figures.curves import curves
from gentool.figures.grids import labelled_rows, save_png
from gentool.figures.histogram import histogram
from gentool.files import write_csv, write_json
from gentool.seq2seq.queries import Arithmetic
from gentool.seq2seq.reader import known_reader, read
from gentool.seq2seq.scores import commonest_answer, groups, nearest_mean, pixel_scores, score, share_of
from gentool.seq2seq.task import SYMBOLS, read_number, written
from gentool.seq2seq.train import REAL, Answers, answer_all, shown_queries
from gentool.seq2seq.trained import Trained

SHOWN = 12


@dataclass(frozen=True)
class Judged:
    """The held-out queries (their numbers), the answers, and how each way of reading them reads them (N, T)."""

    data: Arithmetic
    index: Tensor
    answers: Answers
    readings: Mapping[str, Tensor]


def evaluate(trained: Trained, folder: Path, terminal: Terminal) -> dict[str, Any]:
    """Write the tables and the figures into a folder; the scores over all held-out queries.

    Raises CheckpointError or DataError when the queries or pictures of the training are not to be had.
    """
    data, pictures = trained.data(), trained.pictures()
    seed = trained.options.seed
    held = {name: handwriting.to(trained.device) for name, handwriting in data.pictures.items()}
    answers = answer_all(trained.network, data.test, held.get("test"), trained.device, seed)
    readings = {"symbols": answers.ids}
    rows: list[dict[str, Any]] = []
    whole: dict[str, Any] = {"parameters": sum(weight.numel() for weight in trained.network.parameters())}
    if answers.frames is not None:
        assert pictures is not None
        reader = known_reader(pictures, terminal)
        frames = answers.frames.cpu()
        means = data.pictures["train"].means()
        readings = {"reader": read(reader, frames), "nearest mean": nearest_mean(means, frames),
                    "symbols": answers.ids}  # fmt: skip
        real = data.pictures["test"].draw(data.test.answers, generator(seed, REAL))
        whole |= pixel_scores(frames, real, means, data.test.answers)
        seen = read(reader, real) == data.test.answers
        whole |= {
            "reader_on_real_exact_match": share_of(seen.all(1)),
            "reader_on_real_character_accuracy": share_of(seen),
        }
    judged = Judged(data, data.division.test, answers, readings)
    rows += list(score_rows(judged))
    first = next(iter(readings))
    whole |= {name: value for name, value in rows[0].items() if name not in ("group", "read_by")}
    write_csv(folder / "scores.csv", rows)
    write_json(folder / "scores.json", {**whole, "read_by": first})
    write_csv(folder / "predictions.csv", predictions(judged))
    draw(judged, trained, folder)
    return whole


def score_rows(judged: Judged) -> Iterator[dict[str, Any]]:
    """All queries by every reading, the commonest answer beside them, and every group by the first reading."""
    task, index = judged.data.task, judged.index
    for how, ids in judged.readings.items():
        yield {"group": "all", "read_by": how, **score(task, index, ids)}
    common = torch.full_like(index, commonest_answer(task, judged.data.division.train))
    yield {"group": "the commonest answer, always", "read_by": "", **score(task, index, task.answers(common))}
    how, ids = next(iter(judged.readings.items()))
    masks = dict(groups(task, index))
    mirrored = task.mirrored(index)[0]
    seen = torch.isin(mirrored, judged.data.division.train)
    masks |= {"mirror image was trained on": seen, "mirror image was not trained on": ~seen}
    for name, mask in masks.items():
        if mask.any():
            yield {"group": name, "read_by": how, **score(task, index[mask], ids[mask])}


def predictions(judged: Judged) -> Iterator[dict[str, Any]]:
    """A row for every held-out query."""
    data = judged.data
    right = written(data.test.answers)
    read_as = {name: written(ids) for name, ids in judged.readings.items()}
    first = next(iter(read_as.values()))
    confidence = judged.answers.confidence.tolist()
    for row, query in enumerate(written(data.test.queries)):
        number, true = read_number(first[row]), int(right[row])
        columns = {f"answer_by_{name.replace(' ', '_')}": texts[row].rstrip() for name, texts in read_as.items()}
        if len(columns) == 1:
            columns = {"answer": first[row].rstrip()}
        yield {
            "query": query.rstrip(), "right_answer": true, **columns, "right": int(first[row] == right[row]),
            "distance": "" if number is None else number - true, "confidence": f"{confidence[row]:.5f}",
        }  # fmt: skip


def draw(judged: Judged, trained: Trained, folder: Path) -> None:
    """Distributions, confusions by position, training curves, and a grid of examples."""
    data = judged.data
    how, ids = next(iter(judged.readings.items()))
    true = data.task.values(judged.index).numpy()
    said = [read_number(text) for text in written(ids)]
    number = np.array([value is not None for value in said])
    spoken = np.array([0 if value is None else value for value in said])
    of = f"held-out queries, read by {how}" if judged.answers.frames is not None else "held-out queries"
    histogram({"right answers": true, "predicted": spoken[number]}, folder / "answers.png", axis="answer", title=of)
    histogram({"predicted - right": (spoken - true)[number]}, folder / "distances.png", axis="predicted - right",
              title=f"{of}: distance of answers that are numbers", log=True)  # fmt: skip
    names = ["blank" if symbol == " " else symbol for symbol in SYMBOLS[: trained.network.vocabulary]]
    for place in range(ids.shape[1]):
        table = np.zeros((len(names), len(names)), np.int64)
        np.add.at(table, (data.test.answers[:, place].numpy(), ids[:, place].clamp(max=len(names) - 1).numpy()), 1)
        title = f"symbol {place + 1} of the answer"
        confusion(table, names, names, folder / f"confusion-{place + 1}.png", title=title)
    metrics = trained.path.parent / "metrics.csv"
    if metrics.is_file():
        columns = {name: values for name, values in Table(metrics).numbers().items() if name not in NOT_DRAWN}
        curves(columns, folder / "curves.png", epochs=columns.pop("epoch"))
    examples(judged, trained, folder / "examples.png")


def examples(judged: Judged, trained: Trained, path: Path) -> None:
    """The first held-out queries in pictures, their answers beside them; text stands at the left."""
    data = judged.data
    if not data.pictures:
        return
    queries, answers = written(data.test.queries[:SHOWN]), written(judged.answers.ids[:SHOWN])
    names = [f"{query.rstrip()} = {answer.rstrip()}" for query, answer in zip(queries, answers, strict=True)]
    shown = next(shown_queries(data.test.queries, data.pictures["test"], trained.options.seed))[1]
    assert shown is not None
    cells = [shown[: len(names)]] if trained.options.images_in else []
    if judged.answers.frames is not None:
        if cells:
            cells.append(torch.ones_like(shown[: len(names), :1]))  # a gap, white as the paper
        cells.append(judged.answers.frames[: len(names)].cpu())
    save_png(labelled_rows(torch.cat(cells, dim=1).flatten(0, 1), names), path)
