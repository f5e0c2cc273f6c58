"""What fits into memory, said before any is taken."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from gentool.engine.randomness import isolated
from gentool.errors import GentoolError

GIB = 2**30
COPIES = 4
"""Numbers that a training keeps for each weight, at least: itself, its gradient, and Adam's two moments."""


def free_memory() -> int | None:
    """The bytes of memory that are free, within the limit of a container; None where the system does not say."""
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    with contextlib.suppress(OSError, ValueError):  # "max" is no limit
        group = Path("/sys/fs/cgroup")
        used = int((group / "memory.current").read_text(encoding="utf-8"))
        found.append(int((group / "memory.max").read_text(encoding="utf-8")) - used)
    if not found and hasattr(os, "sysconf"):
        with contextlib.suppress(OSError, ValueError):
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)


def check_memory(needed: int, what: str, advice: str) -> None:
    """Raises GentoolError where `what` needs more bytes than are free; `advice` says what to do."""
    free = free_memory()
    if free is not None and needed > free:
        raise GentoolError(
            f"out of memory: {what} would take at least {needed / GIB:,.1f} GiB, and {free / GIB:,.1f} GiB are free; "
            f"{advice}"
        )


def check_network(build: Callable[[], nn.Module]) -> None:
    """Raises GentoolError for a network that cannot be trained in this machine's memory; none is taken to see it."""
    try:
        with isolated(0), torch.device("meta"):
            weights = sum(weight.numel() for weight in build().parameters())
    except (RuntimeError, OverflowError):  # more bytes than PyTorch can count
        raise GentoolError("out of memory: these layers are larger than any memory; take smaller layers") from None
    fits = (free_memory() or 0) // (4 * COPIES)
    check_memory(
        4 * COPIES * weights,
        f"training {weights:,} weights",
        f"take smaller layers, of {fits:,} weights in all at most",
    )
