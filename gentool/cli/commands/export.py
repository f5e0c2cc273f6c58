"""`gentool export MODEL CKPT`."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

from gentool.cli.command import command
from gentool.cli.options import (
    AfterModel,
    ModelName,
    OutputOptions,
    SamplingFlags,
    load_model,
    model_and_checkpoint,
    sampling_flags,
)
from gentool.engine import checkpoint as checkpoints
from gentool.engine.folder import model_path
from gentool.engine.terminal import Terminal
from gentool.errors import CheckpointError, OptionError
from gentool.exporting.export import EXPORT, TOLERANCE, Export, ExportOptions
from gentool.exporting.export import export as export_model
from gentool.exporting.formats import SAFETENSORS, check_packages
from gentool.options import option, redefault
from gentool.results import Results
from gentool.seq2seq.options import TASKS


@dataclass(frozen=True, kw_only=True)
class ExportOutput(OutputOptions):
    """Where to write."""

    out: Path | None = redefault(
        OutputOptions,
        "out",
        None,
        help="The folder to write.",
        default_text="model-export-FORMAT beside the checkpoint",
    )
    overwrite: bool = redefault(OutputOptions, "overwrite", False, help="Replace an earlier export there.")
    hub_folder: Path | None = option(
        None,
        "Write a folder for the Hugging Face hub: model.safetensors, config.json and README.md. Other formats are only "
        "added if --format asks for them.",
        metavar="PATH",
        not_with={"out": True},
    )

    def path(
        self, default: Path, *beside: str, pictures: tuple[str, ...] = (".png",), results: Results | None = None
    ) -> Path:
        """The folder of --hub-folder or --out, or the default one."""
        if self.hub_folder is None:
            return super().path(default, *beside, pictures=pictures, results=results)
        try:
            return dataclasses.replace(self, out=self.hub_folder, hub_folder=None).path(default, results=results)
        except OptionError as error:
            raise OptionError(str(error).replace("--out", "--hub-folder")) from None


def export(
    options: ExportOptions,
    sampling: SamplingFlags,
    output: ExportOutput,
    terminal: Terminal,
    model_name: ModelName = None,
    checkpoint: AfterModel = None,
) -> None:
    """Write a trained model as ONNX, TorchScript, torch.export or safetensors, checked against PyTorch."""
    if output.hub_folder is not None:
        others = options.format if "format" in options.changed() else ()
        options = dataclasses.replace(options, format=(*(name for name in others if name != SAFETENSORS), SAFETENSORS))
    check_packages(options.format)
    name, place = model_and_checkpoint(model_name, checkpoint)
    check_images(place)
    model = load_model(name, place, "cpu", sampling)
    assert model.path is not None
    folder = output.path(model.path.parent / f"{model.path.stem}-export-{'-'.join(options.format)}", results=EXPORT)
    if folder.resolve() == model.path.resolve().parent:
        raise OptionError(f"{folder}: holds the checkpoint itself; choose another folder")
    exported = export_model(model, options, reporter=terminal)
    exported.save(folder)
    for line in summary_lines(exported):
        terminal.notice(f"{folder}: {line}")
    sizes = {name: len(content) for name, content in exported.files.items()}
    terminal.result(
        folder, {"event": "done", "folder": str(folder), "files": sizes, "differences": exported.differences}
    )


def check_images(checkpoint: Path) -> None:
    """Raises CheckpointError for a checkpoint of seq2seq: its decoder writes one symbol after the other."""
    header, _ = checkpoints.load(model_path(checkpoint), "model")
    if header.model in TASKS:
        raise CheckpointError(
            f"{checkpoint}: holds a seq2seq model ({header.model}); only image models can be exported"
        )


def summary_lines(exported: Export) -> list[str]:
    """The files with their sizes, and how far they are from PyTorch."""
    lines = [", ".join(f"{name} {math.ceil(len(content) / 1000):,} kB" for name, content in exported.files.items())]
    if exported.differences:
        worst = max(exported.differences.values())
        lines.append(f"differs from PyTorch by at most {worst:.1g} ({TOLERANCE:g} is allowed)")
    return lines


app = command(export, sampling=sampling_flags())
