"""Several processes that train one model, started by torchrun: together they compute what one would.

The batch of an update, its noise and its augmentation are those of all processes together. They are functions of
(seed, purpose, step), so each process draws all of them and takes its own rows. Gradients are added up before the
optimizer's step, so all processes have the same weights at all times. The first one reads and writes the run's folder.
"""

import atexit
import datetime
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gentool.errors import GentoolError, OptionError
from gentool.launcher import place

LAST_SECONDS = 0.2
"""The time that gloo's threads have to end their work before Python ends."""
TIMEOUT = datetime.timedelta(minutes=10)
"""A process that is not heard of for so long is given up. One that ends is noticed at once."""
GROUP = 4
"""The rows of a process are whole groups of four where the batch allows it: a discriminator looks at such groups."""

T = TypeVar("T")


class World:
    """The processes of a training: this one's number `rank`, from 0, and their number `size`, 1 without torchrun."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def alone(self) -> bool:
        """Whether there is one process only."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this is the process that reads and writes the run's folder."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The rows of this process, of `count` rows in all."""
        unit = GROUP if count >= GROUP * self.size else 1
        start, end = (rank * (count // unit) // self.size * unit for rank in (self.rank, self.rank + 1))
        return slice(start, count if self.rank + 1 == self.size else end)

    def own(self, rows: Tensor, dim: int = 0) -> Tensor:
        """The rows of this process: a view of `rows` along a dimension."""
        if self.alone:
            return rows
        part = self.share(rows.shape[dim])
        return rows.narrow(dim, part.start, part.stop - part.start)

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their sum over all processes."""
        together = list(tensors)
        if self.alone or not together:
            return
        flat = torch.cat([tensor.flatten() for tensor in together])
        _collective(lambda: dist.all_reduce(flat))
        for tensor, total in zip(together, flat.split([tensor.numel() for tensor in together]), strict=True):
            tensor.copy_(total.view(tensor.shape))

    def of_first(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises in the first process, in all of them."""
        if self.alone:
            return work()
        outcome: list[Any] = [None, None]
        if self.first:
            try:
                outcome[0] = work()
            except Exception as error:
                outcome[1] = error
        _collective(lambda: dist.broadcast_object_list(outcome))
        if outcome[1] is not None:
            if not self.first:
                outcome[1].args = ("",)  # the first process says it
            raise outcome[1]
        result: T = outcome[0]
        return result

    def gathered(self, value: T) -> list[T]:
        """The values of all processes, in their order."""
        if self.alone:
            return [value]
        values: list[Any] = [None] * self.size
        _collective(lambda: dist.all_gather_object(values, value))
        return values

    def placed(self, device: torch.device) -> torch.device:
        """The device of this process: a GPU each. Raises OptionError where a machine has too few."""
        if self.alone or device.type != "cuda":
            return device
        here, count = place(), torch.cuda.device_count()
        if here.local_size > count:
            raise OptionError(
                f"{here.local_size} processes on a machine with {count} GPUs; give --nproc-per-node {count} to "
                "torchrun, or --device cpu"
            )
        return torch.device("cuda", here.local_rank)

    def with_batch_norm(self, network: nn.Module) -> None:
        """Let the batch norms of a network see the rows of all processes."""
        for module in () if self.alone else list(network.modules()):
            for name, layer in module.named_children():
                if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                    whole = WorldBatchNorm(layer.num_features, layer.eps, layer.momentum)
                    whole.load_state_dict(layer.state_dict())
                    setattr(module, name, whole)


ALONE = World()
"""A process that computes for itself."""


def join() -> World:
    """Join the other processes that torchrun has started; a process of its own is a world of its own."""
    here = place()
    if here.size == 1:
        return ALONE
    if not dist.is_initialized():
        cuda = torch.cuda.is_available() and here.local_size <= torch.cuda.device_count()
        if cuda:
            torch.cuda.set_device(here.local_rank)
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=TIMEOUT)
        atexit.register(_leave)
    return World(here.rank, here.size)


def _leave() -> None:
    """Leave the other processes. Threads that were still releasing a tensor when Python ends would abort it."""
    dist.destroy_process_group()
    time.sleep(LAST_SECONDS)


def _collective(call: Callable[[], object]) -> None:
    """Raises GentoolError where another process has ended, or is not heard of."""
    try:
        call()
    except RuntimeError as error:
        raise GentoolError(
            "another process of this training has ended or does not answer; run the same command again to continue "
            "from the last saved state"
        ) from error


class _AddUp(torch.autograd.Function):
    """The sum of a tensor over all processes, and its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        _collective(lambda: dist.all_reduce(total))
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return _AddUp.apply(grads[0])


class WorldBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm (N, C) or (N, C, H, W) whose statistics in training are those of the images of all processes."""

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of dimensions will do."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and torch.is_grad_enabled()):
            return super().forward(x)
        values = x.float()
        over = [0, *range(2, x.ndim)]
        own = values.new_tensor([values.numel() / self.num_features])
        sums = _AddUp.apply(torch.cat([values.sum(over), own]))
        count, mean = sums[-1], sums[:-1] / sums[-1]
        ones = (-1, *[1] * (x.ndim - 2))
        centred = values - mean.view(ones)
        variance = _AddUp.apply(centred.square().sum(over)) / count
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale.view(ones) + self.bias.view(ones)).to(x.dtype)
