"""`gentool evaluate MODEL CKPT`."""

from gentool.cli.command import command
from gentool.cli.options import (
    AfterModel,
    ModelDataOptions,
    ModelName,
    OutputOptions,
    PriorOptions,
    SamplingFlags,
    load_model,
    model_and_checkpoint,
    sampling_flags,
)
from gentool.engine.device import DeviceOptions
from gentool.engine.folder import REPORT
from gentool.engine.report import write_report
from gentool.engine.terminal import Terminal
from gentool.evaluation.evaluate import check_likelihood
from gentool.evaluation.evaluate import evaluate as evaluate_model
from gentool.evaluation.evaluation import EVALUATION
from gentool.evaluation.options import EvaluateOptions
from gentool.evaluation.summary import name_width
from gentool.figures.style import FigureOptions


def evaluate(
    options: EvaluateOptions,
    prior: PriorOptions,
    data: ModelDataOptions,
    sampling: SamplingFlags,
    device: DeviceOptions,
    figures: FigureOptions,
    output: OutputOptions,
    terminal: Terminal,
    model_name: ModelName = None,
    checkpoint: AfterModel = None,
) -> None:
    """Score a model: FID, KID, precision, recall, density, coverage, copying, likelihood, each next to its floor.

    The floor of a score is what real images get.
    """
    model = load_model(*model_and_checkpoint(model_name, checkpoint), device.device, sampling)
    check_likelihood([model.name], options)
    images = data.load_for(model.header, terminal)
    codes = prior.of(model, lambda: images, terminal)
    assert model.path is not None
    folder = output.path(
        model.path.parent / f"{model.path.stem}-evaluation-{images.name}{prior.suffix(model)}", results=EVALUATION
    )
    evaluation = evaluate_model(model, images, options, prior=codes, reporter=terminal)
    evaluation.save(folder, figures)
    page = model.path.parent / REPORT
    if page.is_file():
        write_report(model.path.parent)
    for line in str(evaluation).splitlines():
        terminal.notice(line, indent=name_width(evaluation.table.rows) + 1)
    for line in evaluation.verdicts:
        terminal.notice(line)
    terminal.notice(f"{folder}: evaluation.csv and .json, pictures")
    if page.is_file():
        terminal.notice(f"{page}: says what each score means")
    record = {"event": "done", "folder": str(folder)} | evaluation.facts | {"rows": evaluation.table.rows}
    terminal.result(folder, record)


app = command(evaluate, sampling=sampling_flags())
