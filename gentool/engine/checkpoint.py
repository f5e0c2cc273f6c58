"""Checkpoints that describe themselves: written whole, checked by digest, loaded without executing anything.

A checkpoint is one `torch.save` file: a dictionary of plain values and tensors with a format number, its kind (`model`
or `state`), the model, its options, the image shape, classes and data fingerprint, versions, and the SHA-256 of all of
it. It is read with `weights_only=True` only. `load` also reads the layout of the Hugging Face hub (`hub`).
"""

import contextlib
import dataclasses
import hashlib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch import nn

import gentool
from gentool.data.prepare import LARGEST
from gentool.engine import hub
from gentool.engine.data import TrainingData
from gentool.engine.device import finite
from gentool.engine.memory import without_memory
from gentool.errors import CheckpointError, GentoolError
from gentool.files import replacing
from gentool.options import Validated, suggestion
from gentool.reading import DEEPEST, LARGEST_INTEGER, Each, Maybe, Scalar, check

FORMAT = 1
Network = TypeVar("Network", bound=nn.Module)
HEADER = {
    "model": str, "options": Each(Scalar), "shape": [int], "classes": [str], "data": str,
    "fingerprint": str, "folder": Maybe(str),
}  # fmt: skip
WEIGHTS = {"weights": Each(torch.Tensor), "step": Maybe(int), "init": Maybe(str)}
"""`init` is where the training started, if not from random weights."""
LOSSES = {
    "sums": Each(float), "counts": Each(int), "recent": Maybe(Each(float)), "recent_counts": Maybe(Each(int)),
}  # fmt: skip
STATE = {
    "step": int, "seconds": float, "total_steps": int, "precision": str, "rows": int, "metrics": Maybe(str),
    "noted": Maybe(str), "init": Maybe(str), "model": Maybe(WEIGHTS),
    "best": Maybe(WEIGHTS | {"score": float}), "scaler": Each(Scalar), "losses": LOSSES, "parts": Each(Any),
}  # fmt: skip
CONTENTS: dict[str, Any] = {
    "model": WEIGHTS, "state": STATE, "classifier": WEIGHTS | {"accuracy": float},
    "self-supervised": WEIGHTS | {"auc": float},
}  # fmt: skip
"""The form of the content of each kind."""


@dataclass(frozen=True)
class Header:
    """The description in a checkpoint.

    `shape` is (C, H, W). Checkpoints are passed on, so they do not say where the images are: the cache notes that, by
    `fingerprint`. `folder` is from files of earlier versions, which did.
    """

    model: str
    options: dict[str, Any]
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    data: str
    fingerprint: str
    folder: str = ""

    @classmethod
    def of(cls, model: str, options: Validated | None, data: TrainingData) -> Self:
        """The header of a model that is trained on these data."""
        settings = {} if options is None else options.to_json()
        return cls(model, settings, data.shape, data.classes, data.name, data.fingerprint)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        fields = {**dataclasses.asdict(self), "shape": list(self.shape), "classes": list(self.classes)}
        return fields if self.folder else {name: value for name, value in fields.items() if name != "folder"}


def digest(value: Any) -> str:
    """SHA-256 of nested dictionaries, lists, numbers, texts and tensors, whatever device the tensors are on."""
    hasher = hashlib.sha256()
    _feed(hasher, value)
    return hasher.hexdigest()


def _feed(hasher: Any, value: Any) -> None:
    if isinstance(value, dict):
        hasher.update(b"{%d" % len(value))
        for key in sorted(value, key=str):
            _feed(hasher, key)
            _feed(hasher, value[key])
    elif isinstance(value, list | tuple):
        hasher.update(b"[%d" % len(value))
        for item in value:
            _feed(hasher, item)
    elif isinstance(value, torch.Tensor):
        tensor = value.detach().cpu().contiguous()
        hasher.update(f"T{tensor.dtype}{tuple(tensor.shape)}".encode())
        hasher.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    else:
        hasher.update(f"{type(value).__name__}:{value!r};".encode())


def document_of(kind: str, header: Header, content: dict[str, Any]) -> dict[str, Any]:
    """All that a checkpoint holds, with the SHA-256 of it."""
    document = {
        "format": FORMAT,
        "kind": kind,
        **header.to_dict(),
        "versions": {"gentool": gentool.__version__, "torch": str(torch.__version__)},
        "content": content,
    }
    return document | {"sha256": digest(document)}


def save(path: Path, kind: str, header: Header, content: dict[str, Any]) -> None:
    """Write a checkpoint completely or not at all. Raises GentoolError when it cannot be written."""
    document = document_of(kind, header, content)
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(document, file)
        except RuntimeError as error:  # PyTorch ends its archive also after a failed write, and hides the failure
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def _near(path: Path) -> str:
    """The name of something beside a missing path that is much like its own, as a question."""
    with contextlib.suppress(OSError):  # a folder that cannot be listed has no names to suggest
        near = suggestion(path.name, [one.name for one in path.parent.iterdir()])
        return f".{near}" if near else ""
    return ""


