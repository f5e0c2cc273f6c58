"""The rows of a memory-mapped set: which lie together on the disk, and reading them before they are taken.

A disk that jumps to a row for every image of a batch serves a small part of what it serves in blocks. Left alone, Linux
also reads around each row up to some MiB, and drops for that what would soon be needed.
"""

import ctypes
import mmap
from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 2**20
"""About this many bytes of neighbouring rows are read at once."""
WINDOW = 2**28
"""Rows of about this many bytes are mixed with one another; so much of the set is needed in memory at a time."""
AHEAD = 2**25
"""Blocks are asked for when this many bytes of other images are still to be taken before."""
_PIECE = 2**17
"""The most that Linux surely reads for one request."""


class DiskRows:
    """Memory-mapped images, uint8 (n, C, H, W), whose rows lie one behind the other.

    `block`, `window` and `ahead` are numbers of rows: how many are read at once, mixed with one another, and asked for
    before they are taken.
    """

    def __init__(self, images: Tensor) -> None:
        size = images[0].numel()
        self.block, self.window, self.ahead = (max(1, total // size) for total in (BLOCK, WINDOW, AHEAD))
        self.images = images
        self.asked: dict[int, None] = {}
        _advise(images, 0, len(images), "MADV_RANDOM")  # nothing is read around rows

    def expect(self, index: Tensor) -> None:
        """Let the system begin to read the blocks of the rows at `index` (int64), unless it was asked to lately."""
        for block in torch.unique(index // self.block).tolist():
            if block not in self.asked:
                self.asked[block] = None
                start = block * self.block
                _advise(self.images, start, min(start + self.block, len(self.images)), "MADV_WILLNEED")
        while len(self.asked) > 2 * self.window // self.block + 2:
            del self.asked[next(iter(self.asked))]


def in_turn(disk: DiskRows | None, order: Tensor, size: int, start: int = 0) -> Iterator[Tensor]:
    """The parts of `order` (int64, (n,)) from `start` on, `size` rows each; those on a disk are read ahead."""
    expected = start
    for first in range(start, len(order), size):
        if disk is not None:
            soon = first + size + disk.ahead
            disk.expect(order[expected:soon])
            expected = soon
        yield order[first : first + size]


def _advise(images: Tensor, start: int, stop: int, how: str) -> None:
    """Say how the rows from `start` to `stop` will be read. Where the system takes no advice, reading is slower."""
    if not hasattr(mmap, how):  # on Windows
        return
    first, last = (images.data_ptr() + row * images.stride(0) for row in (start, stop))
    first -= first % mmap.PAGESIZE
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    step = _PIECE if how == "MADV_WILLNEED" else last - first
    for piece in range(first, last, step):
        advise(piece, min(step, last - piece), getattr(mmap, how))
