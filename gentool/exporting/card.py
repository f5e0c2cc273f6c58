"""The model card: README.md as the Hugging Face hub shows it, with what the model is, its samples and its scores."""

import json
import re
from typing import Any

import torch

from gentool.data.catalog import CATALOG
from gentool.data.images import size_text
from gentool.engine.folder import read_if_there
from gentool.engine.hub import WEIGHTS
from gentool.engine.report.scores import EVALUATION
from gentool.evaluation.summary import FLOOR, SAMPLES, summary_lines
from gentool.exporting.config import PRIOR
from gentool.figures.grids import Picture, grid, labelled_rows
from gentool.latent.model import Model
from gentool.models import MODELS, options_class
from gentool.progress import counted, printable

READING = "import json\nfrom pathlib import Path\n"
CARD, PICTURE = "README.md", "samples.png"
SHOWN, PER_CLASS, MOST_CLASSES = 25, 8, 10
"""Samples in the picture; of a conditional model those of each class, and the most classes."""


def sample_picture(model: Model) -> Picture:
    """A grid of samples of seed 0, of a conditional model a row for each of its first classes."""
    if not model.is_conditional:
        return grid(model.sample(SHOWN))
    names = model.classes[:MOST_CLASSES]
    labels = torch.arange(len(names)).repeat_interleave(PER_CLASS)
    return labelled_rows(model.sample(len(labels), labels=labels), names)


