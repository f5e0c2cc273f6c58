"""A trained model from its checkpoint: what sample, reconstruct and every later command begin with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.device import choose_device
from gentool.engine.folder import MODEL
from gentool.errors import CheckpointError, OptionError
from gentool.models import MODELS, model_module
from gentool.options import suggestion


@dataclass(frozen=True)
class Trained:
    """`network` is what the model's `build` gives, in eval mode on `device`; `path` is the checkpoint's file."""

    network: Any
    header: Header
    path: Path
    device: torch.device


def load_trained(model: str | None, path: Path, device: str = "auto") -> Trained:
    """The model in a checkpoint, named as a file or as its run folder; whichever it holds when None is named.

    Raises OptionError for an unknown model, CheckpointError when the file is missing, damaged, or of another model.
    """
    if model is not None:
        check_model(model)
    if path.is_dir():
        path = path / MODEL
        if not path.is_file():
            raise CheckpointError(
                f"{path.parent}: has no {MODEL} (yet); is it a run folder whose first epoch has ended?"
            )
    header, content = checkpoint.load(path, "model")
    if model is not None and header.model != model:
        raise CheckpointError(f"{path}: holds a {header.model}, not a {model}; give `{header.model}` as the model")
    network = fresh_network(header)
    try:
        network.load_state_dict(content["weights"])
    except (RuntimeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: its weights do not fit its options; the file was made by hand or is damaged"
        ) from error
    place = choose_device(device)
    return Trained(network.to(place).eval(), header, path, place)


def fresh_network(header: Header) -> Any:
    """A freshly initialised network of the checkpoint's options."""
    module = model_module(check_model(header.model))
    try:
        options = module.Options.from_json(header.options)
    except OptionError as error:
        raise CheckpointError(f"the checkpoint's options are not this gentool's: {error}") from error
    return module.build(options, header.shape, len(header.classes))


def check_model(name: str) -> str:
    """The name, when the table has it. Raises OptionError with a suggestion otherwise."""
    if name not in MODELS:
        raise OptionError(f"no model {name!r}; there are {', '.join(MODELS)}.{suggestion(name, MODELS)}")
    return name
