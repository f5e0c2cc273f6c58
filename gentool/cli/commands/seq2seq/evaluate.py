"""`gentool seq2seq evaluate CKPT`."""

from gentool.cli.command import command
from gentool.cli.options import Checkpoint, OutputOptions
from gentool.engine.device import DeviceOptions
from gentool.engine.folder import REPORT
from gentool.engine.report import write_report
from gentool.engine.terminal import Terminal
from gentool.figures.style import FigureOptions
from gentool.seq2seq.evaluation import SEQ2SEQ_EVALUATION, evaluate
from gentool.seq2seq.model import load
from gentool.tables import format_number


def evaluate_model(
    checkpoint: Checkpoint, device: DeviceOptions, figures: FigureOptions, output: OutputOptions, terminal: Terminal
) -> None:
    """Score a trained network on the held-out queries: exact match and character accuracy by group; tables, figures."""
    model = load(checkpoint, device=device.device)
    assert model.path is not None
    folder = output.path(model.path.parent / f"{model.path.stem}-evaluation", results=SEQ2SEQ_EVALUATION)
    evaluation = evaluate(model, reporter=terminal)
    evaluation.save(folder, figures)
    if (model.path.parent / REPORT).is_file():
        write_report(model.path.parent)
    for name, value in evaluation.scores.items():
        terminal.notice(f"{name.replace('_', ' ')} {format_number(value)}")
    terminal.notice(f"{folder}: scores.csv, predictions.csv, figures")
    terminal.result(folder, {"event": "done", "folder": str(folder), **evaluation.scores})


app = command(evaluate_model)
