"""Queries as columns of digits, as in written addition; also for queries that were read with uncertainty.

A query of two operands of at most W digits has L = 2 W + 1 places. The place of its operator and the number of its
digits make W * W layouts. With a distribution over the symbols at every place, each layout has a likelihood, and the
columns are the mean over the layouts. For text this is the one layout that fits; for pictures, gradients flow through
it to the reader.
"""

import itertools

import torch
from torch import Tensor, nn

from gentool.seq2seq.task import BLANK, MINUS, PLUS, TIMES

STREAMS = 3
"""A column has a digit of each operand and the operator."""
TINY = 1e-6


class Columns(nn.Module):
    """Distributions (N, L, V) over the symbols of queries -> columns (N, W, 3, V), units first.

    A missing leading digit is 0. Each of the three is a distribution over the symbols.
    """

    kinds: Tensor
    places: Tensor
    members: Tensor

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        length = 2 * width + 1
        layouts = list(itertools.product(range(1, width + 1), repeat=2))
        kinds = torch.zeros(len(layouts), length, 3)  # one-hot: a digit, the operator, a blank
        places = torch.full((len(layouts), width, STREAMS), length)  # the place after the last holds a zero
        for layout, (first, second) in enumerate(layouts):
            kinds[layout, :first, 0] = kinds[layout, first + 1 : first + 1 + second, 0] = 1
            kinds[layout, first, 1] = 1
            kinds[layout, first + 1 + second :, 2] = 1
            places[layout, :first, 0] = torch.tensor(range(first - 1, -1, -1))
            places[layout, :second, 1] = torch.tensor(range(first + second, first, -1))
            places[layout, :, 2] = first
        members = torch.zeros(STREAMS, vocabulary)
        members[0, :10] = 1
        members[1, [symbol for symbol in (PLUS, MINUS, TIMES) if symbol < vocabulary]] = 1
        members[2, BLANK] = 1
        self.register_buffer("kinds", kinds, persistent=False)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("members", members, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """The columns in f32: (N, L, V) -> (N, W, 3, V)."""
        with torch.autocast(tokens.device.type, enabled=False):
            tokens = tokens.float()
            kind = tokens @ self.members.T
            likelihood = torch.einsum("nlk,ylk->ny", (kind + TINY).log(), self.kinds).softmax(1)
            zero = torch.zeros_like(tokens[:, :1])
            zero[..., 0] = 1
            digit = self._renormalised(torch.cat([tokens, zero], dim=1), self.members[0])
            operator = self._renormalised(torch.cat([tokens, zero], dim=1), self.members[1])
            operands = digit[:, self.places[..., :2]]
            signs = operator[:, self.places[..., 2:]]
            return torch.einsum("ny,nywsv->nwsv", likelihood, torch.cat([operands, signs], dim=3))

    @staticmethod
    def _renormalised(tokens: Tensor, members: Tensor) -> Tensor:
        masked = tokens * members
        return masked / (masked.sum(-1, keepdim=True) + TINY)
