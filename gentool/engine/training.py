"""One way to train, for commands, comparisons, Python and seq2seq."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gentool.engine.data import TrainingData
from gentool.engine.options import TrainOptions
from gentool.engine.run import Run
from gentool.errors import Stopped
from gentool.progress import SILENT, Reporter

Loop = Callable[[Any, Any, Run], None]
"""`train(options, data, run)` of a model."""


def train(
    loop: Loop,
    model: str,
    options: TrainOptions,
    data: TrainingData,
    *,
    folder: Path | None = None,
    overwrite: bool = False,
    reporter: Reporter = SILENT,
) -> Run:
    """Run a model's training loop to its end, and return the finished run.

    With a folder, an unfinished run there is resumed and a finished one is left as it is; without one, nothing is
    written. Raises OptionError where the folder holds another run, Stopped when asked to stop, Diverged when a loss or
    a weight becomes NaN or infinite.
    """
    run = Run(model, options, data, folder=folder, overwrite=overwrite, reporter=reporter)
    if run.result is not None:
        run.make_good()
        reporter.notice(
            f"{folder}: finished already, {run.plan.length()}; raise --{run.plan.asked or 'epochs'} to continue, or "
            "give --overwrite to start again"
        )
        return run
    try:
        with run:
            loop(options, data, run)
    except Stopped as stopped:
        stopped.run = run
        raise
    finally:
        reporter.close()
    return run
