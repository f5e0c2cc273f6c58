"""The training loop of all four tasks.

With pictures, a share of the run reckons with text alone: from the answers' loss through pictures, arithmetic is hardly
learnt, while a network that can reckon teaches its reader and its painter quickly. Pictures come into it after that,
with the text's loss kept at half its weight.
"""

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.engine.ema import EMA
from gentool.engine.randomness import generator
from gentool.engine.run import Run
from gentool.figures.grids import Picture, labelled_rows
from gentool.seq2seq.handwriting import Handwriting
from gentool.seq2seq.model import Seq2Seq, build
from gentool.seq2seq.options import ImageToText, Options
from gentool.seq2seq.queries import Arithmetic, QuerySplit
from gentool.seq2seq.readings import Readings
from gentool.seq2seq.scores import nearest_mean, pixel_scores, score
from gentool.seq2seq.task import written

TEXT = 0.5
"""Weight of the loss on text while pictures are trained on."""
PIXELS = 20.0
"""Weight of the mean squared error of a picture's pixels, beside cross-entropies in nats a symbol."""
PICTURE_LR = 0.3
"""The parts that read and draw learn at this share of the learning rate, without the weight decay of arithmetic."""
CANDIDATES = 16
"""A sharp picture is compared with the nearest of so many real ones."""
CHUNK = 500
"""So many queries are answered at a time."""
SHOWN = 8
REAL = "real answers"
"""What the real pictures are drawn for that drawn answers are compared with."""


def train(options: Options, data: Arithmetic, run: Run) -> None:
    """Learn to answer; with pictures, to read and to draw as well."""
    network = run.place(build(options))
    pictured = [part for name, part in network.named_children() if name in ("reader", "painter")]
    apart: dict[nn.Module, float] = dict.fromkeys(pictured, PICTURE_LR)
    betas = (0.9, options.beta2)
    optimizer = run.adam(network, options.lr, betas=betas, weight_decay=network.choices.weight_decay, apart=apart)
    ema = EMA(network, options.ema)
    pictures = {name: handwriting.to(run.device) for name, handwriting in data.pictures.items()}
    unlabelled = isinstance(options, ImageToText) and not options.reading_labels
    readings = Readings(data.train, run.device) if unlabelled else None
    run.resume(network=network, ema=ema, optimizer=optimizer)

    text_until = network.choices.text_share * run.total_steps if data.pictures else 0
    for _ in run.epochs():
        network.train()
        for queries, answers in run.batches():
            assert answers is not None
            with run.autocast():
                if run.step < text_until:
                    losses = text_losses(network, queries, answers)
                else:
                    losses = picture_losses(network, queries, answers, pictures, readings, run)
            run.descend(optimizer, losses["loss"], clip=options.clip)
            ema.update()
            run.record(losses)
        average = ema.network.eval()
        if len(data.validation):
            watched = answer_all(average, data.validation, pictures.get("train"), run.device, options.seed)
            run.record_validation(told(score(data.task, data.division.rest[: len(data.validation)], watched.ids)))
        if options.images_out and run.pictures_due:
            run.save_picture("samples", examples(average, data, pictures, run.device))
        run.save(average)
    answered = answer_all(ema.network.eval(), data.test, pictures.get("test"), run.device, options.seed)
    scores = told(score(data.task, data.division.test, answered.ids))
    run.finish(scores | drawn_scores(answered, data, options.seed))


def text_losses(network: Seq2Seq, queries: Tensor, answers: Tensor) -> dict[str, Tensor]:
    """The cross-entropy of the answers to queries in text, nats a symbol."""
    target = network.ordered(answers)
    logits, _ = network(network.one_hot(queries), target)
    return {"loss": symbol_loss(logits, target)}


def picture_losses(network: Seq2Seq, queries: Tensor, answers: Tensor, pictures: Mapping[str, Handwriting],
                   readings: Readings | None, run: Run) -> dict[str, Tensor]:  # fmt: skip
    """The losses of a task in full; without pictures, those of text."""
    options, choices = network.options, network.choices
    if not (options.images_in or options.images_out):
        return text_losses(network, queries, answers)
    target = network.ordered(answers)
    losses: dict[str, Tensor] = {}
    weights: dict[str, float] = {}
    if choices.soft_tokens or not options.images_in:
        logits, features = network(network.one_hot(queries), target)
        losses["text_answer"] = symbol_loss(logits, target)
        weights["text_answer"] = TEXT if options.images_in else choices.symbol_loss
    if options.images_in:
        seen = network.read(pictures["train"].draw(queries, run.generator("frames")))
        logits, features = network(network.tokens(seen), target)
        losses["answer"] = symbol_loss(logits, target)
        weights["answer"] = choices.symbol_loss if options.images_out else 1.0
        if choices.reading_loss:
            losses["reading"] = symbol_loss(seen, queries) if readings is None else readings.loss(seen, answers)
            weights["reading"] = choices.reading_loss
    if options.images_out:
        drawn = network.draw(features)
        losses["mse"] = F.mse_loss(drawn, wanted(drawn, target, choices.handwriting, pictures["train"], run))
        weights["mse"] = PIXELS
    loss = sum(weights[name] * value for name, value in losses.items())
    assert isinstance(loss, Tensor)
    return {"loss": loss, **{name: value.detach() for name, value in losses.items()}}


