"""The training loop of all four tasks.

With pictures, the first part of the run trains on text alone. Networks hardly learn arithmetic from the loss of the
answers to pictures; one that already calculates learns to read and to draw quickly. Pictures follow, and the loss on
text keeps half its weight.
"""

from collections.abc import Iterator, Mapping
from itertools import zip_longest

import torch
import torch.nn.functional as F
from torch import Tensor

from gentool.engine.ema import EMA
from gentool.engine.randomness import rng
from gentool.engine.run import Run
from gentool.engine.world import ALONE, World
from gentool.figures.grids import Picture, labelled_rows
from gentool.seq2seq.candidates import CandidateQueries
from gentool.seq2seq.handwriting import Handwriting
from gentool.seq2seq.network import Seq2Seq, build
from gentool.seq2seq.options import ImageToText, Options
from gentool.seq2seq.queries import Arithmetic, QuerySplit
from gentool.seq2seq.scores import nearest_mean, pixel_scores, score
from gentool.seq2seq.task import as_texts

TEXT_WEIGHT = 0.5
"""Weight of the loss on text while pictures are trained on."""
PIXEL_WEIGHT = 20.0
"""Weight of the mean squared error of a picture's pixels, beside cross-entropies in nats per symbol."""
PICTURE_LR = 0.3
"""The parts that read and draw learn at this share of the learning rate, and without weight decay."""
REAL_PICTURES = 16
"""A sharp picture is compared with the nearest of this many real ones."""
AT_ONCE = 500
"""Queries that are answered in one pass."""
SHOWN = 8
REAL_ANSWERS = "real answers"
"""The purpose of the random numbers of the real pictures that drawn answers are compared with."""


def train(options: Options, data: Arithmetic, run: Run) -> None:
    """Learn to answer; with pictures, to read and to draw as well."""
    network = run.place(build(options))
    choices = network.choices
    optimizer = run.adam(
        network, options.lr, betas=(0.9, options.beta2), weight_decay=choices.weight_decay,
        lr_shares={part: PICTURE_LR for name, part in network.named_children() if name in ("reader", "painter")},
    )  # fmt: skip
    ema = EMA(network, options.ema)
    pictures = {name: handwriting.to(run.device) for name, handwriting in data.pictures.items()}
    unlabelled = isinstance(options, ImageToText) and not options.reading_labels
    known = CandidateQueries(data.train, run.device) if unlabelled else None
    run.resume(network=network, ema=ema, optimizer=optimizer)

    def update_on_text(queries: Tensor, answers: Tensor) -> dict[str, Tensor]:
        with run.autocast():
            losses = text_losses(network, queries, answers)
        run.descend(optimizer, losses["loss"], clip=options.clip)
        return losses

    def update_on_pictures(
        queries: Tensor, answers: Tensor, frames: Tensor | None, real: Tensor | None
    ) -> dict[str, Tensor]:
        with run.autocast():
            losses = picture_losses(network, queries, answers, frames, real, known)
        run.descend(optimizer, losses["loss"], clip=options.clip)
        return losses

    update_on_text, update_on_pictures = run.compiled(update_on_text), run.compiled(update_on_pictures)
    text_steps = choices.text_share * run.plan.total_steps if data.pictures else run.plan.total_steps
    for _ in run.epochs():
        for queries, answers in run.batches():
            assert answers is not None
            if run.step < text_steps:
                losses = update_on_text(queries, answers)
            else:
                handwriting = pictures["train"]
                frames = (
                    handwriting.chosen(queries, run.uniform("frames", queries.shape[1])) if options.images_in else None
                )
                real = real_pictures(network, answers, handwriting, run) if options.images_out else None
                losses = update_on_pictures(queries, answers, frames, real)
            ema.update()
            run.record(losses)
        average = ema.average()
        measured: dict[str, float] = {}
        for name, split, index in (
            ("train", data.trained_on, data.division.train),
            ("validation", data.validation, data.division.rest),
        ):
            if len(split):
                answered = answer_all(average, split, pictures.get("train"), run.device, options.seed, run.world)
                scores = main_scores(score(data.task, index[: len(split)], answered.ids))
                measured |= {f"{name}_{score}": value for score, value in scores.items()}
        run.record_epoch(measured)
        if options.images_out and run.pictures_due:
            run.show("samples", examples(average, data, pictures, run.device))
        run.save(average, best_by="validation_exact_match")
    answered = answer_all(ema.network, data.test, pictures.get("test"), run.device, options.seed, run.world)
    scores = main_scores(score(data.task, data.division.test, answered.ids))
    run.finish(scores | drawn_scores(answered, data, options.seed))


def text_losses(network: Seq2Seq, queries: Tensor, answers: Tensor) -> dict[str, Tensor]:
    """The cross-entropy of the answers to queries in text, nats per symbol."""
    target = network.ordered(answers)
    logits, _ = network(network.one_hot(queries), target)
    return {"loss": symbol_loss(logits, target)}


