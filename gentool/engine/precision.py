"""The precision of a training: autocast, bf16 inside matrix products, scaled gradients in fp16."""

import functools
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from gentool.engine.compilation import compile_step, take_step, take_step_uncompiled
from gentool.engine.optim import clip_gradients
from gentool.engine.world import World
from gentool.errors import OptionError

F32, BF16, FP16 = "float32", "bfloat16", "float16"
PRODUCTS = "bfloat16 in products"
PRECISIONS = {F32: "f32", BF16: "bf16", FP16: "fp16", PRODUCTS: "bf16 in products"}
"""The precisions of a training, and what they are called in messages. The last one has no autocast: see
`bf16_products`."""
MIN_GAIN, TRIALS, SIDE = 1.5, 25, 512
"""Where no update is timed, bf16 is taken on a CPU whose bf16 matrix product is this many times as fast as that of f32,
in the best of this many trials, with matrices of this many rows and columns."""
EMULATED, FIRST_TRIALS, FIRST_SIDE = 0.1, 5, 128
"""A bf16 product below this gain in the first trials, which are small, is emulated: it takes 30 to 60 times as long as
f32."""


class Precision:
    """The precision of a training on a device, and the gradient scaler of fp16.

    Attributes:
        kinds: The precisions that may be fastest, of `PRECISIONS`; several of them on a CPU only, until one is taken.
        kind: The one in use.
    """

    def __init__(self, kinds: tuple[str, ...], device: torch.device, world: World, *, compiled: bool = False) -> None:
        self.device, self.world = device, world
        self.kinds = kinds
        self.use(kinds[0])
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.scaled = self.scaler.is_enabled()  # a compiled step does not look into the scaler
        self.step = compile_step(take_step, device) if compiled else take_step_uncompiled

    def use(self, kind: str) -> None:
        """Compute in one of the precisions from now on."""
        self.kind, self.products = kind, kind == PRODUCTS
        self.dtype: torch.dtype = torch.bfloat16 if self.products else getattr(torch, kind)

    def take(self, kind: str) -> None:
        """Decide for one of the precisions."""
        self.kinds = (kind,)
        self.use(kind)

    @property
    def reduced(self) -> bool:
        """Whether anything is computed in less than f32."""
        return self.dtype is not torch.float32

    def __str__(self) -> str:
        return PRECISIONS[self.kind]

    def prepare_for(self, network: nn.Module) -> None:
        """Use autocast where a network that is trained has more than matrix products."""
        if PRODUCTS in self.kinds and not has_only_products(network):
            self.kinds = tuple(kind for kind in self.kinds if kind != PRODUCTS) or (BF16,)
            self.use(self.kinds[0])

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
            self.step(optimizer)  # compiled also where the rest of an update is not


def possible_precisions(amp: str, device: torch.device, *, compiled: bool = False) -> tuple[str, ...]:
    """The precisions that --amp allows.

    `auto` is bf16 on GPUs that support it, else fp16. On CPUs with fast bf16 products it is what is fastest, which the
    training itself must show; a compiled one takes bf16 there. Raises OptionError for fp16 on mps.
    """
    products = () if compiled or not bf16_products_work(device) else (PRODUCTS,)
    if amp == "auto":
        timed = device.type == "cpu" and not compiled and bf16_gain() > 1
        return (F32, BF16, *products) if timed else (untimed_precision(device),)
    if amp == "fp16" and device.type == "mps":
        raise OptionError("--amp fp16: not supported on mps, where gradients cannot be scaled; use bf16 or off")
    return {"off": (F32,), "bf16": products or (BF16,), "fp16": (FP16,)}[amp]


def untimed_precision(device: torch.device) -> str:
    """The precision that `auto` means where no update is timed."""
    if device.type == "cuda":
        return BF16 if torch.cuda.is_bf16_supported() else FP16
    return BF16 if device.type == "cpu" and bf16_gain() >= MIN_GAIN else F32


@functools.cache
def bf16_gain() -> float:
    """How many times as fast as in f32 a matrix product in bf16 is on the CPU.

    A CPU without bf16 instructions emulates them slowly, which a few small trials show.
    """
    first = _gain(FIRST_SIDE, FIRST_TRIALS)
    return first if first < EMULATED else _gain(SIDE, TRIALS)


def _gain(side: int, trials: int) -> float:
    """The gain of bf16 for square matrices. The two take turns and the fastest of the trials counts, so that a busy
    machine gives the same answer as an idle one."""
    factors = [torch.ones(side, side, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    seconds = [math.inf, math.inf]
    for _ in range(trials):
        for kind, a in enumerate(factors):
            start = time.perf_counter()
            a @ a
            seconds[kind] = min(seconds[kind], time.perf_counter() - start)
    return seconds[0] / seconds[1]


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
