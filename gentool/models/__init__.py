"""The models: one file each, and one line in the table below. Start reading in `flow.py`.

A model's file has

- `Options`: its flags,
- `build(options, shape, classes)`: the network whose weights model.pt holds; `contract.py` says what it offers,
- `train(options, data, run)`: its training loop, top to bottom,
- and, where it has options for sampling that are no training options, `SamplingOptions`.

`variational.py` (vae, cvae), `adversarial.py` (gan, cgan), `reconstruction.py` (cae, lstm-ae), `backbone.py`,
`augmentation.py` and `sample_pictures.py` hold what several models share.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from gentool.errors import CheckpointError, OptionError
from gentool.options import Validated, suggestion

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from gentool.engine.checkpoint import Header
    from gentool.engine.options import TrainOptions

MODELS = {
    "cae": "Convolutional autoencoder: compress images and rebuild them.",
    "vae": "Variational autoencoder: a smooth latent space to sample from.",
    "cvae": "Conditional VAE: the class label chooses what is generated, the code how it looks.",
    "lstm-ae": "LSTM autoencoder: read an image row by row, compress it, write it again.",
    "gan": "DCGAN: a generator against a discriminator.",
    "cgan": "Conditional GAN: the class label chooses what is generated.",
    "flow": "Flow matching: noise becomes an image along an ODE that a U-Net has learnt.",
}


def model_module(name: str) -> ModuleType:
    """The module of a model in the table."""
    return importlib.import_module(f"gentool.models.{name.replace('-', '_')}")


def options_class(name: str) -> "type[TrainOptions]":
    """The training options of a model in the table."""
    options: type[TrainOptions] = model_module(name).Options
    return options


def sampling_class(name: str) -> type[Validated] | None:
    """The sampling options of a model in the table, None for a model without any."""
    return vars(model_module(name)).get("SamplingOptions")


def check_name(name: str) -> str:
    """The name, where the table has it. Raises OptionError with a suggestion otherwise."""
    if name not in MODELS:
        raise OptionError(f"no model {name!r}; there are {', '.join(MODELS)}.{suggestion(name, MODELS)}")
    return name


def fresh_network(header: "Header", path: "Path | None" = None) -> "nn.Module":
    """A freshly initialised network of a checkpoint's options. Raises CheckpointError for another tool's options."""
    if header.model not in MODELS:
        where = f"{path}: " if path else ""
        raise CheckpointError(f"{where}holds a {header.model}, which is not one of {', '.join(MODELS)}")
    module = model_module(header.model)
    try:
        options = module.Options.from_json(header.options)
    except OptionError as error:
        raise CheckpointError(f"{path}: its options are not those of this version of gentool: {error}") from error
    network: nn.Module = module.build(options, header.shape, len(header.classes))
    return network
