"""Whether a network can be trained in this machine's memory."""

from collections.abc import Callable

import torch
from torch import nn

from gentool.errors import GentoolError
from gentool.memory import check_memory, free_memory

COPIES = 4
"""Numbers that a training keeps for each weight, at least: itself, its gradient, and Adam's two moments."""


def check_network(build: Callable[[], nn.Module]) -> None:
    """Raises GentoolError for a network that cannot be trained in this machine's memory; none is taken to see it."""
    try:
        with torch.device("meta"):  # which draws no random numbers
            weights = sum(weight.numel() for weight in build().parameters())
    except (RuntimeError, OverflowError):  # more bytes than PyTorch can count
        raise GentoolError("out of memory: these layers are larger than any memory; use smaller layers") from None
    fits = (free_memory() or 0) // (4 * COPIES)
    check_memory(
        4 * COPIES * weights,
        f"training {weights:,} weights",
        f"use smaller layers, with at most {fits:,} weights in total",
    )
