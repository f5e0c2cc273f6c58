"""The process-wide settings of a training: signal handlers, random state, backend flags. They are restored at its
end."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch

from gentool.engine.randomness import isolated
from gentool.launcher import place
from gentool.signals import ALL

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h
KEPT_BYTES, GLIBC_DEFAULT_BYTES = 2**30, 128 * 2**10
CUBLAS_CONFIG = "CUBLAS_WORKSPACE_CONFIG"
ONE_AT_A_TIME = threading.RLock()


GOES_ON = "; the same command goes on from the last saved state"


class StopSignal:
    """`requested` turns true on the first Ctrl-C, SIGTERM, SIGHUP or SIGUSR1.

    A second Ctrl-C raises KeyboardInterrupt at once, but below torchrun, where one Ctrl-C arrives twice: from the
    terminal and from torchrun.
    """

    def __init__(self) -> None:
        self.patient = place().size > 1
        self.requested = False
        self.holding = self.interrupted = False

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.requested and number == signal.SIGINT and not self.patient:
            self.interrupted = True
            if not self.holding:
                raise KeyboardInterrupt(GOES_ON)
        self.requested = True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A block that belongs together: a second Ctrl-C waits for its end."""
        self.holding = True
        try:
            yield
        finally:
            self.holding = False
        if self.interrupted:
            raise KeyboardInterrupt(GOES_ON)


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignal]:
    """Turn Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 into a request to stop.

    Outside the main thread Python delivers no signals.
    """
    stop = StopSignal()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ALL:
            number = getattr(signal, name, None)  # Windows has neither of the last two
            # Below nohup, SIGHUP is ignored and stays so.
            if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                before[number] = signal.signal(number, stop.receive)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def training_context(device: torch.device, seed: int, *, deterministic: bool, reduced: bool) -> Iterator[StopSignal]:
    """Seed PyTorch, set the backend flags, and catch the signals to stop. Everything is restored when the block ends.

    PyTorch's generators and flags belong to the process, so trainings in several threads wait for one another.
    `reduced`: some of the computation is in less than f32, so TF32 matrix products lose nothing.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(ONE_AT_A_TIME)
        stack.enter_context(isolated(seed, device))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_default_dtype())
        stack.enter_context(_algorithms(deterministic))
        if device.type == "cpu":
            stack.enter_context(_keep_freed_memory())
        if device.type == "cuda":
            stack.enter_context(_cuda_flags(deterministic, reduced))
        yield stack.enter_context(stop_signals())


@contextlib.contextmanager
def _default_dtype() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def _algorithms(deterministic: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if before == (deterministic, False):  # setting it again would import PyTorch's compiler, for 2 s
        yield
        return
    torch.use_deterministic_algorithms(deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


@contextlib.contextmanager
def flush_denormals() -> Iterator[None]:
    """Take numbers below 1e-38 for 0 on the CPU, which computes with them slowly.

    Adam's moments of a weight that rarely gets a gradient, such as that of a border pixel, become so small after some
    hundred updates. PyTorch's threads do as the one that starts them, which is done in its first large computation.
    """
    before = bool(torch.tensor(1e-40) * 1 == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


@contextlib.contextmanager
def _cuda_flags(deterministic: bool, reduced: bool) -> Iterator[None]:
    benchmark, precision = torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()
    products = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    cpu_precision = products.fp32_precision  # `set_float32_matmul_precision` sets this one as well
    config = os.environ.get(CUBLAS_CONFIG)
    if deterministic:
        os.environ.setdefault(CUBLAS_CONFIG, ":4096:8")
    torch.backends.cudnn.benchmark = not deterministic
    torch.set_float32_matmul_precision("high" if reduced and not deterministic else "highest")
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = benchmark
        torch.set_float32_matmul_precision(precision)
        products.fp32_precision = cpu_precision
        if config is None:
            os.environ.pop(CUBLAS_CONFIG, None)


@contextlib.contextmanager
def _keep_freed_memory() -> Iterator[None]:
    """Let glibc keep large blocks, which it otherwise returns to the system and faults in again at every update.

    Measured on the GAN at 24x24, one thread: 1.055 times the images per second. Other C libraries have no mallopt. The
    thresholds return to glibc's defaults, which it no longer adapts by itself.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None

    def set_thresholds(size: int) -> None:
        for name in (MMAP_THRESHOLD, TRIM_THRESHOLD):
            if mallopt is not None:
                mallopt(name, size)

    set_thresholds(KEPT_BYTES)
    try:
        yield
    finally:
        set_thresholds(GLIBC_DEFAULT_BYTES)
