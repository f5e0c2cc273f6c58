"""The data of a run: queries and answers, divided by the seed into those for training, validation and testing."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from gentool.engine.randomness import rng
from gentool.memory import check_memory
from gentool.seq2seq.handwriting import SIDE, Handwriting, Pictures
from gentool.seq2seq.options import Options
from gentool.seq2seq.task import SYMBOLS, Task, share

TEST_SHARE = 0.1
VALIDATION_QUERIES = 500
"""At most this many of the queries that are for neither training nor testing are answered after every epoch."""
MIN_UPDATES = 100
"""An epoch repeats few queries, so that it has at least about this many updates."""


@dataclass(frozen=True)
class Division:
    """The numbers of the queries for testing, for training, and of the rest: int64, in random order."""

    test: Tensor
    train: Tensor
    rest: Tensor


def divide(task: Task, seed: int, fraction: float, kind: str) -> Division:
    """Draw the test tenth and, of the other queries, the fraction to train on.

    The division is a function of the seed alone, and a smaller fraction is part of a larger one. `pairs` keeps a+b and
    b+a on the same side.
    """
    index = torch.arange(len(task))
    if kind == "pairs":
        a, b, operator = task.terms(index)
        group = task.index(torch.minimum(a, b), torch.maximum(a, b), operator)
    else:
        group = index
    rank = torch.randperm(len(task), generator=rng(seed, "test queries"))[group]
    order = rank.argsort(stable=True)
    border = share(TEST_SHARE, len(task))
    if kind == "pairs" and rank[order[border - 1]] == rank[order[border]]:
        border += 1
    test, others = order[:border], order[border:]
    others = others[torch.randperm(len(others), generator=rng(seed, "training queries"))]
    trained = share(fraction, len(others))
    return Division(test, others[:trained], others[trained:])


def with_swapped(task: Task, division: Division) -> Tensor:
    """The training queries followed by those with swapped operands, except test queries and repetitions."""
    swapped = task.mirrored(division.train)[0]
    known = torch.zeros(len(task), dtype=torch.bool)
    known[division.train] = known[division.test] = True
    return torch.cat([division.train, swapped[~known[swapped]]])


@dataclass(frozen=True)
class QuerySplit:
    """Queries as symbol numbers (n, query length) and their answers (n, answer length), repeated `passes` times."""

    queries: Tensor
    answers: Tensor
    passes: int = 1

    disk: ClassVar[None] = None

    def __len__(self) -> int:
        return self.passes * len(self.queries)

    def on(self, device: torch.device) -> "QuerySplit":
        """The same on a device."""
        return QuerySplit(self.queries.to(device), self.answers.to(device), self.passes)

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and answers at `index`."""
        where = (index % len(self.queries)).to(self.queries.device)
        return self.queries[where], self.answers[where]

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every query once, in order."""
        yield from zip(self.queries.split(batch_size), self.answers.split(batch_size), strict=True)


@dataclass(frozen=True)
class Arithmetic:
    """The data of a run. `pictures` has the handwriting of `train` and `test`."""

    task: Task
    division: Division
    train: QuerySplit
    pictures: Mapping[str, Handwriting]
    folder: Path | None
    fingerprint: str

    unit: ClassVar[str] = "queries"
    name: ClassVar[str] = "arithmetic"
    classes: ClassVar[tuple[str, ...]] = tuple(SYMBOLS)
    shape: ClassVar[tuple[int, int, int]] = (1, SIDE, SIDE)

    @property
    def description(self) -> str:
        """The training queries in words."""
        more = len(self.train.queries) - len(self.division.train)
        swapped = f" (and {more:,} swapped)" if more else ""
        trained = f"{len(self.division.train):,}{swapped} of {len(self.task):,} queries"
        return f"{trained}, operands up to {self.task.max_operand}, {len(self.division.test):,} held out"

    @cached_property
    def validation(self) -> QuerySplit:
        """Some of the queries that are for neither training nor testing."""
        return spelled(self.task, self.division.rest[:VALIDATION_QUERIES])

    @cached_property
    def trained_on(self) -> QuerySplit:
        """Some of the training queries, as many as are for validation at most."""
        return spelled(self.task, self.division.train[:VALIDATION_QUERIES])

    @cached_property
    def test(self) -> QuerySplit:
        """The held-out queries."""
        return spelled(self.task, self.division.test)

    @property
    def splits(self) -> Mapping[str, QuerySplit]:
        """The splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def spelled(task: Task, index: Tensor, passes: int = 1) -> QuerySplit:
    """The queries with these numbers (n,), and their answers."""
    return QuerySplit(task.queries(index), task.answers(task.values(index)), passes)


def arithmetic(options: Options, pictures: Pictures | None) -> Arithmetic:
    """The data of a run with these options."""
    task = options.problem
    # Numbers of queries in several orders, and the symbols of queries and answers, eight bytes each.
    check_memory(
        8 * len(task) * (4 + task.query_length + task.answer_length),
        f"{len(task):,} queries",
        "use a smaller --max-operand",
    )
    division = divide(task, options.seed, options.train_fraction, options.split)
    index = with_swapped(task, division) if options.choices().swap else division.train
    passes = -(-MIN_UPDATES * options.batch_size // len(index))
    drawn = pictures.fingerprint if pictures else ""
    known = f"{task} {options.seed} {options.train_fraction} {options.split} {drawn}"
    return Arithmetic(
        task,
        division,
        spelled(task, index, passes),
        pictures.handwriting if pictures else {},
        pictures.folder if pictures else None,
        hashlib.sha256(known.encode()).hexdigest(),
    )
