"""Queries and answers against Python's own arithmetic."""

import pytest
import torch

from gentool.seq2seq.task import BLANK, SYMBOLS, Task, as_texts, read_number, reversal, symbols


@pytest.mark.parametrize(
    ("task", "query_length", "answer_length"),
    [(Task(), 5, 3), (Task(9, "+"), 3, 2), (Task(12, "-*+"), 5, 3), (Task(99, "+-*"), 5, 4)],
)
def test_every_query_and_answer(task: Task, query_length: int, answer_length: int) -> None:
    index = torch.arange(len(task))
    queries, answers = as_texts(task.queries(index)), as_texts(task.answers(task.values(index)))
    expected = [(a, sign, b) for sign in task.operators for a in range(task.max_operand + 1)
                for b in range(task.max_operand + 1)]  # fmt: skip
    assert len(task) == len(expected)
    for (a, sign, b), query, answer in zip(expected, queries, answers, strict=True):
        value = {"+": a + b, "-": a - b, "*": a * b}[sign]
        assert query == f"{a}{sign}{b}".ljust(query_length)
        assert answer == str(value).ljust(answer_length)


def test_the_classic_task_has_13_symbols_and_20_000_queries() -> None:
    assert SYMBOLS[:13] == "0123456789+- "
    assert len(Task()) == 20_000


def test_symbols_undo_written() -> None:
    ids = Task().queries(torch.arange(0, 20_000, 7))
    assert torch.equal(symbols([text.rstrip() for text in as_texts(ids)], 5), ids)


def test_carries_and_borrows() -> None:
    task = Task(999, "+-*")

    def of(a: int, sign: str, b: int) -> int:
        index = task.index(torch.tensor([a]), torch.tensor([b]), torch.tensor([task.operators.index(sign)]))
        return int(task.carries(index))

    assert of(5, "+", 4) == 0
    assert of(5, "+", 5) == 1
    assert of(999, "+", 1) == 3
    assert of(105, "+", 905) == 2
    assert of(52, "-", 17) == 1
    assert of(17, "-", 52) == 1  # 52 - 17, with a minus before it
    assert of(500, "-", 1) == 2
    assert of(7, "*", 7) == -1


def test_mirrored() -> None:
    task = Task()
    index = torch.arange(len(task))
    other, values = task.mirrored(index)
    assert torch.equal(values, torch.where(index < 10_000, task.values(index), -task.values(index)))
    assert torch.equal(task.mirrored(other)[0], index)


def test_reversing_answers_is_its_own_inverse() -> None:
    ids = symbols(["105", "-48", "8", "", "1 2"], 3)
    turned = ids.gather(1, reversal(ids))
    assert as_texts(turned) == ["501", "84-", "8  ", "   ", "2 1"]
    assert torch.equal(turned.gather(1, reversal(turned)), ids)
    assert int(ids[3, 0]) == BLANK


@pytest.mark.parametrize(
    ("text", "number"),
    [("105", 105), ("-48", -48), ("8  ", 8), ("0  ", 0), ("   ", None), ("-  ", None), ("1 2", None), ("4-8", None),
     ("007", None), ("-0 ", None), ("--1", None), ("+12", None), ("-05", None)],
)  # fmt: skip
def test_read_number(text: str, number: int | None) -> None:
    assert read_number(text) == number
