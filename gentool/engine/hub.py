"""A trained model in the layout of the Hugging Face hub: model.safetensors with the weights, config.json with the rest.

config.json has the entries of a checkpoint, among them its SHA-256, and others for people and programs, which are not
read here. Nothing in either file can be executed.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from gentool.errors import CheckpointError
from gentool.memory import check_memory
from gentool.reading import check_regular, read_json

CONFIG, WEIGHTS, SUFFIX = "config.json", "model.safetensors", ".safetensors"
ENTRIES = (
    "format", "kind", "model", "options", "shape", "classes", "data", "fingerprint", "folder", "versions", "sha256",
)  # fmt: skip
"""What config.json has of a checkpoint."""


def has_safetensors() -> bool:
    """Whether the package that reads and writes .safetensors is installed."""
    return find_spec("safetensors") is not None


def packed(weights: Mapping[str, Tensor]) -> bytes:
    """The content of a .safetensors file with these weights, the same bytes each time."""
    from safetensors.torch import save

    whole = {name: weight.detach().cpu().contiguous().clone() for name, weight in weights.items()}
    return bytes(save(whole, {"format": "pt"}))  # the order of several notes is random


def read(path: Path) -> dict[str, Any]:
    """The checkpoint in a .safetensors file and the config.json beside it, as `checkpoint.save` would write it.

    Raises CheckpointError without config.json or the package; ValueError and others for damaged files.
    """
    if not has_safetensors():
        raise CheckpointError(f"{path}: needs another package: pip install safetensors")
    config = path.parent / CONFIG
    if not config.is_file():
        raise CheckpointError(f"{path}: weights without the {CONFIG} beside them, which says what they are")
    try:
        known = read_json(config, {"format": int, "kind": str})
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{config}: does not describe a gentool model ({error})") from error
    from safetensors.torch import load

    check_regular(path)
    check_memory(2 * path.stat().st_size, f"{path}", "free some memory")
    document = {name: known[name] for name in ENTRIES if name in known}
    return document | {"content": {"weights": load(path.read_bytes())}}
