"""The likelihood of all queries that an answer allows, against a sum over all of them."""

import pytest
import torch

from gentool.seq2seq.candidates import CandidateQueries
from gentool.seq2seq.queries import spelled
from gentool.seq2seq.task import Task


def test_the_loss_is_the_sum_over_known_queries_with_that_answer() -> None:
    task = Task()
    index = torch.randperm(len(task), generator=torch.Generator().manual_seed(0))[:3000]
    split = spelled(task, index)
    logits = torch.randn(5, 5, 13, generator=torch.Generator().manual_seed(1), requires_grad=True)
    answers = split.answers[:5]
    found = CandidateQueries(split, torch.device("cpu")).loss(logits, answers)
    expected = 0.0
    for row in range(5):
        same = (split.answers == answers[row]).all(1)
        chances = logits[row].detach().log_softmax(1)
        total = sum(torch.stack([chances[place, symbol] for place, symbol in enumerate(query.tolist())]).sum().exp()
                    for query in split.queries[same])  # fmt: skip
        expected -= float(torch.as_tensor(total).log()) / 5
    assert found.item() == pytest.approx(expected, rel=1e-5)
    found.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_a_certain_right_reading_costs_nothing_and_copies_do_not_count() -> None:
    split = spelled(Task(), torch.tensor([0, 1, 2, 150, 150, 19_999]))
    candidates = CandidateQueries(split, torch.device("cpu"))
    sure = 100 * torch.nn.functional.one_hot(split.queries, 13).float()
    assert candidates.loss(sure, split.answers).item() == pytest.approx(0, abs=1e-5)
