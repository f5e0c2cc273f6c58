"""config.json: what an exported model is, and what goes in and comes out of its files."""

import json
from typing import Any

from torch import Tensor

from gentool.engine import checkpoint
from gentool.exporting.formats import OPSET
from gentool.exporting.parts import Part
from gentool.latent.model import Model
from gentool.latent.prior import LearntPrior

PRIOR = "prior.json"
CHANNELS = {1: "grey", 3: "RGB", 4: "RGBA, colours premultiplied by alpha"}


def description(model: Model) -> dict[str, Any]:
    """The entries of the model's checkpoint, without its weights, and what one needs to know to use it."""
    document = checkpoint.document_of("model", model.header, {"weights": model.network.state_dict()})
    del document["content"]
    channels = model.shape[0]
    return document | {
        "library_name": "gentool",
        "weights": model.weights_digest,
        "parameters": model.parameters,
        "latent_dim": model.latent_dim,
        "conditional": model.is_conditional,
        "sampling": None if model.sampling is None else model.sampling.to_json(),
        "pixels": {
            "order": ["batch", "channel", "height", "width"],
            "channels": CHANNELS.get(channels, f"{channels} channels"),
            "range": [0, 1],
        },
        "prior": prior_of(model),
    }


def prior_of(model: Model) -> dict[str, Any]:
    """What codes are drawn from, in short."""
    if model.prior is None:
        return {"distribution": "normal", "mean": 0, "standard_deviation": 1}
    return {"distribution": "mixture of normals", "components": model.prior.components, "file": PRIOR}


def prior_text(prior: LearntPrior) -> str:
    """The content of prior.json: weights (K,), means (K, D) and standard deviations (K, D)."""

    def plain(rows: Tensor) -> list[list[float]]:
        return [[float(f"{value:.9g}") for value in row] for row in rows.tolist()]  # what tells one f32 from another

    content = {
        "weights": prior.weights.tolist(),
        "means": plain(prior.mixture.means),
        "standard_deviations": plain((0.5 * prior.mixture.logvars).exp()),
    }
    return json.dumps(content, allow_nan=False) + "\n"


NOTES = (
    "model", "data", "shape", "classes", "latent_dim", "conditional", "sampling", "pixels", "prior", "weights",
    "versions",
)  # fmt: skip
"""What every exported file says of its model by itself."""


def notes(config: dict[str, Any], part: Part) -> dict[str, Any]:
    """What the file of a part says of itself."""
    known = {name: config[name] for name in NOTES if config[name] is not None}
    return known | {"part": part.name, **interface(part, config["classes"])}


def interface(part: Part, classes: list[str]) -> dict[str, Any]:
    """The inputs and outputs of a part, with shapes, types and ranges."""
    inputs: dict[str, Any] = {}
    for name, shape in part.inputs.items():
        inputs[name] = {"type": "float32", "shape": ["batch", *shape]}
        if name == "labels":
            inputs[name] = {"type": "int64", "shape": ["batch"], "range": [0, len(classes) - 1], "classes": classes}
        elif name == "images":
            inputs[name]["range"] = [0, 1]
    output: dict[str, Any] = {"type": "float32", "shape": ["batch", *part.output_shape]}
    if part.output == "images":
        output["range"] = [0, 1]
    return {"inputs": inputs, "outputs": {part.output: output}}


def of_file(format: str, part: Part, content: bytes, difference: float, classes: list[str]) -> dict[str, Any]:
    """What config.json says of a file."""
    facts: dict[str, Any] = {"format": format, "part": part.name, **interface(part, classes)}
    if format == "onnx":
        facts["opset"] = OPSET
    return facts | {"bytes": len(content), "largest_difference": difference}
