"""What fits into memory, said before any is taken, and results that do not scatter over it."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gentool.errors import GentoolError

if TYPE_CHECKING:
    from torch import Tensor

GIB = 2**30


def free_memory() -> int | None:
    """The bytes of memory that are free, within the limit of a container; None where the system does not say."""
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    with contextlib.suppress(OSError, ValueError):  # "max" is no limit
        group = Path("/sys/fs/cgroup")
        used = int((group / "memory.current").read_text(encoding="utf-8"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
        cached = int(stat.get("inactive_file", 0))  # files that were read, which the system gives up when asked
        found.append(int((group / "memory.max").read_text(encoding="utf-8")) - used + cached)
    if not found and hasattr(os, "sysconf"):
        with contextlib.suppress(OSError, ValueError):
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)


def check_memory(needed: int, what: str, advice: str) -> None:
    """Raises GentoolError where `what` needs more bytes than are free; `advice` says what to do."""
    free = free_memory()
    if free is not None and needed > free:
        raise GentoolError(
            f"out of memory: {what} would take at least {needed / GIB:,.1f} GiB, but only {free / GIB:,.1f} GiB are "
            f"free; {advice}"
        )


def joined(parts: "Iterable[Tensor]", count: int) -> "Tensor":
    """Tensors (n, ...), one or more, as one (count, ...), like `torch.cat`, filled as they are made.

    A list of small results lies scattered between the large tensors of the passes that made them, and the allocator
    cannot use that memory again: gigabytes over some hundred passes.
    """
    result, row = None, 0
    for part in parts:
        if result is None:
            result = part.new_empty(count, *part.shape[1:])
        result[row : row + len(part)] = part
        row += len(part)
    assert result is not None
    assert row == count
    return result
