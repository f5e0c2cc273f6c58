"""Where a run computes."""

import ctypes
import os
import sys

import torch
from torch import Tensor, nn

from gentool.errors import OptionError

FUNCTIONS = ("cos", "exp", "log", "sin", "sqrt", "tanh")
"""What gentool computes of every number of large tensors."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA, then MPS, then the CPU. Raises OptionError for a device that is not there."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available[name]:
        raise OptionError(f"--device {name}: there is none here; `gentool doctor` lists what there is")
    if name == "cpu":
        _choose_kernels()
    return torch.device(name)


def _choose_kernels() -> None:
    """Call each function once on one thread before several do.

    MKL chooses a function's kernel in its first call. Where that comes from several threads at once, one of them may
    compute its part of this call less exactly, and two equal runs part at their first update (pytorch issue 188792).
    """
    for dtype in (torch.float32, torch.float64):
        for name in FUNCTIONS:
            getattr(torch, name)(torch.ones(1, dtype=dtype))


def prepare_backend(device: torch.device, deterministic: bool, reduced: bool) -> None:
    """Process-wide settings: deterministic algorithms, or the fast ones; TF32 where precision is reduced anyway."""
    torch.use_deterministic_algorithms(deterministic)
    if device.type == "cpu":
        _keep_freed_memory()
    if device.type == "cuda":
        if deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = not deterministic
        torch.set_float32_matmul_precision("high" if reduced and not deterministic else "highest")


def _keep_freed_memory() -> None:
    """Let glibc keep big blocks instead of giving them back and faulting them in again at every update.

    Measured on the GAN at 24x24, one thread: 1.055 times the images per second. Other C libraries have no mallopt.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, 2**30)
            mallopt(M_TRIM_THRESHOLD, 2**30)


def finite(network: nn.Module | dict[str, Tensor]) -> bool:
    """Whether every floating-point weight is finite."""
    state = network.state_dict() if isinstance(network, nn.Module) else network
    return all(bool(torch.isfinite(value).all()) for value in state.values() if value.is_floating_point())
