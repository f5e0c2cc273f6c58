"""Scores of answers: exact match of whole answers, and accuracy of single characters."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gentool.seq2seq.task import Task, as_texts, read_number


def score(task: Task, index: Tensor, predicted: Tensor) -> dict[str, float]:
    """The scores of predicted answers (N, T) to the queries with these numbers (N,).

    `exact_match` is the share of answers that are right as a whole, `character_accuracy` that of single characters,
    padding included. `not_a_number` and `not_possible` are the shares of answers that are no number, or a number that
    no query has; the `_of_possible` scores leave out both. `mean_absolute_error` is over the answers that are
    numbers. A score without any answers to compute it on is left out.
    """
    true = task.answers(task.values(index))
    right, values = predicted == true, task.values(index)
    whole = right.all(1)
    parsed = [read_number(text) for text in as_texts(predicted)]
    number = torch.tensor([value is not None for value in parsed])
    answers = torch.tensor([0 if value is None else value for value in parsed])
    possible = number & torch.isin(answers, task.values(torch.arange(len(task))).unique())
    scores = {
        "queries": float(len(index)),
        "exact_match": share_of(whole),
        "character_accuracy": share_of(right),
        "not_a_number": share_of(~number),
        "not_possible": share_of(number & ~possible),
    }
    if number.any():
        scores["mean_absolute_error"] = (answers - values)[number].abs().double().mean().item()
    if possible.any():
        scores["exact_match_of_possible"] = share_of(whole[possible])
        scores["character_accuracy_of_possible"] = share_of(right[possible])
    return scores


def share_of(mask: Tensor) -> float:
    """The share of True values."""
    return mask.double().mean().item()


def commonest_answer(task: Task, train: Tensor) -> int:
    """The most frequent answer of the training queries: a baseline without any understanding."""
    return int(task.values(train).mode().values)


def groups(task: Task, index: Tensor) -> Mapping[str, Tensor]:
    """Masks (N,) of queries by operator, sign of the answer, digits of the operands, and carries or borrows."""
    a, b, operator = task.terms(index)
    values, carries = task.values(index), task.carries(index)
    masks = {f"operator {symbol}": operator == place for place, symbol in enumerate(task.operators)}
    masks |= {"answer negative": values < 0, "answer zero": values == 0, "answer positive": values > 0}
    longest = torch.maximum(a, b)
    for digits in range(1, task.operand_digits + 1):
        masks[f"longest operand of {digits} digits"] = (longest >= (10 ** (digits - 1) if digits > 1 else 0)) & (
            longest < 10**digits
        )
    for symbol, word in (("+", "carries"), ("-", "borrows")):
        for count in range(task.operand_digits + 1):
            if symbol in task.operators:
                masks[f"{symbol} with {count} {word}"] = (operator == task.operators.index(symbol)) & (carries == count)
    return {name: mask for name, mask in masks.items() if mask.any()}


def nearest_mean(means: Tensor, frames: Tensor) -> Tensor:
    """Pictures (N, T, 1, 28, 28) -> the symbols whose mean pictures (S, 28, 28) are nearest, (N, T)."""
    distance = torch.cdist(frames.flatten(0, 1).flatten(1), means.flatten(1))
    return distance.argmin(1).view(frames.shape[:2])


def pixel_scores(frames: Tensor, real: Tensor, means: Tensor, ids: Tensor) -> dict[str, float]:
    """Mean squared errors per pixel against random real pictures (N, T, 1, 28, 28) of the right answers.

    Two baselines are beside it: the mean picture of each right symbol, which has the least error without knowing the
    handwriting, and one constant picture.
    """
    constant = real.mean((0, 1))
    return {
        "mse": (frames - real).square().mean().item(),
        "mse_of_mean_pictures": (means[ids][:, :, None] - real).square().mean().item(),
        "mse_of_one_constant_picture": (constant - real).square().mean().item(),
    }
