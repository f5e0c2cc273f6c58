"""Exponential moving average of a network's weights (Polyak & Juditsky 1992, doi:10.1137/0330046).

For GANs: Yazici et al. 2018, arXiv:1806.04498.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class EMA(Generic[Network]):
    """`network` holds the average: after each update, average = decay * average + (1 - decay) * weights.

    The decay is warmed up as min(decay, (1 + n) / (10 + n)) after n updates, so that the initialisation is forgotten
    in short runs. Buffers (batch norm's statistics) are copied. With decay 0 the average is the network itself.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.source = network
        self.decay = decay
        self.network: Network = copy.deepcopy(network).requires_grad_(False) if decay else network
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take one more step of the weights into the average."""
        if not self.decay:
            return
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        torch._foreach_lerp_(list(self.network.parameters()), list(self.source.parameters()), 1 - decay)
        for average, value in zip(self.network.buffers(), self.source.buffers(), strict=True):
            average.copy_(value)

    def state_dict(self) -> dict[str, object]:
        """The average and the count; with decay 0 the network saves itself."""
        return {"updates": self.updates, "network": self.network.state_dict() if self.decay else {}}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from `state_dict`."""
        self.updates = int(state["updates"])  # type: ignore[call-overload]
        if self.decay:
            self.network.load_state_dict(state["network"])  # type: ignore[arg-type]


@torch.no_grad()
def recompute_batch_norm(network: nn.Module, forward: Callable[[Any], object], inputs: Iterable[Any]) -> None:
    """Set batch norm's running statistics to the mean over the given batches.

    Averaged weights need statistics of their own: those of the source network do not fit them.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    training = network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches that follow
    network.train()
    for batch in inputs:
        forward(batch)
    network.train(training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
