"""The parts of a training that change in it, by name: networks, averages of their weights, optimizers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentool.engine import optim
from gentool.engine.device import finite
from gentool.reading import Each, check


def weights_of(parts: Mapping[str, Any]) -> dict[str, int]:
    """The number of weights that are trained, by network."""
    networks = {name: part for name, part in parts.items() if isinstance(part, nn.Module)}
    counts = {
        name: sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
        for name, network in networks.items()
    }
    return {name: count for name, count in counts.items() if count}


def states_of(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The state of each part."""
    return {name: part.state_dict() for name, part in parts.items()}


def restore(parts: Mapping[str, Any], states: Mapping[str, Any]) -> None:
    """Give each part its state. Raises an exception of some kind for one that does not fit."""
    # Networks first: an average of decay 0 copies its network.
    for name, part in sorted(parts.items(), key=lambda item: not isinstance(item[1], nn.Module)):
        if isinstance(part, torch.optim.Optimizer):
            optim.load_state(part, states[name])
        else:
            if isinstance(part, nn.Module):
                check(states[name], Each(Tensor))
            part.load_state_dict(states[name])


def all_finite(parts: Mapping[str, Any]) -> bool:
    """Whether no weight, and no average of weights, is NaN or infinite."""
    return all(finite(part.state_dict()) for part in parts.values())


def bytes_of(optimizers: list[torch.optim.Optimizer]) -> int:
    """The size of all weights that are trained."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    return sum(weight.nbytes for group in groups for weight in group["params"])
