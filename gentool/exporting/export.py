"""A trained model in files that other programs read, each checked against PyTorch before it is written."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gentool.engine.hub import CONFIG, WEIGHTS, packed
from gentool.errors import GentoolError
from gentool.exporting.card import CARD, PICTURE, card, sample_picture
from gentool.exporting.config import PRIOR, description, notes, of_file, prior_text
from gentool.exporting.formats import FORMATS, SAFETENSORS, Run, check_packages, quietly
from gentool.exporting.parts import Part, parts_of
from gentool.figures.grids import Picture, save_png
from gentool.files import replacing, write_text
from gentool.latent.loading import as_model
from gentool.latent.model import Model
from gentool.options import Validated, one_of, option
from gentool.progress import SILENT, Reporter
from gentool.results import Results

TOLERANCE = 1e-4
"""The largest difference from PyTorch that is allowed: of pixels; of codes beyond 1, as a share of the largest."""
COUNTS = (1, 5)
"""The numbers of rows for which every file is checked."""
EXPORT = Results(
    CONFIG,
    "fingerprint",
    rf"(decoder|encoder)\.(onnx|torchscript|pt2)|{re.escape(WEIGHTS)}|{re.escape(PRIOR)}|{CARD}|{PICTURE}",
)


def licence(text: str) -> str:
    """An identifier of a licence as the hub has them. Raises ValueError."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,49}", text):
        raise ValueError("expected a licence identifier of the Hugging Face hub, such as mit, cc-by-4.0 or other")
    return text


def format_names(text: str) -> tuple[str, ...]:
    """The formats in a comma-separated text, in capitals or not. Raises ValueError for an unknown one, and for none."""
    return one_of((*FORMATS, SAFETENSORS))(text.lower())


@dataclass(frozen=True, kw_only=True)
class ExportOptions(Validated):
    """What to export."""

    format: tuple[str, ...] = option(
        ("onnx",),
        "onnx, torchscript or torch.export: the decoder, and the encoder if there is one, as programs. safetensors: "
        "the weights, which gentool can read back. Separate several with commas.",
        parse=format_names,
        metavar="FORMAT",
    )
    license: str | None = option(
        None,
        "The licence of the weights for the model card, as an identifier of the Hugging Face hub, such as mit.",
        parse=licence,
        default_text="none",
    )


@dataclass(frozen=True, repr=False, eq=False)
class Export:
    """An exported model.

    Attributes:
        files: The content of the files by name: `decoder.onnx`, `encoder.onnx`, `model.safetensors`, …; `prior.json`
            of a model with a learnt prior.
        config: What config.json says: the model, its inputs and outputs, and the largest differences from PyTorch.
        card: The model card, README.md.
        samples: The picture in the card, uint8 (H, W) or (H, W, 3).
    """

    files: dict[str, bytes]
    config: dict[str, Any]
    card: str
    samples: Picture = field(repr=False)

    @property
    def differences(self) -> dict[str, float]:
        """The largest difference from PyTorch by the name of the file; weights are the same to the last bit."""
        return {name: facts["largest_difference"] for name, facts in self.config["files"].items()}

    def __repr__(self) -> str:
        return f"<export of a {self.config['model']}: {', '.join(self.files)}>"

    def save(self, folder: Path | str) -> Path:
        """Write the files, config.json, README.md and samples.png into a folder, which is returned."""
        folder = Path(folder).expanduser()
        with EXPORT.writing(folder, self.config):
            for name, content in self.files.items():
                with replacing(folder / name) as temporary:
                    temporary.write_bytes(content)
            save_png(self.samples, folder / PICTURE)
            write_text(folder / CARD, self.card)
        return folder


def export(
    model: Model | Path | str,
    options: ExportOptions | None = None,
    *,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Export:
    """Turn a model into files that other programs read.

    The decoder takes `z`, float32 (N, D), and of a conditional model `labels`, int64 (N,). It returns `images`, float32
    (N, C, H, W) in [0, 1]. The encoder takes `images` in [0, 1] and returns `z`. N may be any number. Each is run on
    random inputs and compared with the model in PyTorch.

    Args:
        model: A trained model, or its checkpoint.
        options: The formats and the licence; or give the fields of `ExportOptions` as `settings`.

    Raises OptionError where a format needs a package that is not installed, GentoolError where the results differ from
    PyTorch's by more than 1e-4.
    """
    options = ExportOptions.resolve(options, settings)
    check_packages(options.format)
    model = as_model(model)
    config = description(model)
    files: dict[str, bytes] = {}
    facts: dict[str, Any] = {}
    programs = [name for name in options.format if name != SAFETENSORS]
    with quietly():
        parts = parts_of(model) if programs else []
    done = reporter.task("exporting", len(parts) * len(programs))
    for name in programs:
        format = FORMATS[name]
        for part in parts:
            file = part.name + format.suffix
            with quietly():
                content = format.write(part, notes(config, part))
                difference = checked(file, part, format.read(content, part))
            files[file] = content
            facts[file] = of_file(name, part, content, difference, config["classes"])
            done(len(facts))
    if SAFETENSORS in options.format:
        files[WEIGHTS] = packed(model.network.state_dict())
    if model.prior is not None:
        files[PRIOR] = prior_text(model.prior).encode()
    config["files"] = facts
    return Export(files, config, card(model, config, options.license, list(files)), sample_picture(model))


def checked(file: str, part: Part, run: Run) -> float:
    """The largest difference of a file's outputs from PyTorch's on random inputs. Raises GentoolError above 1e-4."""
    worst = 0.0
    for count in COUNTS:
        inputs = part.draw(count)
        expected, got = part.model(*inputs.values()), run(inputs)
        if got.shape != expected.shape:
            raise GentoolError(
                f"{file}: returns {tuple(got.shape)} for {count} rows where PyTorch returns {tuple(expected.shape)}; "
                "nothing was written"
            )
        scale = 1.0 if part.output == "images" else max(1.0, expected.abs().max().item())
        worst = max(worst, (got - expected).abs().max().item() / scale)
        if not worst <= TOLERANCE:  # also NaN
            raise GentoolError(
                f"{file}: differs from PyTorch by {worst:.2g}, but only {TOLERANCE:g} is allowed; nothing was written. "
                "Try another --format"
            )
    return worst
