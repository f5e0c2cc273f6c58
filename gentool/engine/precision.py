"""At which precision a run computes: autocast, bf16 inside matrix products, scaled gradients in fp16."""

import functools
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from gentool.errors import OptionError

FASTER, TRIALS = 1.5, 25
"""How many times faster than f32 a bf16 matrix product must be on the CPU for `--amp auto` to choose it, and how often
each is tried."""

SIDE = 512
"""Rows and columns of the matrices that are tried."""


class Precision:
    """The precision of --amp on a device: `dtype`, and the gradient scaler of fp16. `kept` is a dtype's name."""

    def __init__(self, amp: str, device: torch.device, kept: str | None = None) -> None:
        self.device = device
        self.dtype: torch.dtype = getattr(torch, kept) if kept else choose_precision(amp, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.products = self.dtype is torch.bfloat16 and bf16_products_known(device)

    @property
    def reduced(self) -> bool:
        """Whether anything is computed in less than f32."""
        return self.dtype is not torch.float32

    @property
    def name(self) -> str:
        """PyTorch's name of the dtype, such as bfloat16."""
        return str(self.dtype).removeprefix("torch.")

    def __str__(self) -> str:
        return {"float32": "f32", "bfloat16": "bf16", "float16": "fp16"}[self.name]

    def suit(self, network: nn.Module) -> None:
        """Take notice of a network that is trained: one with more than matrix products needs autocast."""
        self.products = self.products and products_are_all(network)

    def autocast(self) -> AbstractContextManager[None]:
        """What a forward pass is computed in."""
        if self.products:
            return bf16_products()
        return torch.autocast(self.device.type, self.dtype, enabled=self.reduced)

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor, clip: float) -> None:
        """Gradients (scaled in fp16), clipping of their norm unless `clip` is 0, and the optimizer's step."""
        optimizer.zero_grad(set_to_none=True)
        with bf16_products() if self.products else nullcontext():  # of autocast, the graph remembers it
            self.scaler.scale(loss).backward()
        if clip:
            self.scaler.unscale_(optimizer)
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            norm = nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
            if self.device.type != "cpu" or norm > clip:  # elsewhere a look at the norm would wait for the device
                nn.utils.clip_grads_with_norm_(weights, clip, norm)
        self.scaler.step(optimizer)
        self.scaler.update()


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
    factors = [torch.ones(SIDE, SIDE, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
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


@functools.cache
def bf16_products_known(device: torch.device) -> bool:
    """Whether `bf16_products` does anything: oneDNN ignores the setting on CPUs without AMX, so a product is tried."""
    onednn = torch.backends.mkldnn
    if device.type != "cpu" or not onednn.is_available() or not hasattr(onednn, "matmul"):
        return False
    ones, above = torch.ones(SIDE, SIDE), torch.full((SIDE, SIDE), 1 + 2**-10)  # in bf16, 1 + 2^-10 is 1
    with bf16_products():
        return bool((ones @ above == SIDE).all())


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
