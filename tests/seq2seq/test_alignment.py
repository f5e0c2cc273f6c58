"""Columns of digits out of queries, certain or not."""

import pytest
import torch
from torch import nn

from gentool.seq2seq.alignment import Columns
from gentool.seq2seq.task import PLUS, Task, digits, symbols


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
    """1+34 or 19+4: the second place is + or 9, and the third is 3 or +. Two operators or none make no query, so the
    layouts share the rest: 0.6 * 0.7 to 0.4 * 0.3."""
    tokens = nn.functional.one_hot(symbols(["1+34"], 5), 13).float()
    tokens[0, 1, PLUS], tokens[0, 1, 9] = 0.6, 0.4
    tokens[0, 2, 3], tokens[0, 2, PLUS] = 0.7, 0.3
    units, tens = Columns(2, 13)(tokens)[0]
    first = 0.42 / (0.42 + 0.12)
    assert first == pytest.approx(7 / 9)
    assert units[0, [1, 9]].tolist() == pytest.approx([first, 1 - first], abs=1e-3)
    assert tens[0, [0, 1]].tolist() == pytest.approx([first, 1 - first], abs=1e-3), "1 has no tens, 19 has one"
    assert units[1, 4].item() == pytest.approx(1, abs=1e-3)
    assert tens[1, [3, 0]].tolist() == pytest.approx([first, 1 - first], abs=1e-3)
    assert [column[2, PLUS].item() for column in (units, tens)] == pytest.approx([1, 1], abs=1e-3)


def test_an_operator_that_stands_nowhere_else_is_one_however_doubtful() -> None:
    tokens = nn.functional.one_hot(symbols(["1+34"], 5), 13).float()
    tokens[0, 1, PLUS], tokens[0, 1, 9] = 0.1, 0.9
    units, tens = Columns(2, 13)(tokens)[0]
    assert [units[0, 1].item(), tens[0, 0].item(), units[1, 4].item(), tens[1, 3].item()] == pytest.approx(
        [1] * 4, abs=1e-3
    )
    assert units[2, PLUS].item() == pytest.approx(1, abs=1e-3)


def test_gradients_reach_what_was_read() -> None:
    logits = torch.randn(3, 5, 13, requires_grad=True)
    Columns(2, 13)(logits.softmax(2))[..., 1].sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad.abs().sum((1, 2)) > 0).all()
