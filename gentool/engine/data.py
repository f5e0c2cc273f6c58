"""What a run asks of its data: examples that can be counted, placed on a device, and gathered by index."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor


class Batches(Protocol):
    """Examples on a device: pairs of tensors, gathered by index (int64, on the CPU)."""

    def __len__(self) -> int: ...
    def take(self, index: Tensor) -> tuple[Tensor, Tensor | None]: ...
    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor | None]]: ...


class Split(Protocol):
    """Some of the examples, such as those to train on."""

    def __len__(self) -> int: ...
    def on(self, device: torch.device) -> Batches: ...


class Data(Protocol):
    """What a run is about: `ImageData`, or anything else with splits. `unit` is what its examples are called."""

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
    def described(self) -> str: ...
    @property
    def train(self) -> Split: ...
    @property
    def splits(self) -> Mapping[str, Split]: ...
