"""One way to train, for commands, comparisons, Python and seq2seq."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gentool.engine.budget import seconds_as_text, updates_within
from gentool.engine.checkpoint import Header
from gentool.engine.data import TrainingData
from gentool.engine.folder import is_resumable, length_in
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Plan
from gentool.engine.run import Run, check_in_memory
from gentool.engine.world import join
from gentool.errors import Diverged, OptionError, Stopped
from gentool.progress import SILENT, Reporter

TRIAL_SHARE = 0.02
"""The last trial of --budget takes at least this share of it."""

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
    within = None
    if options.budget is not None:
        within = _updates_within_budget(loop, model, options, data, folder, overwrite, reporter)
    run = Run(model, options, data, folder=folder, overwrite=overwrite, within_budget=within, reporter=reporter)
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


def _updates_within_budget(
    loop: Loop,
    model: str,
    options: TrainOptions,
    data: TrainingData,
    folder: Path | None,
    overwrite: bool,
    reporter: Reporter,
) -> int:
    """The number of updates that fit into --budget: that of the run in the folder, else tried out.

    The trials are runs in a folder of their own, since what a run writes takes time as well.
    """
    budget = options.budget
    assert budget is not None
    time_asked = seconds_as_text(budget)
    if not join().alone:
        raise OptionError("--budget: not with several processes; give --steps")
    if folder is None:
        check_in_memory(options)
    elif is_resumable(folder, Header.of(model, options, data), options, overwrite):
        _, _, before, updates = length_in(folder)
        if before == time_asked and updates:
            return updates
    reporter.notice(f"--budget {time_asked}: measuring how many updates fit")
    plain = replace(options, budget=None, gif=False, log="none")
    with tempfile.TemporaryDirectory() as scratch:

        def seconds_of(steps: int) -> float:
            tried = replace(plain, steps=steps)
            place = None if folder is None else Path(scratch) / f"{steps}"
            run = Run(model, tried, data, folder=place, overwrite=True)
            with run:
                loop(tried, data, run)
            return run.seconds

        try:
            per_epoch = None if options.compile else Plan.of(plain, len(data.train)).steps_per_epoch
            updates, _ = updates_within(seconds_of, budget, share=TRIAL_SHARE, steps_per_epoch=per_epoch)
        except Stopped:
            again = "run the same command to start again"
            raise Stopped(f"stopped while measuring how many updates fit; {again}") from None
        except Diverged:
            raise Diverged("training diverged while measuring how many updates fit; try a lower --lr") from None
    reporter.notice(f"--budget {time_asked}: {updates:,} updates fit")
    return updates
