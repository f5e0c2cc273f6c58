"""A network as a list of operations on flat arrays, which a page computes without PyTorch.

The network is traced for one example with `torch.export`. What depends on weights alone is computed here. Tensors are
contiguous in the page, so that reshaping is nothing to do, and whatever only moves elements (permuting, slicing,
flipping, padding) is a copy with strides.
"""

import base64
import math
import operator
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from gentool.errors import OptionError

aten = torch.ops.aten
SAME = {
    aten.view.default, aten._unsafe_view.default, aten.reshape.default, aten.alias.default, aten.clone.default,
    aten.unsqueeze.default, aten.squeeze.dims, aten.squeeze.dim, aten.detach.default, aten.dropout.default,
    aten._to_copy.default,
}  # fmt: skip
"""What leaves the elements as they are."""
MOVES = {
    aten.permute.default, aten.transpose.int, aten.slice.Tensor, aten.flip.default, aten.expand.default,
    aten.select.int, aten.upsample_nearest2d.vec, aten.upsample_nearest2d.default, aten.index_select.default,
    aten.repeat.default,
}  # fmt: skip
"""What only moves elements."""
UNARY = {
    aten.relu.default: "relu", aten.tanh.default: "tanh", aten.sigmoid.default: "sigmoid", aten.exp.default: "exp",
    aten.neg.default: "neg", aten.sqrt.default: "sqrt", aten.gelu.default: "gelu", aten.silu.default: "silu",
    aten.leaky_relu.default: "leaky_relu", aten.elu.default: "elu", aten.softplus.default: "softplus",
}  # fmt: skip
BINARY = {aten.add.Tensor: "add", aten.sub.Tensor: "sub", aten.mul.Tensor: "mul", aten.div.Tensor: "div"}
DEFAULT_SLOPES = {"leaky_relu": 0.01, "elu": 1.0}


@dataclass
class Graph:
    """Operations that compute `output` from the inputs.

    `weights` are float16 numbers, one after the other; a `{"at": n, "size": k}` in an operation points at some of them.
    """

    inputs: list[int]
    output: int = 0
    sizes: dict[int, int] = field(default_factory=dict)
    operations: list[dict[str, Any]] = field(default_factory=list)
    weights: list[NDArray[np.float16]] = field(default_factory=list)
    known: dict[bytes, dict[str, int]] = field(default_factory=dict)
    used: int = 0

    def constant(self, values: Tensor) -> dict[str, int]:
        """Keep a tensor among the weights, once: an LSTM uses its own at every step."""
        flat = values.detach().float().flatten().numpy().astype("<f2")
        place = self.known.setdefault(flat.tobytes(), {"at": self.used, "size": len(flat)})
        if place["at"] == self.used:
            self.weights.append(flat)
            self.used += len(flat)
        return place

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values; the weights as base64 of little-endian float16."""
        flat = np.concatenate([np.zeros(0, "<f2"), *self.weights])
        return {
            "inputs": self.inputs,
            "output": self.output,
            "sizes": [self.sizes[number] for number in sorted(self.sizes)],
            "numbers": sorted(self.sizes),
            "operations": self.operations,
            "weights": base64.b64encode(flat.tobytes()).decode(),
        }


def graph_of(function: Callable[..., Tensor], owner: nn.Module, examples: Sequence[Tensor]) -> Graph:
    """The operations of `function`, which uses the network `owner`, for inputs of the shapes of `examples`.

    Raises OptionError for an operation that the page does not have.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The tensor attributes .* were assigned during export")  # by LSTMs
        exported = torch.export.export(_Wrapped(function, owner), tuple(examples)).run_decompositions()
    return _Translation(exported).graph


def arguments(node: fx.Node) -> tuple[Any, ...]:
    """The arguments of a node."""
    return node.args


class _Wrapped(nn.Module):
    def __init__(self, function: Callable[..., Tensor], owner: nn.Module) -> None:
        super().__init__()
        self.owner, self.function = owner, function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


