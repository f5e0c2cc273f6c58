"""Exponential moving average of a network's weights (Polyak & Juditsky 1992, doi:10.1137/0330046).

For GANs: Yazici et al. 2018, arXiv:1806.04498.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from gentool.reading import Each, check

Network = TypeVar("Network", bound=nn.Module)


class EMA(Generic[Network]):
    """`average()` is a network in eval mode with averaged weights, apart from the network that is trained.

    After each update, average = decay * average + (1 - decay) * weights. The decay is warmed up as
    min(decay, (1 + n) / (10 + n)) after n updates, so that short runs forget the initialisation. Buffers, such as batch
    norm's statistics, are copied. With decay 0 the average is a copy of the weights at the last call of `average()`.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.source = network
        self.decay = decay
        self.network: Network = copy.deepcopy(network).requires_grad_(False).eval()
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Average the weights of one more update."""
        if not self.decay:
            return
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        torch._foreach_lerp_(list(self.network.parameters()), list(self.source.parameters()), 1 - decay)
        self._copy_buffers()

    @torch.no_grad()
    def average(self) -> Network:
        """The network with the averaged weights. Call it at the end of an epoch."""
        if not self.decay:
            for copied, weight in zip(self.network.parameters(), self.source.parameters(), strict=True):
                copied.copy_(weight)
            self._copy_buffers()
        return self.network

    @torch.no_grad()
    def restart(self) -> None:
        """Begin again at the weights that the trained network has now."""
        self.updates = 0
        self.network.load_state_dict(self.source.state_dict())

    def _copy_buffers(self) -> None:
        for average, value in zip(self.network.buffers(), self.source.buffers(), strict=True):
            average.copy_(value)

    def state_dict(self) -> dict[str, object]:
        """The average and the number of updates; with decay 0 there is nothing to keep."""
        return {"updates": self.updates, "network": self.network.state_dict() if self.decay else {}}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Continue from `state_dict`, once the trained network has its own state back."""
        check(state, {"updates": int, "network": Each(torch.Tensor)})
        self.updates = int(state["updates"])  # type: ignore[call-overload]
        if self.decay:
            self.network.load_state_dict(state["network"])  # type: ignore[arg-type]
        else:
            self.average()


@torch.no_grad()
def recompute_batch_norm(network: nn.Module, forward: Callable[[Any], object], inputs: Iterable[Any]) -> None:
    """Set the running statistics of batch norm of a network in eval mode to their mean over the given batches.

    Averaged weights need statistics of their own: those of the trained network do not fit them.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    for batch in inputs:
        forward(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