def picture_losses(
    network: Seq2Seq,
    queries: Tensor,
    answers: Tensor,
    frames: Tensor | None,
    real: Tensor | None,
    known: CandidateQueries | None,
) -> dict[str, Tensor]:
    """The losses of a task with pictures.

    `frames` (N, L, 1, 28, 28) show the queries, `real` (K, N, T, 1, 28, 28) are real pictures of the answers, and
    `known` replaces the labels of the frames.
    """
    options, choices = network.options, network.choices
    target = network.ordered(answers)
    losses: dict[str, Tensor] = {}
    weights: dict[str, float] = {}
    features = torch.empty(0)
    if choices.soft_tokens or not options.images_in:
        logits, features = network(network.one_hot(queries), target)
        losses["text_answer"] = symbol_loss(logits, target)
        weights["text_answer"] = TEXT_WEIGHT if options.images_in else choices.symbol_loss
    if frames is not None:
        symbol_logits = network.read(frames)
        logits, features = network(network.tokens(symbol_logits), target)
        losses["answer"] = symbol_loss(logits, target)
        weights["answer"] = choices.symbol_loss if options.images_out else 1.0
        if choices.reading_loss:
            losses["reading"] = (
                symbol_loss(symbol_logits, queries) if known is None else known.loss(symbol_logits, answers)
            )
            weights["reading"] = choices.reading_loss
    if real is not None:
        drawn = network.draw(features)
        losses["mse"] = F.mse_loss(drawn, nearest_pictures(drawn, real))
        weights["mse"] = PIXEL_WEIGHT
    loss = sum(weights[name] * value for name, value in losses.items())
    assert isinstance(loss, Tensor)
    return {"loss": loss, **{name: value.detach() for name, value in losses.items()}}


def symbol_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits (N, L, V) and symbol numbers (N, L), nats per symbol."""
    return F.cross_entropy(logits.float().flatten(0, 1), target.flatten())


def real_pictures(network: Seq2Seq, answers: Tensor, handwriting: Handwriting, run: Run) -> Tensor:
    """Random real pictures of answers (N, T), in the decoder's order: (K, N, T, 1, 28, 28), K = 1 to learn the mean."""
    count = 1 if network.choices.handwriting == "mean" else REAL_PICTURES
    target = network.ordered(answers)
    share = torch.rand((count, run.rows, target.shape[1]), generator=run.rng("answers"), device=target.device)
    return handwriting.chosen(target.repeat(count, 1), run.own(share, dim=1).flatten(0, 1)).unflatten(0, (count, -1))


@torch.no_grad()
def nearest_pictures(drawn: Tensor, real: Tensor) -> Tensor:
    """For each drawn picture (N, T, 1, 28, 28), the nearest of K real ones (K, N, T, 1, 28, 28)."""
    if len(real) == 1:
        return real[0]
    nearest = (real - drawn).square().flatten(3).sum(3).argmin(0)
    return real.gather(0, nearest[None, :, :, None, None, None].expand_as(real[:1]))[0]


class Answers:
    """Answers as people write them: symbol numbers (N, T), their probabilities (N,), pictures (N, T, 1, 28, 28)."""

    def __init__(self, ids: Tensor, confidence: Tensor, frames: Tensor | None) -> None:
        self.ids, self.confidence, self.frames = ids.cpu(), confidence.cpu(), frames


def query_chunks(
    queries: Tensor, handwriting: Handwriting | None, seed: int, world: World = ALONE
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Chunks of queries, and pictures of them: a function of the seed and the chunk's number alone.

    Of several processes, the n-th has the n-th chunk, and so on in turn.
    """
    chunks = queries.split(AT_ONCE)
    for number in range(world.rank, len(chunks), world.size):
        random = rng(seed, "shown queries", number, device=queries.device)
        yield chunks[number], None if handwriting is None else handwriting.draw(chunks[number], random)


@torch.no_grad()
def answer_all(
    network: Seq2Seq,
    split: QuerySplit,
    handwriting: Handwriting | None,
    device: torch.device,
    seed: int,
    world: World = ALONE,
) -> Answers:
    """The answers of a network in eval mode to all queries of a split, in f32."""
    read = handwriting if network.options.images_in else None
    chunks = query_chunks(split.queries.to(device), read, seed, world)
    shares = world.gathered([answer(network, queries, frames) for queries, frames in chunks])
    parts = [part for turn in zip_longest(*shares) for part in turn if part is not None]
    frames = [part.frames for part in parts if part.frames is not None]
    return Answers(
        torch.cat([part.ids for part in parts]),
        torch.cat([part.confidence for part in parts]),
        torch.cat(frames) if frames else None,
    )


@torch.no_grad()
def answer(network: Seq2Seq, queries: Tensor, frames: Tensor | None) -> Answers:
    """The answers to queries in symbols (N, L), or in pictures (N, L, 1, 28, 28) where these are given."""
    tokens = network.one_hot(queries) if frames is None else network.tokens(network.read(frames))
    ids, confidence, features = network.answer(tokens)
    return Answers(ids, confidence, network.draw(features) if network.options.images_out else None)


def drawn_scores(answered: Answers, data: Arithmetic, seed: int) -> dict[str, float]:
    """What a training reports about drawn answers: their error per pixel, and exact match by nearest mean picture."""
    if answered.frames is None:
        return {}
    frames, ids = answered.frames.cpu(), data.test.answers
    means = data.pictures["train"].means()
    real = data.pictures["test"].draw(ids, rng(seed, REAL_ANSWERS))
    read = score(data.task, data.division.test, nearest_mean(means, frames))
    return {"mse": pixel_scores(frames, real, means, ids)["mse"], "read_exact_match": read["exact_match"]}


def main_scores(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores that a training reports."""
    return {name: scores[name] for name in ("exact_match", "character_accuracy")}


@torch.no_grad()
def examples(network: Seq2Seq, data: Arithmetic, pictures: Mapping[str, Handwriting], device: torch.device) -> Picture:
    """The drawn answers to the first held-out queries, one row each, with the query and the right answer as text."""
    few = QuerySplit(data.test.queries[:SHOWN], data.test.answers[:SHOWN])
    frames = answer_all(network, few, pictures["test"], device, network.options.seed).frames
    assert frames is not None
    texts = zip(as_texts(few.queries), as_texts(few.answers), strict=True)
    names = [f"{query.strip()} = {answer.strip()}" for query, answer in texts]
    return labelled_rows(frames.flatten(0, 1), names)
