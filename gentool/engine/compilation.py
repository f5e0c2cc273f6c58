"""--compile: step functions compiled by torch.compile, on CUDA in its graph mode.

A step is one function. torch.compile makes graphs of its forward pass, of its backward pass and of the optimizer.
"""

import inspect
import logging
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from gentool.errors import OptionError

Step = TypeVar("Step", bound=Callable[..., Any])

METHODS = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods of an optimizer that PyTorch keeps out of compiled functions."""
KEPT_OUT = "__dynamo_disable"
"""Where PyTorch remembers such a method, once its compiler has wrapped it."""


def spare_compiler(*, spare: bool) -> None:
    """Let optimizers do without PyTorch's compiler, or undo that.

    Each of METHODS imports the compiler when it is first called, for 2 s, only to be kept out of what is compiled.
    Where nothing is, the method itself can stand for its wrapped form.
    """
    for name in METHODS:
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if spare and "torch._dynamo" not in sys.modules and method is not None:
            setattr(method, KEPT_OUT, method)
        elif not spare and getattr(method, KEPT_OUT, None) is method is not None:
            delattr(method, KEPT_OUT)


def take_step(optimizer: torch.optim.Optimizer) -> None:
    """The step of an optimizer, to be compiled."""
    optimizer.step()


@torch.no_grad()
def take_step_uncompiled(optimizer: torch.optim.Optimizer) -> None:
    """The step of an optimizer without what PyTorch wraps it in: it imports the compiler, as `spare_compiler` says."""
    inspect.unwrap(type(optimizer).step)(optimizer)


def compile_step(step: Step, device: torch.device) -> Step:
    """The step, compiled when it is called first.

    On CUDA the kernels of a step are recorded as CUDA graphs and replayed, so that a small network does not wait for
    its kernels to be launched one by one.
    """
    # PyTorch logs that it ignores the profiler in its own Adam, which is nothing to a user.
    logging.getLogger("torch._dynamo.variables.ctx_manager").addFilter(_is_news)
    mode = "reduce-overhead" if device.type == "cuda" else "default"
    compiled: Step = torch.compile(step, mode=mode, dynamic=False)  # type: ignore[assignment]
    return compiled


def _is_news(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Profiler record function")


def check_compiler(device: torch.device) -> None:
    """Compile a function of one operation. Raises OptionError with the reason where that fails."""

    @torch.compile
    def probe(x: torch.Tensor) -> torch.Tensor:
        return x.sin() + 1

    needed = "Triton" if device.type == "cuda" else "a C++ compiler, such as g++ or clang++"
    try:
        probe(torch.zeros(4, device=device))
    except Exception as error:  # torch.compile wraps whatever its back ends raise
        lines = [line for line in str(error).splitlines() if line.strip() and not line.endswith("raised:")]
        reason = lines[0].strip() if lines else type(error).__name__
        raise OptionError(f"--compile: torch.compile does not work here; it needs {needed} ({reason})") from error


def begin_step(device: torch.device) -> None:
    """Tell CUDA graphs that a new update begins: what the last one computed may be overwritten."""
    if device.type == "cuda":
        torch.compiler.cudagraph_mark_step_begin()
