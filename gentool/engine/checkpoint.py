"""Checkpoints that describe themselves: written whole, checked by digest, loaded without executing anything.

A checkpoint is one `torch.save` file: a dictionary of plain values and tensors with a format number, its kind (`model`
or `state`), the model, its options, the image shape, classes and data fingerprint, versions, and the SHA-256 of all of
it. It is read with `weights_only=True` only.
"""

import dataclasses
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

import gentool
from gentool.engine.data import TrainingData
from gentool.errors import CheckpointError, GentoolError
from gentool.files import replacing
from gentool.options import Validated

FORMAT = 1


@dataclass(frozen=True)
class Header:
    """The description in a checkpoint.

    `shape` is (C, H, W); `folder` is where the prepared images were, empty for images that were only in memory.
    """

    model: str
    options: dict[str, Any]
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    data: str
    folder: str
    fingerprint: str

    @classmethod
    def of(cls, model: str, options: Validated | None, data: TrainingData) -> Self:
        """The header of a model that is trained on these data."""
        settings = {} if options is None else options.to_json()
        folder = "" if data.folder is None else str(data.folder)
        return cls(model, settings, data.shape, data.classes, data.name, folder, data.fingerprint)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {**dataclasses.asdict(self), "shape": list(self.shape), "classes": list(self.classes)}


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


def save(path: Path, kind: str, header: Header, content: dict[str, Any]) -> None:
    """Write a checkpoint completely or not at all. Raises GentoolError when it cannot be written."""
    document = {
        "format": FORMAT,
        "kind": kind,
        **header.to_dict(),
        "versions": {"gentool": gentool.__version__, "torch": str(torch.__version__)},
        "content": content,
    }
    document["sha256"] = digest(document)
    try:
        with replacing(path) as temporary:
            torch.save(document, temporary)
    except RuntimeError as error:  # PyTorch's own writer
        raise GentoolError(f"cannot write {path}: {str(error).splitlines()[0]}") from error


def load(path: Path, kind: str) -> tuple[Header, dict[str, Any]]:
    """Read and verify a checkpoint of one kind. Its tensors are on the CPU.

    Raises CheckpointError for a file that is missing, damaged, not gentool's, of another kind, or of a newer format.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such checkpoint; give a run folder, such as runs/vae-digits, or its model.pt"
        )
    try:
        _check_archive(path)
        document = torch.load(path, map_location="cpu", weights_only=True)
        _check_tensors(document)
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
        raise CheckpointError(f"{path}: damaged: its content does not match its SHA-256")
    if document["kind"] != kind:
        raise CheckpointError(f"{path}: holds a {document['kind']}, not a {kind}; name the run folder or its model.pt")
    try:
        header = Header(**{field.name: document[field.name] for field in dataclasses.fields(Header)})
        channels, height, width = header.shape
        shape = (channels, height, width)
        return dataclasses.replace(header, shape=shape, classes=tuple(header.classes)), document["content"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: lacks what a checkpoint of format {FORMAT} has ({error})") from error


def _check_archive(path: Path) -> None:
    """Raises ValueError for an archive that would unpack to more than its own size: `torch.save` compresses nothing."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("compressed")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError("members that overlap")


def _check_tensors(value: Any) -> None:
    """Raises ValueError for a tensor that has more elements than the file holds, by strides of 0."""
    if isinstance(value, torch.Tensor):
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError("a tensor without its elements")
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            _check_tensors(item)


def restore(network: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Load the weights of a checkpoint's content. Raises CheckpointError where they do not fit the network."""
    try:
        network.load_state_dict(content["weights"])
    except (RuntimeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: its weights do not fit its options{_misfit(network, content)}; the file is damaged, or was made "
            "by hand"
        ) from error


def _misfit(network: nn.Module, content: dict[str, Any]) -> str:
    """The first tensor that is of another shape, or missing."""
    weights, expected = content.get("weights"), network.state_dict()
    if not isinstance(weights, dict):
        return ""
    for name, tensor in expected.items():
        found = weights.get(name)
        if not isinstance(found, torch.Tensor):
            return f": {name} is missing"
        if found.shape != tensor.shape:
            return f": {name} has the shape {tuple(found.shape)}, and they ask for {tuple(tensor.shape)}"
    return f": {next(iter(weights.keys() - expected.keys()), 'nothing')} is not part of the network"