def card(model: Model, config: dict[str, Any], license: str | None, files: list[str]) -> str:
    """The text of README.md for an export with these files."""
    parts = [
        front_matter(model, license), introduction(model), f"![Samples]({PICTURE})", loading(files),
        *(section for name in files if (section := usage(name, model))),
        inputs(model, config), training(model), *scores(model),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def front_matter(model: Model, license: str | None) -> str:
    """What the hub reads of a card."""
    lines = ["---", "library_name: gentool"]
    if license is not None:
        lines.append(f"license: {license}")
    if not model.is_conditional:
        lines.append("pipeline_tag: unconditional-image-generation")
    return "\n".join([*lines, "tags:", "- gentool", f"- {model.name}", "---"])


def introduction(model: Model) -> str:
    """What the model is, and what it was trained on."""
    known = CATALOG.get(model.header.data)
    licensed = "" if known is None else f" Licence of a data set of this name: {known.licence}."
    return (
        f"# {model.name} trained on {code(model.header.data)}\n\n{MODELS[model.name]} It was trained with gentool on "
        f"images of {size_text(model.shape)} and has {counted(model.parameters, 'parameter')}.{licensed}"
    )


def loading(files: list[str]) -> str:
    """How gentool reads the folder back, or what it needs to."""
    if WEIGHTS not in files:
        return f"This folder has no {WEIGHTS}: gentool reads it back where it was exported with `--format safetensors`."
    return python("With gentool", 'import gentool\nmodel = gentool.load(".")  # this folder\nimages = model.sample(25)')


def usage(file: str, model: Model) -> str:
    """How one uses a file without gentool; empty for weights, and for encoders, which work alike."""
    labels, argument = "", ""
    if model.is_conditional:
        labels, argument = f"labels = np.arange(25) % {len(model.classes)}\n", ', "labels": labels'
    if file == "decoder.onnx":
        return python(
            "With onnxruntime",
            f"{READING if model.prior else ''}import numpy as np, onnxruntime\n"
            f'session = onnxruntime.InferenceSession("{file}")\n{numpy_codes(model)}\n{labels}'
            f'(images,) = session.run(["images"], {{"z": z{argument}}})  # (25, {", ".join(map(str, model.shape))})',
        )
    if file in ("decoder.torchscript", "decoder.pt2"):
        call = f'torch.jit.load("{file}")' if file.endswith("torchscript") else f'torch.export.load("{file}").module()'
        labels = f", torch.arange(25) % {len(model.classes)}" if model.is_conditional else ""
        noise = f"torch.randn(25, {model.latent_dim})"
        title, decoder = f"With PyTorch: `{file}`", f"import torch\ndecoder = {call}"
        if model.prior is None:
            return python(title, f"{decoder}\nimages = decoder({noise}{labels})")
        return python(
            title,
            f"{READING}{decoder}\n"
            f'prior = {{key: torch.tensor(rows) for key, rows in json.loads(Path("{PRIOR}").read_text()).items()}}\n'
            'chosen = torch.multinomial(prior["weights"], 25, replacement=True)\n'
            f'z = prior["means"][chosen] + prior["standard_deviations"][chosen] * {noise}\n'
            f"images = decoder(z{labels})",
        )
    return ""


def numpy_codes(model: Model) -> str:
    """How one draws 25 codes z with NumPy."""
    if model.prior is None:
        return f"z = np.random.default_rng(0).standard_normal((25, {model.latent_dim}), dtype=np.float32)"
    return (
        f'prior = {{key: np.array(rows) for key, rows in json.loads(Path("{PRIOR}").read_text()).items()}}\n'
        "random = np.random.default_rng(0)\n"
        f'chosen = random.choice({model.prior.components}, 25, p=prior["weights"])\n'
        f"noise = random.standard_normal((25, {model.latent_dim}))\n"
        'z = (prior["means"][chosen] + prior["standard_deviations"][chosen] * noise).astype(np.float32)'
    )


def inputs(model: Model, config: dict[str, Any]) -> str:
    """What codes, classes and pixels are."""
    shape = ", ".join(map(str, ("N", *model.shape)))
    lines = [f"- `z`: float32 (N, {model.latent_dim}), drawn from N(0, 1)."]
    if model.prior is not None:
        lines[0] = (
            f"- `z`: float32 (N, {model.latent_dim}), drawn from the prior that the model has learnt, a mixture of "
            f"{counted(model.prior.components, 'Gaussian')} with diagonal covariances: `{PRIOR}` has their weights, "
            "means and standard deviations. The decoder was not trained on codes from N(0, 1)."
        )
    elif not model.gaussian_prior:
        lines[0] += (
            " This autoencoder was not trained to generate: z is in units of the standard deviation of the "
            "training codes, and images of random z are rough."
        )
    if model.is_conditional:
        names = ", ".join(f"{number} {code(name)}" for number, name in enumerate(model.classes))
        lines.append(f"- `labels`: int64 (N,), the class of each image: {names}.")
    lines.append(f"- `images`: float32 ({shape}), {config['pixels']['channels']}, in [0, 1].")
    if model.shape[0] == 4:
        lines.append("- Divide the colours by alpha, where it is not 0, for a PNG or a canvas.")
    if config["files"]:
        worst = max(facts["largest_difference"] for facts in config["files"].values())
        lines.append(f"- N may be any number. The files differ from PyTorch by at most {worst:.1g} on random inputs.")
    return "\n".join(["## Inputs and outputs", "", *lines])


def training(model: Model) -> str:
    """The options of the training that differ from their defaults."""
    options = model.header.options
    chosen = options_class(model.name).differing(options)
    listed = "\n".join(f"- `{name}`: {code(json.dumps(options[name]))}" for name in chosen)
    some = f"Those that differ from the defaults; gentool may have chosen some for the data.\n\n{listed}"
    return f"## Training options\n\n{some if chosen else 'All at their defaults.'}\n\nconfig.json has all of them."


def scores(model: Model) -> list[str]:
    """The scores of `gentool evaluate` of these very weights, where they are beside the checkpoint."""
    sections = []
    places = [] if model.path is None else sorted(model.path.parent.glob("*-evaluation-*/evaluation.json"))
    for path in places:
        judged = read_if_there(path, EVALUATION)
        rows = judged["rows"]
        if judged.get("weights") == model.weights_digest and {SAMPLES, FLOOR} <= {row.get("what") for row in rows}:
            lines = "\n".join(f"    {printable(line)}" for line in summary_lines(rows))
            title = f"## Scores on {code(judged['data'])}"
            sections.append(f"{title}\n\nEach stands beside its floor: what real images score.\n\n{lines}")
    return sections


def python(title: str, text: str) -> str:
    """A section with a block of Python."""
    return f"## {title}\n\n```python\n{text}\n```"


def code(text: str) -> str:
    """A name or value as Markdown shows it literally, in one line."""
    plain = re.sub(r"\s+", " ", printable(text)).replace("`", "'")
    return f"`{plain.strip() or ' '}`"
