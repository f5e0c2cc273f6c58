"""Where a training starts that does not start from random weights: those of another run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, own: Path | None = None) -> "Initial":
        """From a run's folder or a checkpoint, not from those of the run that starts, whose folder is `own`.

        Raises OptionError for that, of which nothing would be left after a failure, and CheckpointError where there is
        no model that is whole.
        """
        if own is not None and own.resolve() in (path.resolve(), path.resolve().parent):
            raise OptionError(f"--init {path}: is in the folder of this run, which starts over; give another --out")
        try:
            return cls._read(path)
        except CheckpointError as error:
            raise CheckpointError(f"--init: {error}") from error

    @classmethod
    def _read(cls, path: Path) -> "Initial":
        file = model_path(path)
        header, content = checkpoint.load(file, "model")
        weights = content["weights"]
        if not finite(weights):
            raise CheckpointError(f"{file}: holds weights that are NaN or infinite; start from another run")
        digest = checkpoint.digest(weights)[:DIGITS]
        step = content.get("step")
        origin = f"{header.model} on {header.data}{'' if step is None else f', update {step:,}'}, weights {digest}"
        networks: dict[str, Weights] = {}
        notes: list[str] = []
        if path.is_dir():
            parts, notes = _parts_in(path, header.model, step)
            networks = {name: part for name, part in parts.items() if _is_weights(part) and finite(part)}
        return cls(path, weights, networks, origin, tuple(notes))

    def give_to(self, parts: Mapping[str, Any]) -> list[str]:
        """Copy the weights into the networks of a training, as far as their names and shapes are the same.

        The first network gets those of model.pt, the others those of their name in the saved state. Averages begin
        again at these weights. Returns what is to be said: which weights are not from the run. Raises OptionError where
        none fits.
        """
        texts = [f"starting from {self.path}: {self.origin}", *self.notes]
        networks = {name: part for name, part in parts.items() if isinstance(part, nn.Module)}
        for number, (name, network) in enumerate(networks.items()):
            given = self.networks.get(name) if number else self.model
            if given is None:
                texts.append(f"no {name} found there, so it starts at random; a run folder has one in its saved states")
                continue
            own = network.state_dict()
            fitting = {name: tensor for name, tensor in given.items() if _fits(tensor, own.get(name))}
            if number == 0 and not any(tensor.ndim > 1 for tensor in fitting.values()):
                raise OptionError(f"--init {self.path}: none of its weights fit; it holds {self.origin}")
            network.load_state_dict({**own, **fitting})
            new = [name for name in own if name not in fitting]
            if new:
                total = sum(tensor.numel() for tensor in own.values())
                share = sum(own[name].numel() for name in new) / total
                more = ", …" if len(new) > LISTED else ""
                texts.append(
                    f"{share:.0%} of the weights of {name} are missing there or have another shape, and start at "
                    f"random: {len(new)} of {len(own)} tensors, {', '.join(new[:LISTED])}{more}"
                )
        for part in parts.values():
            if isinstance(part, EMA):
                part.restart()
        return texts


def _parts_in(folder: Path, model: str, step: int | None) -> tuple[dict[str, Any], list[str]]:
    """The parts of the saved state that belongs to model.pt, of update `step`, else of the newest one that is whole;
    and what is to be said of states that are damaged."""
    newest: dict[str, Any] = {}
    notes = []
    for path in states_in(folder)[::-1]:
        try:
            header, content = checkpoint.load(path, "state")
        except CheckpointError as error:
            notes.append(f"{error}; trying the one before it")
            continue
        if header.model == model and content["step"] == step:
            return content["parts"], notes
        if header.model == model:
            newest = newest or content["parts"]
    return newest, notes


def _is_weights(part: Any) -> bool:
    """Whether a part of a state is that of a network: tensors by name."""
    try:
        check(part, Each(Tensor))
    except ValueError:
        return False
    return bool(part)


def _fits(given: Tensor, own: Tensor | None) -> bool:
    return own is not None and given.shape == own.shape
