"""Whether this process is one of several that torchrun has started, as its environment says."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The number of this process from 0, of all machines and of this one, and how many there are."""

    rank: int = 0
    local_rank: int = 0
    size: int = 1
    local_size: int = 1


def place() -> Place:
    """The place of this process among those of torchrun; a process of its own is the first of one."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Place()
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
    return Place(*(int(os.environ[name]) for name in names))
