"""A flow fitted to the codes of real images: a density to draw codes from that bends where a mixture has corners."""

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.engine.randomness import indexed_noise, isolated
from gentool.errors import DataError
from gentool.files import replacing
from gentool.latent.code_files import read_arrays
from gentool.metrics.flow_matching import straight_path
from gentool.networks.ode import solve
from gentool.progress import SILENT, Reporter

UPDATES, BATCH, LR, AVERAGE = 6_000, 512, 2e-3, 0.998
"""The training; AVERAGE is the decay of the moving average of the weights."""
HIDDEN, LAYERS, WAVES = 256, 3, 16
"""The units and the number of hidden layers, and the cosines and sines of the time."""
STEPS = 20
"""Steps of the midpoint rule from noise to code."""
AT_ONCE = 1024
"""Codes that are computed in one pass, filled up: a code is then the same alone and among many."""


class Field(nn.Module):
    """The velocity of codes: fully connected layers whose hidden units the time scales and shifts."""

    waves: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("waves", torch.logspace(0, 2, WAVES), persistent=False)
        self.into = nn.Linear(dim, HIDDEN)
        self.hidden = nn.ModuleList([nn.Linear(HIDDEN, HIDDEN) for _ in range(LAYERS)])
        self.time = nn.Linear(2 * WAVES, 2 * HIDDEN * LAYERS)
        self.out = nn.Linear(HIDDEN, dim)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """x (N, D) and t (N,) in [0, 1] -> velocity (N, D)."""
        angles = t[:, None] * self.waves
        changes = self.time(torch.cat([angles.cos(), angles.sin()], dim=1)).chunk(2 * LAYERS, dim=1)
        h = self.into(x)
        for layer, scale, shift in zip(self.hidden, changes[::2], changes[1::2], strict=True):
            h = h + F.silu(layer(h) * (1 + scale) + shift)
        return self.out(h)


@dataclass(frozen=True, repr=False, eq=False)
class FlowPrior:
    """A velocity field on codes, in units of `sd` (D,) around `mean` (D,)."""

    kind: ClassVar[str] = "flow"

    field: Field
    mean: Tensor
    sd: Tensor

    def __repr__(self) -> str:
        return f"<flow in {len(self.mean)} dimensions>"

    @classmethod
    def fit(cls, z: Tensor, seed: int = 0, *, reporter: Reporter = SILENT) -> Self:
        """Fit to codes z (N, D), on the CPU."""
        mean, sd = z.mean(0), z.std(0, correction=0).clamp_min(1e-6)
        codes = (z - mean) / sd
        with isolated(seed), torch.enable_grad():
            field = Field(z.shape[1])
            average = copy.deepcopy(field)
            optimizer = torch.optim.Adam(field.parameters(), LR, fused=True)
            weights: list[Tensor] = list(field.parameters())
            averages: list[Tensor] = list(average.parameters())
            for update in range(UPDATES):
                for group in optimizer.param_groups:
                    group["lr"] = LR * 0.5 * (1 + math.cos(math.pi * update / UPDATES))
                x = codes[torch.randint(len(codes), (BATCH,))]
                point, velocity = straight_path(x, torch.randn_like(x), t := torch.rand(BATCH))
                optimizer.zero_grad()
                F.mse_loss(field(point, t), velocity).backward()
                optimizer.step()
                with torch.no_grad():
                    decay = min(AVERAGE, (1 + update) / (10 + update))
                    torch._foreach_lerp_(averages, weights, 1 - decay)
                if update % 50 == 49:
                    reporter.progress("fitting a flow to the codes", update + 1, UPDATES)
        return cls(average.eval().requires_grad_(False), mean, sd)

    @property
    def center(self) -> Tensor:
        """The mean of the codes (D,)."""
        return self.mean

    @torch.no_grad()
    def draw(self, seed: int, first: int, count: int) -> Tensor:
        """Codes (count, D): code i is a function of the seed and first + i alone."""
        start = first - first % AT_ONCE
        drawn = []
        for begin in range(start, first + count, AT_ONCE):
            noise = indexed_noise(seed, begin, AT_ONCE, len(self.mean))
            drawn.append(solve(self._velocity, noise, STEPS, "midpoint") * self.sd + self.mean)
        return torch.cat(drawn)[first - start :][:count]

    def _velocity(self, x: Tensor, t: float) -> Tensor:
        return self.field(x, torch.full((len(x),), t))

    def save(self, path: Path, key: str) -> None:
        """Write the flow with a key that says what it was fitted to."""
        arrays = {"mean": self.mean, "sd": self.sd, **self.field.state_dict()}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, key=key, **{name: array.numpy() for name, array in arrays.items()})

    @classmethod
    def load(cls, path: Path, key: str, dim: int) -> Self | None:
        """The flow at `path` when it was fitted to what `key` says, else None.

        Raises DataError for a file that is damaged or not a flow of `dim` dimensions.
        """
        if not path.is_file():
            return None
        try:
            arrays = read_arrays(path)
        except DataError as error:
            raise DataError(f"{error}; remove it to fit a new flow") from error
        with isolated(0):
            field = Field(dim)
        expected = {"mean": (dim,), "sd": (dim,)} | {name: tuple(w.shape) for name, w in field.state_dict().items()}
        if "key" in arrays and str(arrays["key"]) != key:
            return None
        if not _fits(arrays, {"key", *expected}, expected):
            raise DataError(f"{path}: damaged, or not a fitted flow; remove it to fit a new one")
        tensors = {name: torch.from_numpy(arrays[name]) for name in expected}
        mean, sd = tensors.pop("mean"), tensors.pop("sd")
        field.load_state_dict(tensors)
        return cls(field.eval().requires_grad_(False), mean, sd)


def _fits(arrays: dict[str, np.ndarray], names: Iterable[str], expected: dict[str, tuple[int, ...]]) -> bool:
    """Whether a file has these arrays, of the expected shapes, with finite numbers."""
    return set(arrays) == set(names) and all(
        arrays[name].shape == shape and arrays[name].dtype == np.float32 and np.isfinite(arrays[name]).all()
        for name, shape in expected.items()
    )