def symbol_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits (N, L, V) and symbol numbers (N, L), nats a symbol."""
    return F.cross_entropy(logits.float().flatten(0, 1), target.flatten())


@torch.no_grad()
def wanted(drawn: Tensor, target: Tensor, handwriting: str, pictures: Handwriting, run: Run) -> Tensor:
    """Real pictures (N, T, 1, 28, 28) to come near to: random ones, whose mean is learnt, or the nearest of several."""
    if handwriting == "mean":
        return pictures.draw(target, run.generator("answers"))
    many = pictures.draw(target.repeat(CANDIDATES, 1), run.generator("answers")).unflatten(0, (CANDIDATES, -1))
    nearest = (many - drawn).square().flatten(3).sum(3).argmin(0)
    return many.gather(0, nearest[None, :, :, None, None, None].expand_as(many[:1]))[0]


class Answers:
    """Answers as people write them: symbol numbers (N, T), their probabilities (N,), pictures (N, T, 1, 28, 28)."""

    def __init__(self, ids: Tensor, confidence: Tensor, frames: Tensor | None) -> None:
        self.ids, self.confidence, self.frames = ids.cpu(), confidence.cpu(), frames


def shown_queries(queries: Tensor, pictures: Handwriting | None, seed: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Chunks of queries, and their pictures: a function of the seed and the chunk's number alone."""
    for number, chunk in enumerate(queries.split(CHUNK)):
        lot = generator(seed, "shown queries", number, device=queries.device)
        yield chunk, None if pictures is None else pictures.draw(chunk, lot)


@torch.no_grad()
def answer_all(network: Seq2Seq, split: QuerySplit, pictures: Handwriting | None, device: torch.device,
               seed: int) -> Answers:  # fmt: skip
    """What a network in eval mode answers to every query, in f32."""
    shown = pictures if network.options.images_in else None
    parts = [answer(network, queries, frames)
             for queries, frames in shown_queries(split.queries.to(device), shown, seed)]  # fmt: skip
    frames = torch.cat([part.frames for part in parts]) if network.options.images_out else None  # type: ignore[misc]
    return Answers(torch.cat([part.ids for part in parts]), torch.cat([part.confidence for part in parts]), frames)


@torch.no_grad()
def answer(network: Seq2Seq, queries: Tensor, frames: Tensor | None) -> Answers:
    """The answers to queries in symbols (N, L), or in pictures (N, L, 1, 28, 28) where there are some."""
    tokens = network.one_hot(queries) if frames is None else network.tokens(network.read(frames))
    ids, confidence, features = network.answer(tokens)
    drawn = network.draw(features) if network.options.images_out else None
    return Answers(ids, confidence, drawn)


def drawn_scores(answered: Answers, data: Arithmetic, seed: int) -> dict[str, float]:
    """What a training tells of drawn answers: their error per pixel, and what the nearest mean pictures say."""
    if answered.frames is None:
        return {}
    frames, ids = answered.frames.cpu(), data.test.answers
    means = data.pictures["train"].means()
    real = data.pictures["test"].draw(ids, generator(seed, REAL))
    read = score(data.task, data.division.test, nearest_mean(means, frames))
    return {"mse": pixel_scores(frames, real, means, ids)["mse"], "read_exact_match": read["exact_match"]}


def told(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores that a training tells."""
    return {name: scores[name] for name in ("exact_match", "character_accuracy")}


@torch.no_grad()
def examples(network: Seq2Seq, data: Arithmetic, pictures: Mapping[str, Handwriting], device: torch.device) -> Picture:
    """The pictures that answer the first held-out queries, a row each, under the query as text."""
    few = QuerySplit(data.test.queries[:SHOWN], data.test.answers[:SHOWN])
    frames = answer_all(network, few, pictures["test"], device, network.options.seed).frames
    assert frames is not None
    names = [f"{query.strip()} =" for query in written(few.queries)]
    return labelled_rows(frames.flatten(0, 1), names)
