"""Where a run computes and at which precision."""

import ctypes
import functools
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gentool.errors import OptionError

FASTER, TRIALS = 1.5, 25
"""How many times faster than f32 a bf16 matrix product must be on the CPU for `--amp auto` to choose it, and how often
each is tried."""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA, then MPS, then the CPU. Raises OptionError for a device that is not there."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available[name]:
        raise OptionError(f"--device {name}: there is none here; `gentool doctor` lists what there is")
    return torch.device(name)


def choose_precision(amp: str, device: torch.device) -> torch.dtype:
    """The dtype of autocast; float32 means none.

    `auto` is bf16 on GPUs that have it and on CPUs whose bf16 matrix product is measured to be faster; else off.
    """
    if amp == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.bfloat16 if device.type == "cpu" and _bf16_pays() else torch.float32
    if amp == "fp16" and device.type == "mps":
        raise OptionError("--amp fp16: not offered on mps, whose gradients cannot be scaled; use bf16 or off")
    return {"off": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[amp]


@functools.cache
def _bf16_pays() -> bool:
    """Time one matrix product both ways: instructions alone do not tell (a CPU without them emulates, slowly).

    Both in turn and the fastest of many, so that a busy machine says the same as an idle one.
    """
    factors = [torch.ones(512, 512, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    seconds = [math.inf, math.inf]
    for _ in range(TRIALS):
        for kind, a in enumerate(factors):
            start = time.perf_counter()
            a @ a
            seconds[kind] = min(seconds[kind], time.perf_counter() - start)
    return seconds[0] > FASTER * seconds[1]


def products_are_all(network: nn.Module) -> bool:
    """Whether all that a network computes with its weights are matrix products: no convolutions, no LSTM."""
    return all(isinstance(layer, nn.Linear) for layer in network.modules()
               if any(weight.ndim > 1 for weight in layer.parameters(recurse=False)))  # fmt: skip


def bf16_products_known(device: torch.device) -> bool:
    """Whether `bf16_products` does anything."""
    onednn = torch.backends.mkldnn
    there = device.type == "cpu" and onednn.is_available() and hasattr(onednn, "matmul")
    return there and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextmanager
def bf16_products() -> Iterator[None]:
    """Matrix products of f32 tensors on the CPU read them as bf16 inside, and add up in f32.

    The same arithmetic as autocast's, without its casts of weights, activations and gradients, which cost a small
    network what bf16 gains.
    """
    products = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = products.fp32_precision
    products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before


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
