"""The parts of a model that are exported, as networks of their own: the decoder, and the encoder of an autoencoder.

Whatever a model does to codes and pixels is inside: images are in [0, 1] on both sides.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gentool.engine.randomness import rng
from gentool.latent.model import Model
from gentool.models.contract import Encodes, Generative, HasSamplingOptions
from gentool.options import Validated

EXAMPLES = 2
"""Codes or images in the inputs that a network is recorded with."""


class Decoder(nn.Module):
    """Codes z (N, D), and the classes (N,) of a conditional model -> images (N, C, H, W) in [0, 1]."""

    def __init__(self, network: nn.Module, sampling: Validated | None) -> None:
        super().__init__()
        self.network, self.sampling = network, sampling

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.sampling is not None:
            return cast(HasSamplingOptions, self.network).decode(z, labels, self.sampling)
        return cast(Generative, self.network).decode(z, labels)


class Encoder(nn.Module):
    """Images (N, C, H, W) in [0, 1], and the classes (N,) of a conditional model -> codes z (N, D)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is None:
            return cast(Encodes, self.network).encode(images)
        return cast(Any, self.network).encode(images, labels)


@dataclass(frozen=True)
class Part:
    """A part of a model: its name, its network, its inputs by name, its output, and the shapes of one row of each.

    `labels` are whole numbers below `classes`; other inputs are float32. `model` computes what is expected.
    """

    name: str
    module: nn.Module
    model: Callable[..., Tensor]
    inputs: dict[str, tuple[int, ...]]
    output: str
    output_shape: tuple[int, ...]
    classes: int

    def draw(self, count: int) -> dict[str, Tensor]:
        """Random inputs: normal codes, classes in turn, uniform pixels."""
        generator = rng(0, "export", count)
        drawn: dict[str, Tensor] = {}
        for name, shape in self.inputs.items():
            if name == "labels":
                drawn[name] = torch.arange(count) % self.classes
            elif name == "z":
                drawn[name] = torch.randn(count, *shape, generator=generator)
            else:
                drawn[name] = torch.rand(count, *shape, generator=generator)
        return drawn

    @cached_property
    def program(self) -> ExportedProgram:
        """The network as PyTorch records it, for any number of rows."""
        arguments = tuple(self.draw(EXAMPLES).values())
        rows = Dim("batch")
        with torch.no_grad():
            program = torch.export.export(self.module, arguments, dynamic_shapes=tuple({0: rows} for _ in arguments))
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # which has the folders of this machine
        return program


def parts_of(model: Model) -> list[Part]:
    """The decoder of a model, and its encoder where it has one, on the CPU, each with the weights that it uses only."""
    on_cpu = Model(_copy(model), model.header, torch.device("cpu"), sampling=model.sampling)
    codes, pixels = {"z": (model.latent_dim,)}, {"images": model.shape}
    labels: dict[str, tuple[int, ...]] = {"labels": ()} if model.is_conditional else {}
    decoder = Decoder(_copy(model), model.sampling)
    parts = [Part("decoder", decoder, on_cpu.decode, codes | labels, "images", model.shape, len(model.classes))]
    if model.encodes:
        encoder = Encoder(_copy(model))
        parts.append(
            Part("encoder", encoder, on_cpu.encode, pixels | labels, "z", (model.latent_dim,), len(model.classes))
        )
    for part in parts:
        _drop_unused(part)
    return parts


def _copy(model: Model) -> nn.Module:
    return copy.deepcopy(model.network).cpu().eval()


def _drop_unused(part: Part) -> None:
    """Take the weights out of a network that its output does not depend on: those of the other part."""
    with torch.no_grad(), _Reads() as reads:
        part.module(*part.draw(EXAMPLES).values())
    for module in part.module.modules():
        for table in (module._parameters, module._buffers):
            for name, weight in table.items():
                if weight is not None and _place(weight) not in reads.places:
                    table[name] = None


class _Reads(TorchDispatchMode):
    """Notes the places in memory of all tensors that operations read."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.places: set[int] = set()

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.places |= {_place(value) for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)}
        return function(*args, **(kwargs or {}))


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
