"""What a training gets: images as uint8 in memory (or memory-mapped), their labels, and the three splits."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FEW = 2_000
"""Fewer training images than this are few."""


@dataclass(frozen=True)
class Split:
    """One of train, validation and test.

    `images` is uint8 (n, C, H, W), values 0..255, possibly memory-mapped; `labels` is int64 (n,) or None.
    """

    images: Tensor
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class ImageData:
    """A prepared set of images; `info` is the content of its dataset.json."""

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    folder: Path | None
    train: Split
    validation: Split
    test: Split
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def labelled(self) -> bool:
        """Whether every image has a class."""
        return self.train.labels is not None

    @property
    def photographic(self) -> bool:
        """Whether the images are known to be as likely when they are mirrored or framed a little differently."""
        return bool(self.info.get("photographic", False))

    @property
    def few(self) -> bool:
        """Whether the training images are so few that a network may learn them by heart."""
        return len(self.train) < FEW

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name, in the order in which the rows are stored."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def labels(self) -> Tensor | None:
        """The labels of all splits, int64 (N,), in stored order: train, validation, test."""
        parts = [split.labels for split in self.splits.values() if split.labels is not None]
        return torch.cat(parts) if self.labelled else None

    def __len__(self) -> int:
        return sum(len(split) for split in self.splits.values())

    def whole(self) -> Split:
        """All images in stored order (train, validation, test) as one split; a copy in memory."""
        return Split(torch.cat([split.images for split in self.splits.values()]), self.labels)

    def factors(self) -> Tensor | None:
        """The known factors behind each image, float32 (N, F) in stored order, named by `info["factors"]`, or None."""
        return self._rows("factors.npy")

    def source_positions(self) -> Tensor | None:
        """The position in the source of each stored image, int64 (N,), such as the number of a CryptoPunk."""
        return self._rows("order.npy")

    def _rows(self, file: str) -> Tensor | None:
        import numpy as np

        if self.folder is None or not (self.folder / file).is_file():
            return None
        return torch.from_numpy(np.load(self.folder / file, allow_pickle=False))


def by(shape: tuple[int, int, int]) -> str:
    """(C, H, W) as people say it."""
    channels, height, width = shape
    return f"{width}x{height}{' colour' if channels == 3 else ' grey'}"
