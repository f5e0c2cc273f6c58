"""Where a computation runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from gentool.errors import OptionError
from gentool.options import Validated, option, suggestion

FUNCTIONS = ("cos", "exp", "log", "sin", "sqrt", "tanh")
"""The elementwise functions that gentool computes on large tensors."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions(Validated):
    """Where to compute."""

    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "Device to compute on; auto: the first accelerator found, else the CPU.", resume="free"
    )


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA, then MPS, then the CPU. Raises OptionError for a device that is not there."""
    name = str(name)
    names = get_args(DeviceOptions.__annotations__["device"])
    if name not in names:
        raise OptionError(f"--device: {name!r} is not one of {', '.join(names)}.{suggestion(name, names)}")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available[name]:
        raise OptionError(f"--device {name}: not available on this machine; `gentool doctor` lists the devices")
    if name == "cpu":
        _choose_kernels()
    return torch.device(name)


def _choose_kernels() -> None:
    """Call each function once on one thread before several threads do.

    MKL chooses a function's kernel in its first call. Where that call comes from several threads at once, one of them
    may compute its part of this call less exactly, and two equal runs differ from their first update on (pytorch issue
    188792).
    """
    for dtype in (torch.float32, torch.float64):
        for name in FUNCTIONS:
            getattr(torch, name)(torch.ones(1, dtype=dtype))


def finite(state: Any) -> bool:
    """Whether every floating-point tensor is finite: of a network, or in nested dictionaries and lists."""
    if isinstance(state, nn.Module):
        state = state.state_dict()
    if isinstance(state, Mapping):
        state = state.values()
    elif isinstance(state, Tensor):
        return not state.is_floating_point() or bool(torch.isfinite(state).all())
    elif not isinstance(state, list | tuple):
        return True
    return all(finite(value) for value in state)
