"""Tools: what the step of a training calls. Networks on the device, precision, noise, examples, several processes.

Everything random is a function of (seed, purpose, step), so a resumed run equals an uninterrupted one.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gentool.data.disk import in_turn
from gentool.engine import optim
from gentool.engine.compilation import Step, compile_step
from gentool.engine.data import ExampleBatches, ExampleSplit, TrainingData
from gentool.engine.device import choose_device
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Plan
from gentool.engine.precision import Precision
from gentool.engine.randomness import rng
from gentool.engine.world import join
from gentool.metrics.diversity import RunningVariance

Network = TypeVar("Network", bound=nn.Module)

FEWEST_IN_ORDER = 256
"""Examples that are only looked at, not learnt from, come in batches of at least this many."""


class Tools:
    """The part of a `Run` that a training step calls.

    Attributes:
        step: The number of updates made so far.
        rows: The number of examples in a batch, b, and `share` the share of them that this process has.
    """

    precision: Precision
    batches_of: dict[int, ExampleBatches]

    def __init__(self, options: TrainOptions, data: TrainingData) -> None:
        self.options, self.data = options, data
        self.world = join()
        self.device = self.world.placed(choose_device(options.device))
        self.rows = Plan.of(options, len(data.train)).batch_size
        part = self.world.share(self.rows)
        self.share = (part.stop - part.start) / self.rows
        self.optimizers: list[torch.optim.Optimizer] = []
        self.step = 0

    # Networks, optimizers, precision.

    def place(self, network: Network) -> Network:
        """Move a network that is trained to the run's device, channels last."""
        self.precision.prepare_for(network)
        self.world.with_batch_norm(network)
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def adam(self, network: nn.Module, lr: float, **settings: Any) -> torch.optim.Optimizer:
        """Adam for a network, with the settings of `gentool.engine.optim.adam`. `batches` sets its learning rate."""
        optimizer = optim.adam(network, lr, device=self.device, compiled=self.options.compile, **settings)
        self.optimizers.append(optimizer)
        return optimizer

    def compiled(self, step: Step) -> Step:
        """A step function, compiled when --compile asks for it."""
        return compile_step(step, self.device) if self.options.compile else step

    def scalar(self, value: float) -> Tensor:
        """A number that changes from update to update, as a tensor (): a compiled step would be compiled again for
        every float."""
        return torch.full((), value, device=self.device)

    def autocast(self) -> AbstractContextManager[None]:
        """The context of a forward pass, in the precision of --amp."""
        return self.precision.autocast()

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor, *, clip: float = 0.0) -> None:
        """One update: gradients (scaled in fp16), clipping of their norm to `clip` unless it is 0, the step.

        `loss` is a mean over the rows of this process.
        """
        self.precision.descend(optimizer, loss * self.share if self.share < 1 else loss, clip)

    # Several processes: each has some rows of a batch.

    def own(self, rows: Tensor, dim: int = 0) -> Tensor:
        """The rows of this process, out of those of the whole batch along a dimension."""
        return self.world.own(rows, dim)

    # Randomness.

    def rng(self, purpose: str) -> torch.Generator:
        """A generator for one purpose at this update, on the run's device."""
        return rng(self.options.seed, purpose, self.step, device=self.device)

    def noise(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal numbers (b, *shape) for one purpose at this update."""
        return self.own(torch.randn((self.rows, *shape), generator=self.rng(purpose), device=self.device))

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Numbers (b, *shape), uniform in [0, 1), for one purpose at this update."""
        return self.own(torch.rand((self.rows, *shape), generator=self.rng(purpose), device=self.device))

    def fixed_noise(self, purpose: str, *shape: int) -> Tensor:
        """Standard normal numbers that stay the same throughout the run and on every device."""
        return torch.randn(shape, generator=rng(self.options.seed, purpose)).to(self.device)

    # Examples beside the batches that are learnt from.

    def in_order(self, split: ExampleSplit) -> Iterator[tuple[Tensor, Tensor | None]]:
        """A split once, in order, in batches."""
        return self.batches_of[id(split)].in_order(max(self.rows, FEWEST_IN_ORDER))

    def shared_out(self, split: ExampleSplit) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of a split that fall to this process: the numbers of the examples, and the examples.

        What is measured on them is brought together by `totals`.
        """
        examples, size = self.batches_of[id(split)], max(self.rows, FEWEST_IN_ORDER)
        every = torch.arange(len(split))
        own = every[every // size % self.world.size == self.world.rank]
        for numbers in in_turn(examples.disk, own, size):
            yield numbers, examples.take(numbers)[0]

    def totals(self, sums: Mapping[str, float], *variances: RunningVariance) -> dict[str, float]:
        """Sums over the examples of all processes; variances are joined as well."""
        parts = self.world.gathered((dict(sums), variances))
        others = [part for rank, (_, part) in enumerate(parts) if rank != self.world.rank]
        for number, variance in enumerate(variances):
            variance.join(part[number] for part in others)
        names = dict.fromkeys(name for part, _ in parts for name in part)
        return {name: sum(part.get(name, 0.0) for part, _ in parts) for name in names}

    def examples(self, count: int) -> Tensor:
        """The first held-out images, (count or fewer, C, H, W) in [0, 1]: from test, else validation, else train."""
        return self.labelled_examples(count)[0]

    def labelled_examples(self, count: int) -> tuple[Tensor, Tensor | None]:
        """`examples`, with their labels where there are any."""
        split = next(split for split in reversed(list(self.data.splits.values())) if len(split))
        return self.batches_of[id(split)].take(torch.arange(min(count, len(split))))
