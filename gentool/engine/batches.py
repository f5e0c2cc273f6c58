"""Batches by index from a uint8 tensor: no loader, no worker, no per-image work.

The images lie on the device when they fit, channels last; a batch is gathered there and scaled to [0, 1].
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from gentool.data.images import Split
from gentool.data.store import IN_MEMORY

SHARE = 0.5
"""At most this share of an accelerator's free memory is given to the images."""


class Batches:
    """A split on a device. `images` is uint8 (n, H, W, C); a batch is float (b, C, H, W) in [0, 1], channels last."""

    def __init__(self, split: Split, device: torch.device) -> None:
        self.device = device
        self.labels = None if split.labels is None else split.labels.to(device)
        images = split.images.permute(0, 2, 3, 1)
        if images.numel() <= IN_MEMORY:  # a larger set is memory-mapped and stays as it is, on the disk
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
        return images.permute(0, 3, 1, 2).float().div_(255), labels

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Every image once, in order."""
        for start in range(0, len(self), batch_size):
            yield self.take(torch.arange(start, min(start + batch_size, len(self))))
