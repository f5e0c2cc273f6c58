"""The order of the examples in an epoch."""

import torch
from torch import Tensor

from gentool.engine.data import ExampleBatches
from gentool.engine.randomness import rng


def epoch_order(examples: ExampleBatches, seed: int, epoch: int, purpose: str = "order") -> Tensor:
    """The numbers of all examples, int64 (n,), in the order of an epoch: a function of seed and epoch alone.

    In memory it is a random permutation. On a disk, blocks of neighbouring rows come in random order, and every row is
    then moved on by a random part of a window, from the end of the epoch to its beginning: at any moment, all examples
    are from the blocks of one window, and those of a batch from about as many blocks as it has examples.
    `purpose` gives another training another order.
    """
    count, disk, generator = len(examples), examples.disk, rng(seed, purpose, epoch)
    if disk is None:
        return torch.randperm(count, generator=generator)
    starts = torch.randperm(-(-count // disk.block), generator=generator) * disk.block
    rows = (starts[:, None] + torch.arange(disk.block)).flatten()
    rows = rows[rows < count]
    moves = min(disk.window, count) * torch.rand(count, generator=generator, dtype=torch.float64)
    return rows[((torch.arange(count) + moves) % count).argsort(stable=True)]
