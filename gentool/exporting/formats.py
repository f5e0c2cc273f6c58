"""The formats of exported networks: each is written to bytes, and run from these bytes to be checked."""

import io
import json
import logging
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

import gentool
from gentool.engine.hub import CONFIG
from gentool.errors import OptionError
from gentool.exporting.parts import EXAMPLES, Part

OPSET = 18
"""The ONNX operator set, which onnxruntime has known since 1.14, in browsers as well."""
LARGEST_ONNX = 2_000_000_000
"""The most bytes of weights in one ONNX file, whose format ends at 2 GiB."""
FOLDING = 2**28
"""Constants of up to this many elements are computed when a network is written, not whenever it is run."""

Notes = Mapping[str, Any]
"""What a file says about itself."""
Run = Callable[[Mapping[str, Tensor]], Tensor]
"""A network that was read back: inputs by name -> its output."""


@dataclass(frozen=True)
class Format:
    """A format: the ending of its files, the packages that it needs, and how it is written and read."""

    suffix: str
    needs: tuple[str, ...]
    write: Callable[[Part, Notes], bytes]
    read: Callable[[bytes, Part], Run]


def to_onnx(part: Part, notes: Notes) -> bytes:
    """An ONNX model in one file, with the notes as its metadata. Raises OptionError for one that is too large."""
    import onnx
    import onnxscript.optimizer

    size = sum(weight.nbytes for weight in part.module.state_dict().values())
    if size > LARGEST_ONNX:
        raise OptionError(
            f"--format onnx: {size / 2**30:.1f} GiB of weights are too large for an ONNX file; choose another format"
        )
    program = torch.onnx.export(
        part.program, (), input_names=list(part.inputs), output_names=[part.output],
        opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    assert program is not None
    onnxscript.optimizer.optimize(program.model, input_size_limit=FOLDING, output_size_limit=FOLDING)
    model: Any = program.model_proto
    graph = model.graph
    for entry in (*graph.node, *graph.initializer):
        del entry.metadata_props[:]
        entry.doc_string = ""
    del graph.value_info[:], graph.input[:], graph.output[:], graph.metadata_props[:]
    for name, shape in part.inputs.items():
        kind = onnx.TensorProto.INT64 if name == "labels" else onnx.TensorProto.FLOAT
        graph.input.append(onnx.helper.make_tensor_value_info(name, kind, ["batch", *shape]))
    shape = part.output_shape
    graph.output.append(onnx.helper.make_tensor_value_info(part.output, onnx.TensorProto.FLOAT, ["batch", *shape]))
    graph.name, model.producer_name, model.producer_version = part.name, "gentool", gentool.__version__
    onnx.helper.set_model_props(model, {name: _text(value) for name, value in notes.items()})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def run_onnx(content: bytes, part: Part) -> Run:
    """An ONNX model in onnxruntime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        return torch.from_numpy(session.run([part.output], arrays)[0])

    return run


def to_torchscript(part: Part, notes: Notes) -> bytes:
    """A TorchScript archive. Its debugging information is left out: it has the folders of this machine."""
    with torch.no_grad():
        traced = torch.jit.trace(part.module, tuple(part.draw(EXAMPLES).values()), check_trace=False)
    file = io.BytesIO()
    torch.jit.save(traced, file, _extra_files={CONFIG: json.dumps(notes)})
    stripped = io.BytesIO()
    with zipfile.ZipFile(file) as before, zipfile.ZipFile(stripped, "w", zipfile.ZIP_STORED) as after:
        for member in before.infolist():
            if not member.filename.endswith(".debug_pkl"):
                after.writestr(zipfile.ZipInfo(member.filename), before.read(member))
    return stripped.getvalue()


def run_torchscript(content: bytes, part: Part) -> Run:
    """A TorchScript archive on the CPU."""
    loaded = torch.jit.load(io.BytesIO(content), map_location="cpu")
    return lambda inputs: loaded(*inputs.values())


def to_torch_export(part: Part, notes: Notes) -> bytes:
    """A program of `torch.export`."""
    file = io.BytesIO()
    torch.export.save(part.program, file, extra_files={CONFIG: json.dumps(notes)})
    return file.getvalue()


def run_torch_export(content: bytes, part: Part) -> Run:
    """A program of `torch.export` on the CPU."""
    loaded = torch.export.load(io.BytesIO(content)).module()
    return lambda inputs: loaded(*inputs.values())


FORMATS = {
    "onnx": Format(".onnx", ("onnx", "onnxruntime", "onnxscript"), to_onnx, run_onnx),
    "torchscript": Format(".torchscript", (), to_torchscript, run_torchscript),
    "torch.export": Format(".pt2", (), to_torch_export, run_torch_export),
}
SAFETENSORS = "safetensors"
"""The format that gentool reads back: the weights of the whole model, with config.json."""


def check_packages(formats: tuple[str, ...]) -> None:
    """Raises OptionError where a package of one of the formats is not installed."""
    for name in formats:
        needed = (SAFETENSORS,) if name == SAFETENSORS else FORMATS[name].needs
        missing = [package for package in needed if find_spec(package) is None]
        if missing:
            raise OptionError(f"--format {name}: its packages are not installed: pip install {' '.join(missing)}")


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings of the exporters, which are about their own future; errors are raised as ever."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