class _Translation:
    """From the nodes of an exported program to operations."""

    def __init__(self, exported: torch.export.ExportedProgram) -> None:
        self.constants: dict[fx.Node, Any] = {}
        self.numbers: dict[fx.Node, int] = {}
        self.parts: dict[fx.Node, list[Tensor]] = {}
        signature = exported.graph_signature
        named = {**dict(exported.named_parameters()), **dict(exported.named_buffers()), **exported.constants}
        sources = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        sources |= signature.inputs_to_lifted_tensor_constants
        self.graph = Graph([])
        for node in exported.graph.nodes:
            if node.op == "placeholder":
                if node.name in sources:
                    self.constants[node] = named[sources[node.name]].detach().cpu()
                else:
                    self.graph.inputs.append(self.new(node))
            elif node.op == "call_function":
                self.call(node)
            elif node.op == "output":
                (result,) = node.args[0]
                self.graph.output = self.numbers[result]

    def new(self, node: fx.Node) -> int:
        """A number for the value of a node."""
        number = len(self.graph.sizes)
        self.numbers[node] = number
        self.graph.sizes[number] = math.prod(self.shape(node))
        return number

    @staticmethod
    def shape(node: fx.Node) -> tuple[int, ...]:
        return tuple(node.meta["val"].shape)

    def emit(self, node: fx.Node, kind: str, inputs: Sequence[int], **settings: Any) -> None:
        self.graph.operations.append({"kind": kind, "in": list(inputs), "out": self.new(node), **settings})

    def call(self, node: fx.Node) -> None:
        target: Any = node.target
        args: Any = node.args
        tensors = node.all_input_nodes
        if target is aten._assert_tensor_metadata.default:
            return
        if all(arg in self.constants for arg in tensors):
            self.constants[node] = self.evaluated(node, self.constants)
        elif target in SAME:
            self.numbers[node] = self.numbers[args[0]]
        elif target is operator.getitem:
            self.item(node)
        elif target in MOVES:
            self.move(node, self.evaluated(node, self.positions(args[0])), args[0])
        elif target is aten.split_with_sizes.default or target is aten.split.Tensor:
            self.parts[node] = self.evaluated(node, self.positions(args[0]))
        elif target is aten.constant_pad_nd.default:
            # Positions count from 1, so that 0 is what is padded with.
            positions = self.evaluated(node, {args[0]: self.positions(args[0])[args[0]] + 1}, padding=0)
            self.move(node, positions - 1, args[0], float(args[2]) if len(args) > 2 else 0.0)
        elif target in UNARY:
            name = UNARY[target]
            slope = args[1] if len(args) > 1 and name in DEFAULT_SLOPES else DEFAULT_SLOPES.get(name, 0)
            self.emit(node, "unary", [self.numbers[args[0]]], name=name, slope=slope)
        elif target in BINARY:
            self.binary(node, BINARY[target])
        elif target is aten.addmm.default:
            self.linear(node, args[1], args[2], args[0])
        elif target is aten.mm.default or (target is aten.bmm.default and self.repeated(args[1])):
            self.linear(node, args[0], args[1], None)
        elif target is aten.convolution.default:
            self.convolution(node)
        elif target is aten._native_batch_norm_legit_no_training.default:
            self.batch_norm(node)
        elif target is aten._softmax.default or target is aten.sum.dim_IntList:
            self.along(node, "softmax" if target is aten._softmax.default else "sum")
        elif target is aten.cat.default:
            self.concatenate(node)
        else:
            raise OptionError(
                f"--out: the network uses {target}, which the page cannot compute; without --out, gentool computes it"
            )

    def evaluated(self, node: fx.Node, values: dict[Any, Any], padding: int | None = None) -> Any:
        """The result of a node for other values of its tensors."""
        given: Any = fx.node.map_arg((node.args, node.kwargs), lambda arg: values.get(arg, self.constants.get(arg)))
        args, kwargs = given
        target: Any = node.target
        return target(*(args if padding is None else (*args[:2], padding)), **kwargs)

    def positions(self, node: fx.Node) -> dict[Any, Tensor]:
        """The place of each element, in place of its value."""
        return {node: torch.arange(math.prod(self.shape(node))).view(self.shape(node))}

    def item(self, node: fx.Node) -> None:
        source, number = arguments(node)
        if source in self.parts:
            self.move(node, self.parts[source][number], arguments(source)[0])
        else:  # of a batch norm, whose first result is meant
            self.numbers[node] = self.numbers[source]

    def move(self, node: fx.Node, positions: Tensor, source: fx.Node, padding: float = 0.0) -> None:
        """Copy elements from `positions`, of which -1 is padded."""
        strided = _strides(positions)
        inputs = [self.numbers[source]]
        if strided is not None:
            shape, strides, offset = strided
            self.emit(node, "strided", inputs, shape=shape, strides=strides, offset=offset)
        else:
            table = base64.b64encode(positions.flatten().numpy().astype("<i4").tobytes()).decode()
            self.emit(node, "gather", inputs, table=table, padding=padding)

    def binary(self, node: fx.Node, name: str) -> None:
        first, second = arguments(node)[:2]
        scale: Any = node.kwargs.get("alpha", 1)
        shape = self.shape(node)
        operands = []
        for operand in (first, second):
            if isinstance(operand, fx.Node) and operand in self.numbers:
                value: Any = self.numbers[operand]
                if self.shape(operand) != shape:
                    moved = self.positions(operand)[operand].expand(shape)
                    value = self.expanded(value, moved)
                operands.append({"value": value})
            elif isinstance(operand, fx.Node):
                constant = self.constants[operand]
                whole = constant if constant.numel() == 1 else constant.expand(shape)
                operands.append({"weights": self.graph.constant(whole)})
            else:
                operands.append({"number": float(operand)})
        if scale != 1:
            raise OptionError(f"--out: the network adds {scale} times a tensor, which the page cannot do; omit --out")
        self.emit(node, "binary", [], name=name, operands=operands)

    def expanded(self, number: int, positions: Tensor) -> int:
        """A value repeated to a larger shape."""
        strided = _strides(positions)
        assert strided is not None
        shape, strides, offset = strided
        out = len(self.graph.sizes)
        self.graph.sizes[out] = positions.numel()
        self.graph.operations.append(
            {"kind": "strided", "in": [number], "out": out, "shape": shape, "strides": strides, "offset": offset}
        )
        return out

    def repeated(self, node: fx.Node) -> bool:
        """Whether a batch of matrices are weights, and all the same."""
        matrices = self.constants.get(node)
        return matrices is not None and bool(torch.equal(matrices, matrices[:1].expand_as(matrices)))

    def linear(self, node: fx.Node, x: fx.Node, weight: fx.Node, bias: fx.Node | None) -> None:
        matrix = self.constants[weight]
        matrix = matrix[0] if matrix.dim() == 3 else matrix
        rows, columns = matrix.shape
        settings: dict[str, Any] = {"weight": self.graph.constant(matrix), "from": rows, "to": columns}
        if bias is not None:
            settings["bias"] = self.graph.constant(self.constants[bias].expand(columns))
        self.emit(node, "linear", [self.numbers[x]], **settings)

    def convolution(self, node: fx.Node) -> None:
        x, weight, bias, stride, padding, dilation, transposed, _, groups = arguments(node)
        if groups != 1:
            raise OptionError("--out: the network has grouped convolutions, which the page cannot compute; omit --out")
        kernel = self.constants[weight]
        if transposed:  # (in, out, h, w) as (out, in, h, w)
            kernel = kernel.transpose(0, 1)
        settings: dict[str, Any] = {
            "weight": self.graph.constant(kernel.contiguous()), "kernel": list(kernel.shape),
            "size": list(self.shape(x)[1:]), "to": list(self.shape(node)[1:]), "stride": list(stride),
            "padding": list(padding), "dilation": list(dilation), "transposed": bool(transposed),
        }  # fmt: skip
        if bias is not None:
            settings["bias"] = self.graph.constant(self.constants[bias])
        self.emit(node, "convolution", [self.numbers[x]], **settings)

    def batch_norm(self, node: fx.Node) -> None:
        x, weight, bias, mean, variance, _, epsilon = arguments(node)
        scale = (self.constants[variance] + epsilon).rsqrt()
        scale = scale if weight is None else scale * self.constants[weight]
        shift = -self.constants[mean] * scale
        shift = shift if bias is None else shift + self.constants[bias]
        shape = self.shape(x)
        number = len(self.graph.sizes)
        self.numbers[node] = number
        self.graph.sizes[number] = math.prod(shape)
        settings = {"scale": self.graph.constant(scale), "shift": self.graph.constant(shift)}
        each = math.prod(shape[2:])
        self.graph.operations.append(
            {"kind": "affine", "in": [self.numbers[x]], "out": number, "each": each, **settings}
        )

    def along(self, node: fx.Node, kind: str) -> None:
        """The softmax or the sum along one dimension, of which there are `count` elements, `inner` apart."""
        x, dims = arguments(node)[:2]
        if not isinstance(dims, int):
            if len(dims) > 1:
                raise OptionError(
                    "--out: the network sums over several dimensions at once, which the page cannot do; omit --out"
                )
            (dims,) = dims
        shape = self.shape(x)
        dim = dims % len(shape)
        self.emit(node, kind, [self.numbers[x]], count=shape[dim], inner=math.prod(shape[dim + 1 :]))

    def concatenate(self, node: fx.Node) -> None:
        """Tensors one after the other along a dimension."""
        parts, dim = (*arguments(node), 0)[:2]
        shape = self.shape(node)
        dim %= len(shape)
        inputs, counts = [], []
        for part in parts:
            if part in self.constants:
                raise OptionError("--out: the network joins constants to values, which the page cannot do; omit --out")
            inputs.append(self.numbers[part])
            counts.append(math.prod(self.shape(part)[dim:]))
        self.emit(node, "concatenate", inputs, counts=counts, times=math.prod(shape[:dim]))


def _strides(positions: Tensor) -> tuple[list[int], list[int], int] | None:
    """Shape, strides and offset with which elements are read; None where positions are not evenly spaced."""
    values = positions.numpy()
    if values.size == 0:
        return None
    offset = int(values.flat[0])
    strides = []
    for dim, size in enumerate(values.shape):
        second = [0] * values.ndim
        second[dim] = min(1, size - 1)
        strides.append(int(values[tuple(second)]) - offset)
    expected = np.full(values.shape, offset, np.int64)
    for dim, stride in enumerate(strides):
        steps = np.arange(values.shape[dim]) * stride
        expected += steps.reshape([-1 if other == dim else 1 for other in range(values.ndim)])
    return (list(values.shape), strides, offset) if (expected == values).all() else None
