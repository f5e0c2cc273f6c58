"""What a run asks of its data: examples that can be counted, put on a device, and gathered by index."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from gentool.data.disk import DiskRows


class ExampleBatches(Protocol):
    """Examples on a device: pairs of tensors, gathered by index (int64, on the CPU).

    `disk` says how they lie on the disk; None where they are in memory.
    """

    def __len__(self) -> int: ...
    @property
    def disk(self) -> DiskRows | None: ...
    def take(self, index: Tensor) -> tuple[Tensor, Tensor | None]: ...
    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor | None]]: ...


class ExampleSplit(Protocol):
    """Some of the examples, such as those to train on."""

    def __len__(self) -> int: ...
    def on(self, device: torch.device) -> ExampleBatches: ...


class TrainingData(Protocol):
    """The data of a run: `ImageData`, or anything else with splits. `unit` is what its examples are called."""

    unit: ClassVar[str]

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def folder(self) -> Path | None: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def description(self) -> str: ...
    @property
    def train(self) -> ExampleSplit: ...
    @property
    def splits(self) -> Mapping[str, ExampleSplit]: ...
