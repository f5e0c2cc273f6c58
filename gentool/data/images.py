"""Prepared images: uint8 in memory (or memory-mapped), with their labels and three splits.

Batches are gathered by index: no loader, no worker, no per-image work.
"""

import errno
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentool.data.disk import DiskRows, in_turn
from gentool.errors import DataError, GentoolError
from gentool.reading import check_regular

IN_MEMORY = 2**30
"""Images of more bytes are memory-mapped and stay on the disk."""
SHARE = 0.5
"""At most this share of an accelerator's free memory is given to the images."""
FEWEST = 10
"""A training needs at least this many images, in all splits together."""
FEW = 2_000
"""`ImageData.few` is true below this number of training images."""


@dataclass(frozen=True, repr=False, eq=False)
class Split:
    """One of train, validation and test.

    `images` is uint8 (n, C, H, W), values 0..255, possibly memory-mapped; `labels` is int64 (n,) or None.
    """

    images: Tensor
    labels: Tensor | None = None

    def __repr__(self) -> str:
        return f"<{len(self):,} images{'' if self.labels is None else ' with labels'}>"

    def __len__(self) -> int:
        return len(self.images)

    def on(self, device: torch.device) -> "Batches":
        """Its batches on a device."""
        return Batches(self, device)


class Batches:
    """A split on a device. `images` is uint8 (n, H, W, C); a batch is float (b, C, H, W) in [0, 1], channels last.

    `disk` says how the rows lie on the disk, where they are too large for memory.
    """

    def __init__(self, split: Split, device: torch.device) -> None:
        self.device = device
        self.labels = None if split.labels is None else split.labels.to(device)
        images = split.images.permute(0, 2, 3, 1)
        self.disk = DiskRows(split.images) if images.numel() > IN_MEMORY else None
        if self.disk is None:  # a larger set is memory-mapped and stays as it is, on the disk
            images = images.contiguous()
            if device.type != "cuda" or images.numel() < SHARE * torch.cuda.mem_get_info(device)[0]:
                images = images.to(device)
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """The images and labels at `index` (int64, on the CPU)."""
        where = index.to(self.device, non_blocking=True)
        labels = None if self.labels is None else self.labels[where]
        if self.images.device == self.device:
            images = self.images[where]
        else:
            images = self.images[index].to(self.device, non_blocking=True)
        return images.contiguous().permute(0, 3, 1, 2).float().div_(255), labels

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Every image once, in order."""
        return map(self.take, in_turn(self.disk, torch.arange(len(self)), batch_size))


@dataclass(frozen=True, repr=False, eq=False)
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

    unit: ClassVar[str] = "images"

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {len(split):,}" for name, split in self.splits.items())
        classes = f", {len(self.classes)} classes" if self.labelled else ""
        return f"<{self.name}: images {size_text(self.shape)}, {counts}{classes}>"

    @property
    def description(self) -> str:
        """The training images in words."""
        return f"{len(self.train):,} images {size_text(self.shape)}"

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
        """Whether the images are photographs or paintings, which training may mirror and crop at random."""
        return bool(self.info.get("photographic", False))

    @property
    def few(self) -> bool:
        """Whether there are so few training images that a network may memorise them."""
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
        return self._rows("factors.npy", np.float32, (len(self), len(self.info.get("factors", ()))))

    def source_positions(self) -> Tensor | None:
        """The position in the source of each stored image, int64 (N,), such as the number of a CryptoPunk."""
        return self._rows("order.npy", np.int64, (len(self),))

    def _rows(self, name: str, kind: type, shape: tuple[int, ...]) -> Tensor | None:
        if self.folder is None or not (self.folder / name).is_file():
            return None
        return as_tensor(array_in(self.folder, name, kind, shape))


def array_in(folder: Path, name: str, kind: type, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of a prepared folder, memory-mapped if it is large.

    Raises DataError for one of another form, GentoolError where there is no room for it.
    """
    path = folder / name
    large = math.prod(shape) * np.dtype(kind).itemsize > IN_MEMORY
    try:
        check_regular(path)
        array: NDArray[Any] = np.load(path, mmap_mode="r" if large else None, allow_pickle=False)
        found = f"{array.dtype} {array.shape}"
    except FileNotFoundError:
        raise damaged(folder, f"{name} is missing") from None
    except Exception as error:  # the errors of NumPy's reader have no common base
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            size = f"{math.prod(shape) * np.dtype(kind).itemsize / 2**30:,.1f} GiB"
            raise GentoolError(f"{path}: not enough memory or address space (ulimit -v) for its {size}") from None
        raise damaged(folder, f"{name} cannot be read ({' '.join(str(error).split())[:200]})") from None
    if array.dtype != kind or array.shape != shape:
        raise damaged(folder, f"{name} holds {found[:100]} instead of {np.dtype(kind).name} {shape}")
    return array


def as_tensor(array: NDArray[Any]) -> Tensor:
    """The same memory as a tensor. Do not write to it: what is memory-mapped is read-only.

    Linux would refuse to map more bytes for writing than the machine has memory, also if none is ever written.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def damaged(folder: Path, what: str) -> DataError:
    """The error for a prepared folder that is not as it was written."""
    return DataError(f"{folder}: the prepared folder is damaged: {what}; prepare it again with `gentool prepare`")


def channels_text(channels: int) -> str:
    """The number of channels in a word: grey, colour or RGBA."""
    return {1: "grey", 3: "colour", 4: "RGBA"}.get(channels, f"with {channels} channels")


def size_text(shape: tuple[int, int, int]) -> str:
    """(C, H, W) in words: `24x24 colour`."""
    channels, height, width = shape
    return f"{width}x{height} {channels_text(channels)}"
