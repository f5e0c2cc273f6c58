"""Adam: parameter groups, the learning rate of a step, and gradient clipping."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentool.reading import Each, check

FUSED_DEVICES = ("cpu", "cuda")
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam keeps of each weight."""
STATE = {"state": dict, "param_groups": [{"params": [int], "lr": Any}]}
KERNELS = ("fused", "foreach", "capturable")


def adam(
    network: nn.Module,
    lr: float,
    *,
    device: torch.device,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    lr_shares: Mapping[nn.Module, float] | None = None,
    compiled: bool = False,
) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2014, arXiv:1412.6980), with decoupled weight decay as AdamW (Loshchilov & Hutter 2017,
    arXiv:1711.05101), in one fused kernel where the device has one and the step is not compiled.

    Args:
        weight_decay: Applies to matrices and convolution kernels, not to biases and norm weights.
        lr_shares: Parts of the network that learn at this share of `lr` and do not decay.
        compiled: Be fit for torch.compile, which does not see into the fused kernel. The learning rate is then a
            tensor, so that the step is not compiled again when it changes.
    """
    groups: list[dict[str, Any]] = []
    for part, share in (lr_shares or {}).items():
        groups.append({"params": list(part.parameters()), "lr": lr * share})
    own = {id(weight) for group in groups for weight in group["params"]}
    rest = [weight for weight in network.parameters() if id(weight) not in own]
    vectors = [weight for weight in rest if weight.ndim < 2 and weight_decay]
    groups.append(
        {"params": [weight for weight in rest if weight.ndim > 1 or not weight_decay], "weight_decay": weight_decay}
    )
    if vectors:
        groups.append({"params": vectors})
    kernels = {"foreach": True, "capturable": True} if compiled else {"fused": device.type in FUSED_DEVICES}
    optimizer = torch.optim.AdamW(groups, lr, betas, weight_decay=0.0, **kernels)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
        if compiled:
            group["lr"] = torch.tensor(group["lr"], device=device)
    return optimizer


def load_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Continue from the optimizer's `state_dict`, which was read from a file.

    The optimizer keeps its own kernels, which --compile decides, and a learning rate in a tensor stays on its device:
    PyTorch would take over those of the file. Raises an exception of some kind for a state of another optimizer.
    """
    check(state, STATE)
    for moments in state["state"].values():
        check(moments, Each(Tensor))
        if moments.keys() != set(MOMENTS):
            raise ValueError("the state of the optimizer")
    own = [dict(group) for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, before in zip(optimizer.param_groups, own, strict=True):
        lr, rate = before["lr"], float(group["lr"])
        other = [
            name for name in before if name not in ("lr", *KERNELS) and type(before[name]) is not type(group[name])
        ]
        if other or not math.isfinite(rate):
            raise ValueError(f"{(other or ['lr'])[0]} of the optimizer")
        kernels = {name: before[name] for name in KERNELS}
        group.update(kernels, lr=lr.fill_(rate) if isinstance(lr, Tensor) else rate)
        for weight in group["params"]:
            moments = optimizer.state.get(weight, {})
            for name in MOMENTS if moments else ():
                value = moments[name]
                if value.dtype is not weight.dtype or value.shape != (() if name == "step" else weight.shape):
                    raise ValueError(f"{name} of the optimizer")


def set_lr(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set the learning rate of every group to this share of its peak."""
    for group in optimizer.param_groups:
        peak = group["initial_lr"]
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(peak * share)
        else:
            group["lr"] = peak * share


def clip_gradients(optimizer: torch.optim.Optimizer, max_norm: float) -> None:
    """Scale all gradients down together where their norm is above `max_norm` (Pascanu et al. 2012, arXiv:1211.5063)."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    norm = nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    # On the CPU a comparison saves a pass over the gradients; on a GPU it would wait for the device, and a compiled
    # step cannot branch on a value.
    if norm.device.type != "cpu" or torch.compiler.is_compiling() or norm > max_norm:
        nn.utils.clip_grads_with_norm_(weights, max_norm, norm)
