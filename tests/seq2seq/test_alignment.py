"""Columns of digits out of queries, certain or not."""

import pytest
import torch
from torch import nn

from gentool.seq2seq.alignment import Columns
from gentool.seq2seq.task import Task, digits, symbols


@pytest.mark.parametrize(("task", "vocabulary"), [(Task(), 13), (Task(9, "+*"), 14), (Task(120, "-+"), 13)])
def test_text_gives_the_digits_of_its_operands(task: Task, vocabulary: int) -> None:
    index = torch.arange(0, len(task), max(1, len(task) // 3000))
    tokens = nn.functional.one_hot(task.queries(index), vocabulary).float()
    found = Columns(task.operand_digits, vocabulary)(tokens)
    a, b, operator = task.terms(index)
    width = task.operand_digits
    expected = torch.stack([digits(a, width), digits(b, width),
                            task.operator_symbols(operator)[:, None].expand(-1, width)], dim=2)  # fmt: skip
    assert torch.equal(found.argmax(3), expected)
    assert found.max(3).values.min() > 0.999


def test_doubt_is_kept() -> None:
    tokens = nn.functional.one_hot(symbols(["7-31"], 5), 13).float()
    tokens[0, 0, 7], tokens[0, 0, 1] = 0.75, 0.25
    found = Columns(2, 13)(tokens)
    assert found[0, 0, 0, 7].item() == pytest.approx(0.75, abs=1e-3)
    assert found[0, 0, 0, 1].item() == pytest.approx(0.25, abs=1e-3)
    assert found[0, 1, 0, 0].item() == pytest.approx(1, abs=1e-3)


def test_a_doubtful_operator_makes_two_layouts() -> None:
    """`1?34` is 1+34 or 1934's start: the second place is + or 9, the third an operator only if it is 9."""
    tokens = nn.functional.one_hot(symbols(["1+34"], 5), 13).float()
    tokens[0, 1, 10], tokens[0, 1, 9] = 0.6, 0.4
    found = Columns(2, 13)(tokens)
    assert found[0, 0, 0].argmax() == 1  # no operator stands elsewhere, so this one must be
    assert found[0, 0, 2].argmax() == 10


def test_gradients_reach_what_was_read() -> None:
    logits = torch.randn(3, 5, 13, requires_grad=True)
    Columns(2, 13)(logits.softmax(2))[..., 1].sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad.abs().sum((1, 2)) > 0).all()
