"""Arithmetic as sequences: `81+24` in, `105` out, as text or pictures of handwriting. Start reading in `training.py`.

`task` spells queries and answers, `queries` divides them, `handwriting` draws them. `network` is the one network of all
four tasks, from `layers` and `alignment`. `model` is a trained one, with `evaluate`, `solve` and `sweep` around it.

    import gentool.seq2seq

    model = gentool.seq2seq.train("text2text")
    model.solve(["81+24", "7-31"])
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gentool.seq2seq.evaluation import Seq2SeqEvaluation, evaluate
    from gentool.seq2seq.model import Seq2SeqModel, load, train
    from gentool.seq2seq.solving import Answer
    from gentool.seq2seq.sweeps import sweep

__all__ = ["Answer", "Seq2SeqEvaluation", "Seq2SeqModel", "evaluate", "load", "sweep", "train"]

_HOMES = {
    "Answer": "solving", "Seq2SeqEvaluation": "evaluation", "Seq2SeqModel": "model", "evaluate": "evaluation",
    "load": "model", "sweep": "sweeps", "train": "model",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
