"""The precision of a training: autocast, bf16 inside matrix products, scaled gradients in fp16."""

import functools
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from gentool.engine.compilation import compile_step
from gentool.engine.optim import clip_gradients
from gentool.engine.world import World
from gentool.errors import OptionError

MIN_SPEEDUP, TRIALS = 1.5, 25
"""`--amp auto` chooses bf16 on a CPU where its matrix product is this many times as fast as that of f32, in the best of
this many trials."""
SIDE = 512
"""Rows and columns of the matrices that are tried."""


class Precision:
    """The precision of a training on a device, and the gradient scaler of fp16."""

    def __init__(self, dtype: torch.dtype, device: torch.device, world: World, *, compiled: bool = False) -> None:
        self.dtype, self.device, self.world = dtype, device, world
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.scaled = self.scaler.is_enabled()  # a compiled step does not look into the scaler
        self.step = compile_step(take_step, device) if compiled else take_step
        # A compiled step cannot change the setting on the way.
        self.products = self.dtype is torch.bfloat16 and not compiled and bf16_products_work(device)

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

    def prepare_for(self, network: nn.Module) -> None:
        """Use autocast from now on when a network that is trained has more than matrix products."""
        self.products = self.products and has_only_products(network)

    def autocast(self) -> AbstractContextManager[None]:
        """The context of a forward pass."""
        if self.products:
            return bf16_products()
        return torch.autocast(self.device.type, self.dtype, enabled=self.reduced)

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor, clip: float) -> None:
        """Backward pass (scaled in fp16), the sum of the gradients of all processes, clipping of its norm to `clip`
        unless it is 0, optimizer step."""
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        for weight in weights:
            weight.grad = None
        with bf16_products() if self.products else nullcontext():  # autograd itself remembers autocast
            (self.scaler.scale(loss) if self.scaled else loss).backward()
        self.world.add_up(weight.grad for weight in weights if weight.grad is not None)
        if clip:
            if self.scaled:
                self.scaler.unscale_(optimizer)
            clip_gradients(optimizer, clip)
        if self.scaled:
            self.scaler.step(optimizer)
            self.scaler.update()
        else:
            self.step(optimizer)


def take_step(optimizer: torch.optim.Optimizer) -> None:
    """The step of an optimizer, which is compiled also where the rest of an update is not."""
    optimizer.step()


def choose_precision(amp: str, device: torch.device) -> torch.dtype:
    """The dtype of autocast; float32 means none.

    `auto` is bf16 on GPUs that support it and on CPUs whose bf16 matrix product is measured to be faster, else off.
    Raises OptionError for fp16 on mps.
    """
    if amp == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.bfloat16 if device.type == "cpu" and _bf16_is_faster() else torch.float32
    if amp == "fp16" and device.type == "mps":
        raise OptionError("--amp fp16: not supported on mps, where gradients cannot be scaled; use bf16 or off")
    return {"off": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[amp]


@functools.cache
def _bf16_is_faster() -> bool:
    """Time one matrix product in both precisions: a CPU without bf16 instructions emulates them slowly.

    The two take turns and the fastest of many trials counts, so that a busy machine gives the same answer as an idle
    one.
    """
    factors = [torch.ones(SIDE, SIDE, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    seconds = [math.inf, math.inf]
    for _ in range(TRIALS):
        for kind, a in enumerate(factors):
            start = time.perf_counter()
            a @ a
            seconds[kind] = min(seconds[kind], time.perf_counter() - start)
    return seconds[0] > MIN_SPEEDUP * seconds[1]


def has_only_products(network: nn.Module) -> bool:
    """Whether a network computes only matrix products with its weights: no convolutions and no LSTM."""
    return all(isinstance(layer, nn.Linear) for layer in network.modules()
               if any(weight.ndim > 1 for weight in layer.parameters(recurse=False)))  # fmt: skip


@functools.cache
def bf16_products_work(device: torch.device) -> bool:
    """Whether `bf16_products` has an effect. oneDNN ignores the setting on CPUs without AMX, so a product is tried."""
    onednn = torch.backends.mkldnn
    if device.type != "cpu" or not onednn.is_available() or not hasattr(onednn, "matmul"):
        return False
    ones, above = torch.ones(SIDE, SIDE), torch.full((SIDE, SIDE), 1 + 2**-10)  # in bf16, 1 + 2^-10 is 1
    with bf16_products():
        return bool((ones @ above == SIDE).all())


@contextmanager
def bf16_products() -> Iterator[None]:
    """Matrix products of f32 tensors on the CPU round their factors to bf16 and add up in f32.

    This is the arithmetic of autocast without its casts of weights, activations and gradients, which cost a small
    network as much as bf16 gains.
    """
    products = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = products.fp32_precision
    products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before
