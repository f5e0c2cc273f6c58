"""The models: one file each, and one line in this table. A file has

- `Options`: its flags,
- `build(options, shape, classes)`: the network whose weights model.pt holds; it has `latent_dim`, `decode(z)` (or
  `decode(z, labels)`) to pixels in [0, 1], and, where it encodes, `encode(x)`,
- `train(options, data, run)`: the loop.
"""

import importlib
from types import ModuleType

MODELS = {
    "cae": "Convolutional autoencoder: compress and rebuild.",
    "vae": "Variational autoencoder: a smooth latent space to sample from.",
    "lstm-ae": "LSTM autoencoder: read an image row by row, compress, write it again.",
    "gan": "DCGAN: a generator against a discriminator.",
    "cgan": "Conditional GAN: the class label chooses what is generated.",
}


def model_module(name: str) -> ModuleType:
    """The module of a model in the table."""
    return importlib.import_module(f"gentool.models.{name.replace('-', '_')}")
