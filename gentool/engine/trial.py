"""Which precision a training on the CPU is computed in: its own first updates are timed in each, and undone.

Which one is fastest depends on the processor, which may have instructions for bf16, and on the network: casts cost a
small one what products gain. The choice is noted in the cache, so that the same training is computed in the same way
again.
"""

import hashlib
import json
import platform
import statistics
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import torch

from gentool.data.cache import cache_folder
from gentool.engine.checkpoint import Header
from gentool.engine.options import TrainOptions
from gentool.files import write_json
from gentool.reading import read_json

ROUNDS, FEWEST_ROUNDS, SECONDS = 11, 3, 0.5
"""The updates of a trial take about this long; there are at least the fewest."""
GAIN = 1.03
"""A precision below f32 is taken where it is at least this many times as fast."""


class Trial:
    """The seconds of updates in each precision; the first one is what the others are compared with.

    The first round warms up, and is not counted.
    """

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self.seconds: dict[str, list[float]] = {kind: [] for kind in kinds}

    def steps(self, total: int) -> Iterator[int]:
        """The updates to try, spread over a run of `total`: what an update computes may change on the way."""
        for number in range(ROUNDS + 1):
            yield number * total // (ROUNDS + 1)

    def enough(self) -> bool:
        """Whether the trial can end."""
        rounds = min(map(len, self.seconds.values())) - 1
        return rounds >= FEWEST_ROUNDS and sum(map(sum, self.seconds.values())) >= SECONDS

    def gains(self) -> dict[str, float]:
        """How many times as fast as in the first precision an update is: the median over the rounds."""
        base, *_ = self.seconds.values()
        return {
            kind: statistics.median(one / other for one, other in zip(base[1:], seconds[1:], strict=True))
            for kind, seconds in self.seconds.items()
        }

    def fastest(self) -> tuple[str, float]:
        """The precision to take, and its gain."""
        gains = self.gains()
        best = max(gains, key=lambda kind: gains[kind])
        first = next(iter(gains))
        return (best, gains[best]) if gains[best] >= GAIN else (first, 1.0)


def note_of(header: Header, options: TrainOptions, processes: int) -> Path:
    """The file in the cache that notes the choice for a training on this processor, whatever its seed and length."""
    free = {field.name for field in fields(options) if field.metadata["resume"] != "same"}
    settings = {name: value for name, value in header.options.items() if name not in {*free, "seed"}}
    facts = [
        processor(), torch.get_num_threads(), torch.__version__, processes,
        header.model, header.shape, header.classes, settings,
    ]  # fmt: skip
    key = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()
    return cache_folder() / "known" / f"precision-{key[:16]}.json"


def noted(path: Path) -> str | None:
    """The choice that a file notes; None where there is none."""
    try:
        kind: str = read_json(path, {"precision": str})["precision"]
    except (OSError, ValueError):
        return None
    return kind


def note(path: Path, kind: str, gain: float) -> None:
    """Note a choice. Raises GentoolError where the cache cannot be written."""
    write_json(path, {"precision": kind, "gain": round(gain, 3)})


def processor() -> str:
    """The name of the processor, and the instructions that PyTorch uses of it."""
    name = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        lines = facts.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name} {torch.backends.cpu.get_cpu_capability()}"
