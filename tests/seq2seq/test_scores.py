"""Scores of made-up answers, counted by hand."""

import pytest
import torch

from gentool.seq2seq.scores import commonest_answer, groups, score
from gentool.seq2seq.task import Task, symbols

TASK = Task(9, "+-")


def query(a: int, sign: str, b: int) -> int:
    return int(TASK.index(torch.tensor(a), torch.tensor(b), torch.tensor(TASK.operators.index(sign))))


def test_scores_by_hand() -> None:
    index = torch.tensor([query(9, "+", 9), query(1, "-", 9), query(2, "+", 2), query(5, "-", 5)])  # 18, -8, 4, 0
    predicted = symbols(["18", "-9", "99", "--"], 2)
    found = score(TASK, index, predicted)
    assert found["exact_match"] == 0.25
    assert found["character_accuracy"] == pytest.approx(3 / 8)  # 18 both, the minus of -8; 4 and 0 are wrong
    assert found["not_a_number"] == 0.25
    assert found["not_possible"] == 0.25  # 99 is no answer of one-digit queries
    assert found["mean_absolute_error"] == pytest.approx((0 + 1 + 95) / 3)
    assert found["exact_match_of_possible"] == 0.5
    assert found["character_accuracy_of_possible"] == 0.75


def test_no_number_at_all() -> None:
    found = score(TASK, torch.tensor([0]), symbols(["+"], 2))
    assert "mean_absolute_error" not in found
    assert "exact_match_of_possible" not in found


def test_commonest_answer() -> None:
    index = torch.tensor([query(1, "+", 2), query(3, "+", 0), query(1, "+", 1)])
    assert commonest_answer(TASK, index) == 3


def test_groups_divide_the_queries() -> None:
    index = torch.arange(len(TASK))
    masks = groups(TASK, index)
    assert sum(int(mask.sum()) for name, mask in masks.items() if name.startswith("operator")) == 200
    assert sum(int(mask.sum()) for name, mask in masks.items() if name.startswith("answer")) == 200
    assert int(masks["+ with 1 carries"].sum()) == 45  # a + b >= 10
    assert "- with 1 borrows" not in masks  # the smaller is taken from the larger digit
