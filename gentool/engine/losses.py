"""The mean losses of an epoch and of some updates, collected without waiting for the device."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gentool.engine.world import World

STOP = "stop"
"""The name of a wish to stop among the terms that processes exchange."""


class Losses:
    """Sums of named scalars over the updates of an epoch.

    On the CPU each scalar is read at once. Those of a CUDA device are read one update later, when they have been
    computed anyway, so that no update waits for the one before it. With several processes they are means over the rows
    of all, and `stop` is true once any of them wants to stop.
    """

    def __init__(self, device: torch.device, world: World) -> None:
        self.device, self.world = device, world
        self.stop = False
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.recent: dict[str, float] = {}  # sums since the last `noted`
        self.recent_counts: dict[str, int] = {}
        self.delay = 1 if device.type == "cuda" else 0  # updates between `add` and what it returns
        self.pending: tuple[list[str], Tensor, torch.cuda.Event] | None = None

    def add(self, terms: Mapping[str, Tensor], *, share: float = 1.0, stop: bool = False) -> list[str]:
        """Add the terms of one update. Returns the names of those found to be NaN or infinite.

        `share` is the share of the rows that this process has, and `stop` whether it wants to stop.
        """
        if self.world.alone:
            self.stop = stop
        else:
            terms = {STOP: torch.tensor(float(stop), device=self.device), **terms}
        if self.world.alone and self.device.type != "cuda":
            return self._add_values({name: value.item() for name, value in terms.items()})
        values = torch.stack([value.detach().float() for value in terms.values()])
        if not self.world.alone:
            values *= share
            self.world.add_up([values])
        if self.device.type != "cuda":
            return self._add_values(dict(zip(terms, values.tolist(), strict=True)))
        broken = self.settle()
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self.pending = (list(terms), host, event)
        return broken

    def settle(self) -> list[str]:
        """Read what is still on its way. Returns the names of the terms found to be NaN or infinite."""
        if self.pending is None:
            return []
        names, host, event = self.pending
        self.pending = None
        event.synchronize()
        return self._add_values(dict(zip(names, host.tolist(), strict=True)))

    def means(self) -> dict[str, float]:
        """The mean of each term over the updates that had it."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    def noted(self) -> dict[str, float]:
        """The mean of each term since the last call."""
        means = {name: total / self.recent_counts[name] for name, total in self.recent.items()}
        self.recent, self.recent_counts = {}, {}
        return means

    def clear(self) -> None:
        """Begin another epoch."""
        self.sums, self.counts = {}, {}

    def state_dict(self) -> dict[str, Any]:
        """The sums and counts so far."""
        return {
            "sums": dict(self.sums), "counts": dict(self.counts),
            "recent": dict(self.recent), "recent_counts": dict(self.recent_counts),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`. Raises ValueError for another state."""
        self.sums, self.counts = dict(state["sums"]), dict(state["counts"])
        self.recent, self.recent_counts = dict(state.get("recent") or {}), dict(state.get("recent_counts") or {})
        for sums, counts in ((self.sums, self.counts), (self.recent, self.recent_counts)):
            if sums.keys() != counts.keys() or min(counts.values(), default=1) < 1:
                raise ValueError("losses without their counts")

    def _add_values(self, values: dict[str, float]) -> list[str]:
        self.stop = values.pop(STOP, self.stop) > 0
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
            self.recent[name] = self.recent.get(name, 0.0) + value
            self.recent_counts[name] = self.recent_counts.get(name, 0) + 1
        return [name for name, value in values.items() if not math.isfinite(value)]
