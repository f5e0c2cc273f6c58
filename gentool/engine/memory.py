"""Whether a network can be trained in this machine's memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from gentool.errors import GentoolError
from gentool.memory import check_memory, free_memory

COPIES = 4
"""Numbers that a training keeps for each weight, at least: itself, its gradient, and Adam's two moments."""


@contextmanager
def without_memory() -> Iterator[None]:
    """Networks that are built here have no memory, and draw no random numbers."""
    with torch.device("meta"), _NotDrawn():
        yield


class _NotDrawn(TorchFunctionMode):
    """Leaves normal weights as they are. To draw some without memory, PyTorch would load its compiler, for seconds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in (nn.init.normal_, torch.Tensor.normal_):
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def check_network(build: Callable[[], nn.Module]) -> None:
    """Raises GentoolError for a network that cannot be trained in this machine's memory; none is taken to see it."""
    try:
        with without_memory():
            weights = sum(weight.numel() for weight in build().parameters())
    except (RuntimeError, OverflowError):  # more bytes than PyTorch can count
        raise GentoolError("out of memory: these layers are larger than any memory; use smaller layers") from None
    fits = (free_memory() or 0) // (4 * COPIES)
    check_memory(
        4 * COPIES * weights,
        f"training {weights:,} weights",
        f"use smaller layers, with at most {fits:,} weights in total",
    )
