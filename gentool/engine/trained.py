"""What a trained model of any kind has: a network in eval mode, its description, its history, and its file."""

from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import nn

from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.folder import METRICS
from gentool.engine.metrics_file import MetricsFile
from gentool.errors import OptionError
from gentool.tables import Table

Network = TypeVar("Network", bound=nn.Module)


class Trained(Generic[Network]):
    """A trained network in eval mode, on a device, with its description.

    `path` is the checkpoint's file, None for a model that was never saved. `rows` are those of its metrics.csv; without
    them, the file is read when they are needed. `step` is the number of updates that the checkpoint says were made.
    """

    def __init__(
        self,
        network: Network,
        header: Header,
        device: torch.device,
        *,
        path: Path | None = None,
        rows: list[dict[str, float]] | None = None,
        step: int | None = None,
    ) -> None:
        # Training keeps weights channels last, which rounds differently from weights that are read from a file.
        network.to(device, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.network: Network = network.eval().requires_grad_(False)
        self.header, self.device, self.path, self.rows, self.step = header, device, path, rows, step

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return sum(weight.numel() for weight in self.network.parameters())

    @cached_property
    def weights_digest(self) -> str:
        """A digest of the weights, which says whether a result is of this very model."""
        return checkpoint.digest(dict(self.network.state_dict()))[:16]

    @cached_property
    def history(self) -> Table:
        """The rows of metrics.csv up to this model, one per epoch; empty where it was saved without them."""
        if self.rows is not None:
            return Table(self.rows)
        rows = MetricsFile(None if self.path is None else self.path.parent / METRICS).numbers()
        return Table([row for row in rows if self.step is None or row.get("step", 0) <= self.step])

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the model as a checkpoint, which `load` and every command read.

        Raises OptionError for a file that exists, without `overwrite`.
        """
        path = Path(path).expanduser()
        if path.exists() and not overwrite:
            raise OptionError(f"{path}: exists; give overwrite=True to replace it")
        self.rows = self.history.rows
        checkpoint.save(path, "model", self.header, {"weights": self.network.state_dict()})
        self.path = path
        return path