def load(path: Path, kind: str) -> tuple[Header, dict[str, Any]]:
    """Read and verify a checkpoint of one kind, a .pt or a .safetensors file. Its tensors are on the CPU.

    Raises CheckpointError for a file that is missing, damaged, not gentool's, of another kind, or of a newer format.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such checkpoint; give a run folder, such as runs/vae-digits, or its model.pt{_near(path)}"
        )
    try:
        document = hub.read(path) if path.suffix == hub.SUFFIX else _unpickled(path)
        _check_plain(document)
    except GentoolError:
        raise
    except Exception as error:  # the errors of the unpickler and of the archive reader have no common base
        raise CheckpointError(f"{path}: not a readable checkpoint (damaged, or another tool's)") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int) or "kind" not in document:
        raise CheckpointError(f"{path}: not a gentool checkpoint")
    if document["format"] > FORMAT:
        raise CheckpointError(
            f"{path}: format {document['format']} is newer than this gentool ({gentool.__version__}) reads; "
            "upgrade gentool"
        )
    expected = document.pop("sha256", None)
    if digest(document) != expected:
        what = f"{hub.CONFIG} and it do not match" if path.suffix == hub.SUFFIX else "its content does not match"
        raise CheckpointError(f"{path}: damaged: {what} its SHA-256")
    if document["kind"] != kind:
        raise CheckpointError(f"{path}: holds a {document['kind']}, not a {kind}; name the run folder or its model.pt")
    try:
        check(document, HEADER | {"content": CONTENTS.get(kind, Each(Any))})
        channels, height, width = document["shape"]
        if not (1 <= channels <= 4 and 1 <= min(height, width) <= max(height, width) <= LARGEST):
            raise ValueError(f"shape is {channels}x{height}x{width}")
    except ValueError as error:
        raise CheckpointError(f"{path}: lacks what a checkpoint of format {FORMAT} has ({error})") from error
    header = Header(**{field.name: document.get(field.name, "") for field in dataclasses.fields(Header)})
    shape = (channels, height, width)
    return dataclasses.replace(header, shape=shape, classes=tuple(header.classes)), document["content"]


def _unpickled(path: Path) -> Any:
    """What a .pt file holds, read without executing anything."""
    _check_archive(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _check_archive(path: Path) -> None:
    """Raises ValueError for an archive that would unpack to more than its own size: `torch.save` compresses nothing."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("compressed")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError("members that overlap")


def _check_plain(value: Any, depth: int = 0) -> None:
    """Raises ValueError for what `save` never writes.

    That is a tensor that is sparse, on another device, or has more elements than the file holds, by strides of 0; a
    number without end; a value that is nested too deeply, or of another type.
    """
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_quantized or value.is_complex() or value.device.type != "cpu":
            raise ValueError("a tensor of another kind")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError("a tensor without its elements")
    elif isinstance(value, dict | list | tuple) and depth < DEEPEST:
        for item in (*value.keys(), *value.values()) if isinstance(value, dict) else value:
            _check_plain(item, depth + 1)
    elif not isinstance(value, str | bool | int | float | None) or (
        isinstance(value, int) and abs(value) > LARGEST_INTEGER
    ):
        raise ValueError(f"a {type(value).__name__}")


def restored(build: Callable[[], Network], content: dict[str, Any], path: Path) -> Network:
    """A network with the weights of a checkpoint's content. Raises CheckpointError where they do not fit it.

    The network is first built without memory, so that options of a giant one are refused before any is taken.
    """
    weights = content["weights"]
    try:
        with without_memory():
            expected = build().state_dict()
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{path}: its options do not make a network ({str(error).splitlines()[0]})") from error
    wrong = next((name for name in (*expected, *weights) if _shape(expected, name) != _shape(weights, name)), None)
    if wrong is not None:
        raise CheckpointError(
            f"{path}: its weights do not fit its options: {_misfit(weights, expected, wrong)}; the file is damaged, or "
            "was made by hand"
        )
    if not finite(weights):
        raise CheckpointError(f"{path}: holds weights that are NaN or infinite; train it again")
    network = build()
    network.load_state_dict(weights)
    return network


def _misfit(weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], name: str) -> str:
    """How a weight differs from what is expected, in words."""
    if name not in expected:
        return f"{name[:60]} is not part of the network"
    return f"{name[:60]} is {_shape(weights, name) or 'missing'}, but they need {_shape(expected, name)}"


def _shape(weights: Mapping[str, torch.Tensor], name: str) -> str:
    """The shape of a weight in words, with its type where that is none of a floating-point number; empty for none."""
    if name not in weights:
        return ""
    kind = "" if weights[name].is_floating_point() else f" of {str(weights[name].dtype).removeprefix('torch.')}"
    return f"{'x'.join(map(str, weights[name].shape)) or 'a number'}{kind}"
