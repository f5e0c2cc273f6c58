"""gentool: train, sample, explore and honestly judge small generative models.

    import gentool

    data = gentool.load_data("digits")
    model = gentool.train("vae", data, latent_dim=20, epochs=5)
    images = model.sample(25)

docs/python.md is the guide. Names are imported when they are first used, so that `import gentool` is fast.
"""

TYPE_CHECKING = False  # typing takes a while to import, and signals have no handlers before it is

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gentool import seq2seq
    from gentool.data.images import ImageData
    from gentool.data.load import load_data
    from gentool.data.prepare import PrepareOptions
    from gentool.engine.terminal import Terminal
    from gentool.errors import (
        CheckpointError,
        DataError,
        Diverged,
        GentoolError,
        OptionError,
        Stopped,
    )
    from gentool.evaluation.compare import Comparison, compare
    from gentool.evaluation.evaluate import evaluate
    from gentool.evaluation.evaluation import Evaluation
    from gentool.evaluation.options import EvaluateOptions, ScoreOptions
    from gentool.explorer.page import explore
    from gentool.exporting.export import Export, ExportOptions, export
    from gentool.figures.grids import grid, save_png, to_picture
    from gentool.figures.style import FigureOptions
    from gentool.latent.embedding import Embedding, EmbedOptions, embed
    from gentool.latent.loading import load, train
    from gentool.latent.model import Model
    from gentool.latent.projection import Projection, ProjectOptions
    from gentool.models import MODELS
    from gentool.models.cae import Options as CAEOptions
    from gentool.models.cgan import Options as CGANOptions
    from gentool.models.cvae import Options as CVAEOptions
    from gentool.models.flow import Options as FlowOptions
    from gentool.models.gan import Options as GANOptions
    from gentool.models.lstm_ae import Options as LSTMAEOptions
    from gentool.models.vae import Options as VAEOptions
    from gentool.progress import Reporter
    from gentool.tables import Table

_HOMES = {
    "MODELS": "models",
    "CAEOptions": "models.cae:Options",
    "CGANOptions": "models.cgan:Options",
    "CVAEOptions": "models.cvae:Options",
    "CheckpointError": "errors",
    "Comparison": "evaluation.compare",
    "DataError": "errors",
    "Diverged": "errors",
    "EmbedOptions": "latent.embedding",
    "Embedding": "latent.embedding",
    "EvaluateOptions": "evaluation.options",
    "Evaluation": "evaluation.evaluation",
    "Export": "exporting.export",
    "ExportOptions": "exporting.export",
    "FigureOptions": "figures.style",
    "FlowOptions": "models.flow:Options",
    "GANOptions": "models.gan:Options",
    "GentoolError": "errors",
    "ImageData": "data.images",
    "LSTMAEOptions": "models.lstm_ae:Options",
    "Model": "latent.model",
    "OptionError": "errors",
    "PrepareOptions": "data.prepare",
    "ProjectOptions": "latent.projection",
    "Projection": "latent.projection",
    "Reporter": "progress",
    "ScoreOptions": "evaluation.options",
    "Stopped": "errors",
    "Table": "tables",
    "Terminal": "engine.terminal",
    "VAEOptions": "models.vae:Options",
    "compare": "evaluation.compare",
    "embed": "latent.embedding",
    "evaluate": "evaluation.evaluate",
    "explore": "explorer.page",
    "export": "exporting.export",
    "grid": "figures.grids",
    "load": "latent.loading",
    "load_data": "data.load",
    "save_png": "figures.grids",
    "seq2seq": "",
    "to_picture": "figures.grids",
    "train": "latent.loading",
}
"""Public name to the module that has it, and the name it has there where that is another one."""

__all__ = [
    "MODELS",
    "CAEOptions",
    "CGANOptions",
    "CVAEOptions",
    "CheckpointError",
    "Comparison",
    "DataError",
    "Diverged",
    "EmbedOptions",
    "Embedding",
    "EvaluateOptions",
    "Evaluation",
    "Export",
    "ExportOptions",
    "FigureOptions",
    "FlowOptions",
    "GANOptions",
    "GentoolError",
    "ImageData",
    "LSTMAEOptions",
    "Model",
    "OptionError",
    "PrepareOptions",
    "ProjectOptions",
    "Projection",
    "Reporter",
    "ScoreOptions",
    "Stopped",
    "Table",
    "Terminal",
    "VAEOptions",
    "__version__",
    "compare",
    "embed",
    "evaluate",
    "explore",
    "export",
    "grid",
    "load",
    "load_data",
    "save_png",
    "seq2seq",
    "to_picture",
    "train",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """The public names, imported when they are first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    home, _, there = _HOMES[name].partition(":")
    if not home:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), there or name)


def __dir__() -> list[str]:
    return sorted(__all__)
