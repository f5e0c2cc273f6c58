"""How processes of gentool start: whether torchrun has started this one with others, and how this one starts more."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path


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


def gentool_command() -> list[str]:
    """The words that start gentool in a process of its own, with this Python.

    A file of the working folder such as random.py is not imported (-P), unless gentool itself is imported from there.
    """
    from_here = Path(__file__).resolve().parents[1] == Path.cwd()
    return [sys.executable, *([] if from_here else ["-P"]), "-m", "gentool"]
