"""Whether a network can be trained in this machine's memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from gentool.errors import GentoolError
from gentool.memory import check_memory, free_memory

ITEMS = 2
"""A pass of this many items, and one more, shows what another one takes."""
COPIES = 4
"""Numbers that a training keeps for each weight, at least: itself, its gradient, and Adam's two moments."""


@contextmanager
def without_memory() -> Iterator[None]:
    """Networks that are built here have no memory, and draw no random numbers.

    Some operations on such tensors would load PyTorch's compiler or SymPy, such as `arange` and `clone`; networks are
    built without them.
    """
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


def kept_per_item(network: nn.Module, forward: Callable[[int], object]) -> int:
    """The bytes that `forward(count)`, a pass through the network, keeps of each item for its backward pass."""
    training = network.training
    network.eval()  # which leaves the statistics of batch norm as they are
    fewer, more = (_kept(forward, count) for count in (ITEMS, ITEMS + 1))
    network.train(training)
    return more - fewer


def _kept(forward: Callable[[int], object], count: int) -> int:
    """The bytes that a pass keeps for its backward pass."""
    kept: list[torch.Tensor] = []

    def unpack(_: object) -> torch.Tensor:
        raise AssertionError("there is no backward pass")

    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.detach()), unpack):
        forward(count)
    storages = {storage.data_ptr(): storage.nbytes() for storage in (tensor.untyped_storage() for tensor in kept)}
    return sum(storages.values())
