"""Which models of the table can do what, found out from their networks."""

import functools

from gentool.engine.memory import without_memory
from gentool.models import MODELS, model_module
from gentool.models.contract import Encodes, Generative, HasLikelihood, Inverts
from gentool.progress import listed

SHAPE, CLASSES = (1, 16, 16), 2
"""The networks that are asked are built for images of this shape, without memory."""

ABILITIES = ("encodes", "has_likelihood", "is_conditional", "inverts")


def abilities(network: object) -> frozenset[str]:
    """What a network can do, as names of `ABILITIES`."""
    conditional = isinstance(network, Generative) and network.classes > 0
    has = {
        "encodes": isinstance(network, Encodes),
        "has_likelihood": isinstance(network, HasLikelihood),
        "is_conditional": conditional,
        "inverts": isinstance(network, Inverts),
    }
    return frozenset(name for name, there in has.items() if there)


@functools.cache
def abilities_of(model: str) -> frozenset[str]:
    """What a model of the table can do with its default options, on a labelled data set."""
    module = model_module(model)
    with without_memory():
        return abilities(module.build(module.Options(), SHAPE, CLASSES))


def models_that(ability: str) -> str:
    """The models with an ability, in words: `cae, vae and lstm-ae`."""
    names = [name for name in MODELS if ability in abilities_of(name)]
    return listed(names)
