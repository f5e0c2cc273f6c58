"""Arithmetic as sequences: `81+24` in, `105` out, as text or pictures of handwriting. Start reading in `training.py`.

`task` spells queries and answers, `queries` divides them, `handwriting` draws them. `network` is the one network of all
four tasks, from `layers` and `alignment`. `model` is a trained one, with `evaluate`, `solve` and `sweep` around it.

    import gentool.seq2seq

    model = gentool.seq2seq.train("text2text")
    model.solve(["81+24", "7-31"])
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gentool.seq2seq.arrays import write_arrays
    from gentool.seq2seq.evaluation import Seq2SeqEvaluation, evaluate
    from gentool.seq2seq.model import Seq2SeqModel, load, train
    from gentool.seq2seq.options import ImageToImage, ImageToText, Options, TextToImage
    from gentool.seq2seq.solving import Answer
    from gentool.seq2seq.sweep_results import Sweep
    from gentool.seq2seq.sweeps import sweep

_HOMES = {
    "Answer": "solving",
    "ImageToImage": "options",
    "ImageToText": "options",
    "Options": "options",
    "Seq2SeqEvaluation": "evaluation",
    "Seq2SeqModel": "model",
    "Sweep": "sweep_results",
    "TextToImage": "options",
    "evaluate": "evaluation",
    "load": "model",
    "sweep": "sweeps",
    "train": "model",
    "write_arrays": "arrays",
}
"""Public name to the module that has it. `Options` are those of text2text."""

__all__ = [
    "Answer", "ImageToImage", "ImageToText", "Options", "Seq2SeqEvaluation", "Seq2SeqModel", "Sweep", "TextToImage",
    "evaluate", "load", "sweep", "train", "write_arrays",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
