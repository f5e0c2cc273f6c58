"""The division into test, training and rest."""

import pytest
import torch

from gentool.seq2seq.options import Options
from gentool.seq2seq.queries import arithmetic, divide, with_swapped
from gentool.seq2seq.task import Task, as_texts

TASK = Task()


@pytest.mark.parametrize("kind", ["queries", "pairs"])
def test_a_tenth_is_held_out_whatever_is_trained_on(kind: str) -> None:
    small, large = divide(TASK, 3, 0.1, kind), divide(TASK, 3, 0.9, kind)
    assert torch.equal(small.test, large.test)
    assert len(small.test) in (2000, 2001)
    assert torch.equal(small.train, large.train[: len(small.train)])
    assert len(small.train) == pytest.approx(1800, abs=1)
    together = torch.cat([large.test, large.train, large.rest]).sort().values
    assert torch.equal(together, torch.arange(20_000))
    assert not torch.equal(small.test, divide(TASK, 4, 0.1, kind).test)


def test_the_test_queries_are_drawn_evenly() -> None:
    a, b, operator = TASK.terms(divide(TASK, 0, 0.9, "queries").test)
    assert a.double().mean() == pytest.approx(49.5, abs=2)
    assert b.double().mean() == pytest.approx(49.5, abs=2)
    assert operator.double().mean() == pytest.approx(0.5, abs=0.04)


def test_pairs_stay_on_one_side() -> None:
    division = divide(TASK, 0, 0.9, "pairs")
    assert not torch.isin(TASK.mirrored(division.test)[0], division.train).any()
    assert torch.isin(TASK.mirrored(division.test)[0], division.test).all()
    mixed = divide(TASK, 0, 0.9, "queries")
    assert torch.isin(TASK.mirrored(mixed.test)[0], mixed.train).any()


def test_swapped_queries_are_never_test_queries_or_copies() -> None:
    division = divide(TASK, 0, 0.3, "queries")
    index = with_swapped(TASK, division)
    assert torch.equal(index[: len(division.train)], division.train)
    assert len(index.unique()) == len(index) > 1.5 * len(division.train)
    assert not torch.isin(index, division.test).any()
    assert torch.isin(TASK.mirrored(index[len(division.train) :])[0], division.train).all()


def test_few_queries_are_gone_over_more_than_once_an_epoch() -> None:
    data = arithmetic(Options(train_fraction=0.01, swap=False, batch_size=64), None)
    assert len(data.train.queries) == 180
    assert len(data.train) == 36 * 180
    queries, answers = data.train.take(torch.tensor([5, 185]))
    assert torch.equal(queries[0], queries[1])
    left, right = as_texts(queries[:1])[0].rstrip(), as_texts(answers[:1])[0].rstrip()
    assert str(eval(left)) == right


def test_the_fingerprint_tells_runs_apart() -> None:
    one = arithmetic(Options(), None).fingerprint
    assert one == arithmetic(Options(lr=1e-3), None).fingerprint
    assert one != arithmetic(Options(seed=1), None).fingerprint
    assert one != arithmetic(Options(split="pairs"), None).fingerprint
