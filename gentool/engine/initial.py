"""Where a training starts that does not start from random weights: those of another run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gentool.engine import checkpoint
from gentool.engine.device import finite
from gentool.engine.ema import EMA
from gentool.engine.folder import model_path, states_in
from gentool.errors import CheckpointError, OptionError
from gentool.reading import Each, check

LISTED = 4
"""Weights that do not fit are named up to this number."""
DIGITS = 16
"""Of a digest of weights, as in other files."""

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Initial:
    """The weights of a run: those of model.pt, and those of all its networks by name where a saved state is there.

    `origin` says in words where they are from, for the checkpoint.
    """

    path: Path
    model: Weights
    networks: Mapping[str, Weights]
    origin: str

    @classmethod
    def read(cls, path: Path) -> "Initial":
        """From a run's folder or a checkpoint. Raises CheckpointError where there is none that is whole."""
        file = model_path(path)
        header, content = checkpoint.load(file, "model")
        weights = content["weights"]
        if not finite(weights):
            raise CheckpointError(f"{file}: holds weights that are NaN or infinite; start from another run")
        digest = checkpoint.digest(weights)[:DIGITS]
        at = "" if content.get("step") is None else f", update {content['step']:,}"
        origin = f"{header.model} on {header.data}{at}, weights {digest}"
        networks: dict[str, Weights] = {}
        for state in states_in(path)[-1:] if path.is_dir() else ():
            for name, part in checkpoint.load(state, "state")[1]["parts"].items():
                if _is_weights(part) and finite(part):
                    networks[name] = part
        return cls(path, weights, networks, origin)

    def give_to(self, parts: Mapping[str, Any]) -> list[str]:
        """Copy the weights into the networks of a training, as far as their names and shapes are the same.

        The first network gets those of model.pt, the others those of their name in the saved state. Averages begin
        again at these weights. Returns what is to be said: which weights are not from the run. Raises OptionError where
        none fits.
        """
        texts = [f"starting from {self.path}: {self.origin}"]
        networks = {name: part for name, part in parts.items() if isinstance(part, nn.Module)}
        for number, (name, network) in enumerate(networks.items()):
            given = self.networks.get(name) if number else self.model
            if given is None:
                texts.append(f"no {name} is there, so it starts anew; the folder of a run has one in its saved states")
                continue
            new = _copy(given, network)
            own = len(network.state_dict())
            if number == 0 and len(new) == own:
                raise OptionError(f"--init {self.path}: none of its weights fits; it is of {self.origin}")
            if new:
                more = ", …" if len(new) > LISTED else ""
                listed = f"{', '.join(new[:LISTED])}{more}"
                texts.append(f"{len(new)} of the {own} tensors of {name} do not fit, and start anew: {listed}")
        for part in parts.values():
            if isinstance(part, EMA):
                part.restart()
        return texts


def _is_weights(part: Any) -> bool:
    """Whether a part of a state is that of a network: tensors by name."""
    try:
        check(part, Each(Tensor))
    except ValueError:
        return False
    return bool(part)


@torch.no_grad()
def _copy(given: Weights, network: nn.Module) -> list[str]:
    """Copy what fits, and return the names of what does not."""
    own = network.state_dict()
    fitting = {name: tensor for name, tensor in given.items() if name in own and tensor.shape == own[name].shape}
    for name, tensor in fitting.items():
        own[name].copy_(tensor)
    return [name for name in own if name not in fitting]
