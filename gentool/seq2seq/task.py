"""Arithmetic as sequences: every query `a+b` and its answer, as rows of symbol numbers.

A query is written without leading zeros and padded with blanks on the right to `query_length`, `7-31 ` for two digits;
an answer to `answer_length`, `105`, `-48`, `8  `. Query i of n operands and these operators is number
(operator * n + a) * n + b.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

SYMBOLS = "0123456789+- *"
"""The symbols; a symbol's number is its place here."""
PLUS, MINUS, BLANK, TIMES = (SYMBOLS.index(symbol) for symbol in "+- *")
OPERATORS = "+-*"


def as_texts(ids: Tensor) -> list[str]:
    """Rows of symbol numbers (N, L) as strings of L characters."""
    return ["".join(SYMBOLS[index] for index in row) for row in ids.tolist()]


def symbols(texts: list[str], length: int) -> Tensor:
    """Strings as rows of symbol numbers (N, length), padded with blanks: the reverse of `as_texts`."""
    return torch.tensor([[SYMBOLS.index(symbol) for symbol in text.ljust(length)] for text in texts])


def pushed_left(ids: Tensor) -> Tensor:
    """Each row with its blanks moved to its end, the rest in order."""
    return ids.gather(1, (ids == BLANK).byte().argsort(dim=1, stable=True))


def reversal(ids: Tensor) -> Tensor:
    """Indices (N, L) to gather by, which reverse each row up to its trailing blanks.

    `105` becomes `501`, and `8  ` stays `8  `. Reversing twice changes nothing.
    """
    place = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    length = torch.where(ids == BLANK, 0, place + 1).amax(1, keepdim=True)
    return torch.where(place < length, length - 1 - place, place)


def digits(numbers: Tensor, width: int, fill: int = 0) -> Tensor:
    """Numbers >= 0 (N,) as decimal digits (N, width), units first; `fill` replaces leading zeros except the units."""
    places = [(numbers // 10**place) % 10 for place in range(width)]
    blank = [numbers < 10**place for place in range(width)]
    blank[0] = torch.zeros_like(blank[0])
    return torch.stack([torch.where(b, fill, p) for b, p in zip(blank, places, strict=True)], dim=1)


@dataclass(frozen=True)
class Task:
    """All queries of two operands in 0..max_operand; `operators` are some of + - *."""

    max_operand: int = 99
    operators: str = "+-"

    @property
    def operand_digits(self) -> int:
        """Digits of the largest operand."""
        return len(str(self.max_operand))

    @property
    def query_length(self) -> int:
        """Symbols of a query: two operands and an operator."""
        return 2 * self.operand_digits + 1

    @cached_property
    def answer_length(self) -> int:
        """Symbols of the longest answer, its sign included."""
        longest = {"+": 2 * self.max_operand, "-": -self.max_operand, "*": self.max_operand**2}
        return max(len(str(longest[operator])) for operator in self.operators)

    def __len__(self) -> int:
        return len(self.operators) * (self.max_operand + 1) ** 2

    def terms(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query numbers (N,) -> a, b and the operator as its place in `operators`, each (N,)."""
        n = self.max_operand + 1
        return index // n % n, index % n, index // n**2

    def index(self, a: Tensor, b: Tensor, operator: Tensor) -> Tensor:
        """The query number of terms as `terms` gives them."""
        n = self.max_operand + 1
        return (operator * n + a) * n + b

    def operator_symbols(self, operator: Tensor) -> Tensor:
        """Places in `operators` -> symbol numbers."""
        return torch.tensor([SYMBOLS.index(symbol) for symbol in self.operators])[operator]

    def values(self, index: Tensor) -> Tensor:
        """The right answers, int64 (N,)."""
        a, b, operator = self.terms(index)
        by_operator = {"+": a + b, "-": a - b, "*": a * b}
        return torch.stack([by_operator[symbol] for symbol in self.operators]).gather(0, operator[None])[0]

    def queries(self, index: Tensor) -> Tensor:
        """Query numbers (N,) -> symbol numbers (N, query_length), as people write them."""
        a, b, operator = self.terms(index)
        width = self.operand_digits
        parts = [digits(a, width, BLANK).flip(1), self.operator_symbols(operator)[:, None],
                 digits(b, width, BLANK).flip(1)]  # fmt: skip
        return pushed_left(torch.cat(parts, dim=1))

    def answers(self, values: Tensor) -> Tensor:
        """Answers (N,) -> symbol numbers (N, answer_length), sign first."""
        sign = torch.where(values < 0, MINUS, BLANK)[:, None]
        return pushed_left(torch.cat([sign, digits(values.abs(), self.answer_length, BLANK).flip(1)], dim=1))[
            :, : self.answer_length
        ]

    def mirrored(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The same queries with their operands swapped, and their answers: b + a = a + b, b - a = -(a - b)."""
        a, b, operator = self.terms(index)
        other = self.index(b, a, operator)
        return other, self.values(other)

    def carries(self, index: Tensor) -> Tensor:
        """The number of carries (+) or borrows (-, from the larger operand), int64 (N,); -1 for products."""
        a, b, operator = self.terms(index)
        symbol = self.operator_symbols(operator)
        high, low = torch.maximum(a, b), torch.minimum(a, b)
        carry = borrow = count_carry = count_borrow = torch.zeros_like(a)
        for place in range(self.operand_digits):
            x, y = high // 10**place % 10, low // 10**place % 10
            carry = ((x + y + carry) >= 10).long()
            borrow = ((x - y - borrow) < 0).long()
            count_carry, count_borrow = count_carry + carry, count_borrow + borrow
        none = torch.full_like(a, -1)
        return torch.where(symbol == PLUS, count_carry, torch.where(symbol == MINUS, count_borrow, none))


def read_number(text: str) -> int | None:
    """The number in an answer's text (blanks on the right are padding), or None when it is not a number."""
    text = text.rstrip(" ")
    body = text.removeprefix("-")
    if not body.isdecimal() or (len(body) > 1 and body[0] == "0") or text == "-0":
        return None
    return int(text)


def share(fraction: float, count: int) -> int:
    """This fraction of `count`, rounded, and at least 1."""
    return max(1, math.floor(fraction * count + 0.5))
