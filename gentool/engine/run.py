"""Run: the toolbox that a training loop calls. It never calls the loop.

What a step calls is in `Tools`; here are the order of the data, the record of the run and its checkpoints. A resumed
run equals an uninterrupted one bit for bit on the CPU at the same number of threads.
"""

import copy
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from gentool.data import cache
from gentool.data.disk import in_turn
from gentool.engine import checkpoint, optim
from gentool.engine.alarms import EVERY_MODEL, Check
from gentool.engine.best import Best
from gentool.engine.compilation import begin_step, check_compiler, spare_compiler
from gentool.engine.context import StopSignal, flush_denormals, training_context
from gentool.engine.data import ExampleBatches, TrainingData
from gentool.engine.environment import environment
from gentool.engine.folder import (
    BEST,
    DESCRIPTION,
    ENVIRONMENT,
    EXAMPLES,
    GIVEN,
    IN_FORCE,
    MODEL,
    REPORT,
    UPDATES,
    begin,
    is_resumable,
    owned,
    states_in,
)
from gentool.engine.found import Found
from gentool.engine.initial import Initial
from gentool.engine.journal import DIVERGED, Journal
from gentool.engine.lines import first_lines, update_line
from gentool.engine.losses import Losses
from gentool.engine.options import TrainOptions
from gentool.engine.order import epoch_order
from gentool.engine.parts import all_finite, bytes_of, restore, states_of, weights_of
from gentool.engine.plan import MOST_EPOCHS
from gentool.engine.precision import PRODUCTS, Precision, possible_precisions
from gentool.engine.randomness import derived_seed, seed_layers
from gentool.engine.report import write_report
from gentool.engine.states import check_room, is_whole, roll_forward, save_state
from gentool.engine.tools import Tools
from gentool.engine.trial import Trial, note, note_of, noted
from gentool.errors import CheckpointError, Diverged, GentoolError, OptionError, Stopped
from gentool.figures.grids import Picture
from gentool.files import write_json
from gentool.options import flag
from gentool.progress import SILENT, Reporter

SAVE_SECONDS = 15.0
"""Seconds between two saved states, except for the first, the last, and a stop."""
COMPILING = 2
"""With --compile, the updates that compile. The first of a gan has a penalty, so only the second has the plain step."""


def check_in_memory(options: TrainOptions) -> None:
    """Raises OptionError for options of a run without a folder that would write into it."""
    for name, given in (("gif", options.gif), ("log", options.log != "none"), ("keep", options.keep != "last")):
        if given:
            raise OptionError(f"{flag(name)}: writes into the run's folder, but this run has none")


class Run(Tools):
    """One training, in a folder or in memory only. Enter it as a context around the loop.

    Attributes:
        plan: The length of the run and of its epochs.
        network: The trained network, once an epoch has ended.
        result: The content of result.json, once the run is finished; also where the folder holds a finished run.
    """

    def __init__(
        self,
        model: str,
        options: TrainOptions,
        data: TrainingData,
        *,
        folder: Path | None = None,
        overwrite: bool = False,
        within_budget: int | None = None,
        reporter: Reporter = SILENT,
    ) -> None:
        """`within_budget` is the number of updates that fit into --budget.

        Raises OptionError or CheckpointError where the folder holds something else, or a run that is damaged.
        """
        super().__init__(options, data)
        self.overwrite = overwrite
        self.in_folder = folder is not None  # also where another process writes into it
        self.folder = folder if self.world.first else None
        self.reporter = reporter if self.world.first else SILENT
        self.journal = Journal(self.folder, options, self.reporter)
        self.journal.checks += EVERY_MODEL
        self.losses = Losses(self.device, self.world)
        self.measured: dict[str, float] = {}
        self.network: nn.Module | None = None
        self.model: dict[str, Any] | None = None  # the content of model.pt
        self.best = Best()
        if not self.in_folder:
            check_in_memory(options)
        if options.keep == "best" and not len(data.splits["validation"]):
            raise OptionError(
                f"--keep best: there are no validation {data.unit} to score on; prepare some (--validation)"
            )
        if self.rows < self.world.size:
            raise OptionError(f"--batch-size {self.rows}: fewer {data.unit} than processes ({self.world.size})")
        if options.compile and not self.world.alone:
            raise OptionError("--compile: not with several processes")
        notice = self.reporter.notice
        found = self.world.of_first(
            lambda: Found.of(
                self.folder, model, options, data, overwrite=overwrite, within_budget=within_budget, notice=notice
            )
        )
        self.options, self.header, self.plan, self.result = found.options, found.header, found.plan, found.result
        self.resuming, self.seen, self.good, self.state = found.resuming, found.states, found.good, found.state
        self.step = 0 if self.state is None else self.state["step"]
        self.seconds = 0.0 if self.state is None else self.state["seconds"]
        self.begun_at = self.step

    def __enter__(self) -> Self:
        """Raises OptionError for --compile where there is no compiler."""
        if self.options.compile:
            check_compiler(self.device)
        with ExitStack() as stack:
            self._enter(stack)
            self.stack = stack.pop_all()
        return self

    def _enter(self, stack: ExitStack) -> None:
        """Set all up. What a failure leaves on the stack is undone."""
        stack.enter_context(flush_denormals())  # before anything is computed in several threads
        spare_compiler(spare=not self.options.compile)
        amp, compiled = self.options.amp, self.options.compile
        kinds = self.world.of_first(lambda: possible_precisions(amp, self.device, compiled=compiled))
        if self.state is not None and amp == "auto":
            kinds = (self.state["precision"],)
            if kinds == (PRODUCTS,):  # which may not work here, or not with --compile
                kinds = possible_precisions("bf16", self.device, compiled=compiled)
        self.precision = Precision(kinds, self.device, self.world, compiled=compiled)
        self.trying = False  # whether updates are made to be timed
        self.parts: dict[str, Any] = {}
        self.saved_at = float("-inf")
        self.save_due = False
        self.trained = self.trained_seconds = 0.0
        self.stop: StopSignal = stack.enter_context(
            training_context(
                self.device,
                derived_seed(self.options.seed, "weights"),
                deterministic=self.options.deterministic,
                reduced=self.precision.reduced,
            )
        )
        self.batches_of = {id(split): split.on(self.device) for split in self.data.splits.values()}
        self.started_at = time.monotonic() - self.seconds
        stack.callback(self.journal.close)
        if self.options.compile:
            stack.callback(torch._dynamo.reset)  # the next run's step is another one, and PyTorch counts them

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, Stopped | Diverged) and self.folder is not None:
                self._show_unfinished(self.folder, error)
        finally:
            self.stack.close()

    def _show_unfinished(self, folder: Path, error: Stopped | Diverged) -> None:
        """Leave the best model so far, curves and a page of a run that was stopped or diverged.

        A full disk does not hide why it ended.
        """
        try:
            self.best.save(folder, self.header)
            self.journal.log(f"{DIVERGED}{error}" if isinstance(error, Diverged) else f"{error}")
            self.journal.draw_curves(now=True)
            write_report(folder)
        except GentoolError as failure:
            self.reporter.notice(f"{failure}")

    def watch(self, *checks: Check) -> None:
        """Check the rows of metrics.csv for more alarms than those of every model."""
        self.journal.checks += checks

    def resume(self, **parts: Any) -> None:
        """Name everything that changes in training: networks, optimizers, averages. A resumed run restores it here."""
        self.parts = parts
        self._note_data()
        origin = None if self.state is None else self.state.get("init")
        self.origin = {} if origin is None else {"init": origin}
        initial = self._started_from(self.options.init) if self.state is None and self.options.init else []
        if len(self.precision.kinds) > 1:
            known = self.world.of_first(lambda: noted(self._note))
            if known in self.precision.kinds:
                self.precision.take(known)
        self.world.of_first(self._begin)
        if self.state is None:
            self.journal.begin(rows=0, text=None)
            self._announce("training", self.plan.length())
            for text in initial:
                self.journal.notice(text)
            if self.plan.capped:
                self.journal.notice(
                    f"few {self.data.unit}: the default is at most {MOST_EPOCHS:,} epochs; --epochs sets another number"
                )
            return
        state, self.state = self.state, None
        self._restore(state)
        self.model, self.best.content = state.get("model"), state.get("best")
        begun = self.epoch if self.step < self.plan.total_steps else None
        self.journal.begin(state["rows"], state.get("metrics"), begun, state.get("noted"))
        where = f"at epoch {self.epoch} of {self.plan.total_epochs}, update {self.step % self.plan.steps_per_epoch}"
        if self.step >= self.plan.total_steps:
            where = "at its end"
        self._announce("resuming", where)
        if state["total_steps"] != self.plan.total_steps and self.options.schedule != "constant":
            share = self.plan.lr_share(self.step)
            self.journal.notice(
                f"the {self.options.schedule} schedule now spans {self.plan.length()}: "
                f"the learning rate continues at {share:.0%} of its peak"
            )

    def _started_from(self, path: Path) -> list[str]:
        """Give the networks the weights of another run, before an earlier run in the folder is removed. Returns what is
        to be said of it."""
        initial = self.world.of_first(lambda: Initial.read(path, self.folder))
        self.origin = {"init": initial.origin}
        return initial.give_to(self.parts)

    def _announce(self, doing: str, where: str) -> None:
        """Say what begins: the model, the data, the length of the run or where it goes on, the weights, the device."""
        what = f"{self._place}{doing} {self.header.model} on {self.header.data}"
        how = f"{self.device}"
        if len(self.precision.kinds) == 1:
            how += f" {self.precision}"
        if not self.world.alone:
            how += f", {self.world.size} processes"
        lines = first_lines(what, self.data.description, where, how, weights_of(self.parts))
        if self.options.compile and self.step < self.plan.total_steps:
            lines.append("the first updates compile the training step, which can take a minute")
        for line in lines:
            self.journal.notice(line)

    def _begin(self) -> None:
        """Own the folder, and make it that of this run."""
        if self.folder is None:
            return
        self._own(self.folder)
        total = self.plan.total_steps
        facts = {
            UPDATES: total,
            DESCRIPTION: self.data.description,
            EXAMPLES: {name: len(split) for name, split in self.data.splits.items()},
            GIVEN: self.options.given(self.data),
            IN_FORCE: {**self.options.resolved(self.data), "epochs": self.plan.total_epochs, "steps": total},
        }
        begin(self.folder, self.header, facts, self.resuming, finished=self.step >= total)
        self._write_environment()
        if self.state is None:
            check_room(self.folder, 3 * self._state_bytes)  # two states, and the next one or model.pt
        else:
            roll_forward(self.folder, self.header, self.state, self.journal.notice)

    def _write_environment(self) -> None:
        if self.folder is not None:
            here = environment(self.device, self.precision.kind) | {"parameters": self.parameters}
            write_json(self.folder / ENVIRONMENT, here if self.world.alone else {**here, "processes": self.world.size})

    @property
    def parameters(self) -> int:
        """The number of weights that are trained, of all networks together."""
        return sum(weights_of(self.parts).values())

    def _note_data(self) -> None:
        """Let commands find the images of a model again: its checkpoint does not say where they are."""
        if self.data.folder is not None and self.world.first:
            try:
                cache.note_data(self.data.fingerprint, self.data.folder)
            except GentoolError as error:
                self.reporter.notice(f"{error}. Commands that need the images of this training will need --data")

    def _restore(self, state: dict[str, Any]) -> None:
        """Give all parts their state. Raises CheckpointError for one that does not fit them."""
        try:
            restore(self.parts, state["parts"])
            self.precision.scaler.load_state_dict(state["scaler"])
            self.losses.load_state_dict(state["losses"])
        except Exception as error:  # those of PyTorch for a state of another form have no common base
            reason = (str(error).splitlines() or [""])[0][:200]
            raise CheckpointError(
                f"{self.good[0]}: its parts do not fit the run ({reason}); remove this file to continue from the state "
                "before, or give --overwrite"
            ) from error

    def _own(self, folder: Path) -> None:
        """Hold the folder until the end of the context. Raises OptionError if another process has trained there."""
        self.stack.enter_context(owned(folder, self.reporter.notice))
        resuming = is_resumable(folder, self.header, self.options, self.overwrite)
        if resuming != self.resuming or states_in(folder) != self.seen:
            raise OptionError(f"{folder}: another process has trained here in the meantime; run the same command again")

    def make_good(self) -> None:
        """Write what is missing of a finished run, where its last process was killed. A whole one is only read."""
        if self.folder is not None and self.state is not None and not is_whole(self.folder, self.state):
            with owned(self.folder, self.reporter.notice):
                roll_forward(self.folder, self.header, self.state, self.reporter.notice)
                if not (self.folder / REPORT).is_file():
                    write_report(self.folder)

    @property
    def epoch(self) -> int:
        """The epoch of the next update, from 1."""
        return self.plan.epoch_of(self.step)

    def epochs(self) -> Iterator[int]:
        """The epochs still to do, from 1."""
        while self.step < self.plan.total_steps:
            yield self.epoch

    def batches(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The remaining batches of the epoch: images (b, C, H, W) in [0, 1] and labels.

        `numbers` (b,) are their places among the training images.
        Every epoch has an order of its own; examples that do not fill a last batch wait for the next epoch. A request
        to stop is met here, between two updates: the state is saved and Stopped raised. Raises Diverged when a weight
        is not finite after the last update.
        """
        epoch, steps_per_epoch, size = self.epoch, self.plan.steps_per_epoch, self.plan.batch_size
        examples = self.batches_of[id(self.data.train)]
        order = epoch_order(examples, self.options.seed, epoch)
        if len(self.precision.kinds) > 1:
            yield from self._tried(examples, order[:size])
        self.trained, began = 0.0, time.monotonic()
        turn = in_turn(examples.disk, order, size, self.step % steps_per_epoch * size)
        while self.step < self.plan.end_of(epoch):
            if self.losses.stop or (self.world.alone and self.stop.requested):
                self._stop()
            self._begin_update()
            yield self._taken(examples, next(turn))
            self.step += 1
            self.trained += size
            self.trained_seconds = time.monotonic() - began
            if self.step < self.plan.end_of(epoch):  # `save` reports the last one, with what is measured then
                self._report(epoch)
        self._check(self.losses.settle())
        self._check_weights()
        long_ago = self.folder is not None and time.monotonic() - self.saved_at >= SAVE_SECONDS
        due = self.step >= self.plan.total_steps or self.stop.requested or long_ago
        self.save_due = self.world.of_first(lambda: due)

    def _taken(self, examples: ExampleBatches, index: Tensor) -> tuple[Tensor, Tensor | None]:
        self.numbers = self.own(index)
        return examples.take(self.numbers)

    def _begin_update(self) -> None:
        own = () if self.world.first else (self.world.rank,)  # each process drops other features of its own rows
        seed_layers(derived_seed(self.options.seed, "update", self.step, *own), self.device)
        for optimizer in self.optimizers:
            optim.set_lr(optimizer, self.plan.lr_share(self.step))
        if self.options.compile:
            begin_step(self.device)

    @property
    def _note(self) -> Path:
        """Where the cache notes the precision of this training."""
        return note_of(self.header, self.options, self.world.size)

    def _tried(self, examples: ExampleBatches, index: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Batches for updates in each precision, which are timed and undone; then the fastest precision is taken."""
        before, trial = copy.deepcopy(self._content()), Trial(self.precision.kinds)
        self.trying = True
        for step in trial.steps(self.plan.total_steps):
            self.step = step
            for kind in self.precision.kinds:
                self.precision.use(kind)
                self._begin_update()
                began = time.perf_counter()
                yield self._taken(examples, index)
                trial.seconds[kind].append(time.perf_counter() - began)
            if self.world.of_first(trial.enough):
                break
        self.trying, self.step = False, before["step"]
        self._restore(before)
        kind, gain = self.world.of_first(trial.fastest)
        self.precision.take(kind)
        how = f"{self.precision}, {gain:.2f} times as fast as f32" if gain > 1 else "f32, the fastest"
        self.journal.notice(f"--amp auto: {how} in this training")
        self._write_environment()
        if self.world.first:
            try:
                note(self._note, kind, gain)
            except GentoolError as error:
                self.journal.notice(f"{error}. It will be timed again in the next training")

    def record(self, terms: Mapping[str, Tensor]) -> None:
        """Add the losses of this update to the epoch's means. Raises Diverged when one is NaN or infinite."""
        if self.trying:
            return
        broken = self.losses.add(terms, share=self.share, stop=self.stop.requested)
        self._check(broken, self.step + 1 - self.losses.delay)
        made, every = self.step + 1, self.plan.note_every
        if every == 0:
            self.losses.noted()
        elif made % every == 0:
            self.journal.note(self.epoch, made, self.losses.noted())

    def record_validation(self, terms: Mapping[str, float]) -> None:
        """Losses of this epoch on the validation images."""
        self.record_epoch({f"validation_{name}": value for name, value in terms.items()})

    def record_epoch(self, terms: Mapping[str, float]) -> None:
        """What is measured once at the end of this epoch. Raises Diverged when one is NaN or infinite."""
        self.measured = dict(terms)
        self._check([name for name, value in terms.items() if not math.isfinite(value)])

    @property
    def pictures_due(self) -> bool:
        """Whether pictures are to be saved of the epoch that has just ended."""
        return self.in_folder and self.plan.pictures_due(self.step)

    def show(self, name: str, picture: Picture) -> None:
        """Write NAME/epoch-0001.png."""
        self.journal.picture(name, self.plan.epochs_begun(self.step), picture)

    def save(self, network: nn.Module, *, best_by: str = "validation_loss") -> None:
        """End the epoch: a row of metrics.csv, and now and then the state, and `network` as model.pt.

        `best_by` is the column of the score that --keep best goes by; an epoch without it is not the best.
        """
        epoch, last = self.plan.epochs_begun(self.step), self.step >= self.plan.total_steps
        self.network = network
        self.seconds = time.monotonic() - self.started_at
        losses = self.losses.means() | self.measured
        row = {
            "epoch": epoch,
            "step": self.step,
            **losses,
            "lr": self.options.lr * self.plan.lr_share(self.step - 1),
            f"{self.data.unit}_per_second": round(self._speed, 1),
            "seconds": round(self.seconds, 2),
        }
        self._report(epoch, self.measured)
        if self.options.keep == "best" and best_by in row and self.folder is not None:
            self.best.offer(best_by, row[best_by], lambda: self._content_of(network))
        raised = self.journal.add_row(row)
        fatal = [alarm.text for alarm in raised if alarm.fatal] if self.options.stop_on_collapse else []
        for text in self.world.of_first(lambda: fatal):
            raise Diverged(f"{self._place}{text}{self._kept}. Without --stop-on-collapse the run continues")
        if self.step % self.plan.steps_per_epoch == 0:  # a run that grows goes on with an epoch that was cut short
            self.losses.clear()
        if self.save_due and self.folder is not None:
            self.model = self._content_of(network)
            # The state is what counts: model.pt follows from it, and is made good when a run is opened again.
            with self.stop.held():
                self._save_state(self.folder)
                checkpoint.save(self.folder / MODEL, "model", self.header, self.model)
                self.best.save(self.folder, self.header)
            self.saved_at = time.monotonic()  # after it: a slow disk does not make it due at every epoch
        self.journal.draw_curves(now=last)

    def _content_of(self, network: nn.Module) -> dict[str, Any]:
        """What a file of the network holds."""
        weights = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        return {"weights": weights, "step": self.step, **self.origin}

    def finish(self, test: Mapping[str, float] | None = None) -> None:
        """End the training: the films, result.json with the losses on the test images, report.html."""
        if self.options.gif:
            self.journal.make_films()
        if not self.journal.drawn:  # the last process was killed before it drew them
            self.journal.draw_curves(now=True)
        self.result = self.journal.finish(test or {})
        best = self.best.content
        if best is not None and self.folder is not None:
            epoch, score = self.plan.epochs_begun(best["step"]), best["score"]
            self.journal.notice(
                f"{self.folder / BEST}: the weights of epoch {epoch}, which has the best score, {score:.4g}"
            )
        self.journal.notice(f"{self._place}done in {self.seconds:,.0f} s")
        if self.folder is not None:
            write_report(self.folder)  # it shows the time of the last line
        self.world.of_first(lambda: None)  # the others wait until everything is written

    @property
    def _place(self) -> str:
        return "" if self.folder is None else f"{self.folder}: "

    @property
    def _speed(self) -> float:
        """Training examples per second in this epoch."""
        return self.trained / max(self.trained_seconds, 1e-9)

    def _report(self, epoch: int, measured: Mapping[str, float] = MappingProxyType({})) -> None:
        """Report an update, with the means of the epoch's losses so far and what was `measured` at its end.

        Updates that compile a step say nothing about the time that is left, so they are not reported.
        """
        if self.options.compile and self.step - self.begun_at <= COMPILING and self.step < self.plan.end_of(epoch):
            return
        losses, speed = {**self.losses.means(), **measured}, f"{self._speed:,.0f} {self.data.unit}/s"
        detail = update_line(epoch, self.plan.total_epochs, losses, speed)
        self.reporter.progress("training", self.step, self.plan.total_steps, detail)

    def _check(self, broken: Iterable[str], update: int | None = None) -> None:
        update = self.step if update is None else update
        names = ", ".join(broken)
        if names:
            again = "" if self.folder is None else ", with --overwrite"
            amp = ", or --amp off" if self.precision.reduced else ""
            raise Diverged(
                f"{names} became NaN or infinite in epoch {self.plan.epochs_begun(update)}, update {update}"
                f"{self._kept}. Try a lower --lr{amp}{again}"
            )

    @property
    def _kept(self) -> str:
        """What a run that fails leaves."""
        if self.folder is None:
            return ""
        return (
            f"; the last good state is kept in {self.folder}" if states_in(self.folder) else "; nothing was saved yet"
        )

    def _save_state(self, path: Path) -> None:
        save_state(path, self.step, self.header, self._content(), self.good)

    def _content(self) -> dict[str, Any]:
        """What a state holds."""
        return {
            "step": self.step,
            "seconds": time.monotonic() - self.started_at,
            "total_steps": self.plan.total_steps,
            "precision": self.precision.kind,
            "rows": len(self.journal.rows),
            "metrics": self.journal.metrics.text(),
            "noted": self.journal.noted.text() if self.journal.noted.rows else None,
            **self.origin,
            "model": self.model,
            **({} if self.best.content is None else {"best": self.best.content}),
            "scaler": self.precision.scaler.state_dict(),
            "losses": self.losses.state_dict(),
            "parts": states_of(self.parts),
        }

    @property
    def _state_bytes(self) -> int:
        """About how large a saved state is: weights, their average, the two moments of Adam, the models."""
        return (5 if self.options.keep == "last" else 6) * bytes_of(self.optimizers)

    @property
    def _plainly(self) -> str:
        return " without --overwrite" if self.overwrite else ""

    def _check_weights(self) -> None:
        """Raises Diverged when a weight, or an average of weights, is not finite."""
        if not all_finite(self.parts):
            self._check(["weights"])

    def _stop(self) -> None:
        self._check(self.losses.settle())
        self._check_weights()
        where = f"epoch {self.epoch} of {self.plan.total_epochs}, update {self.step % self.plan.steps_per_epoch}"
        if not self.in_folder:
            raise Stopped(f"stopped in {where}; the run has no folder to save it in")
        if self.folder is not None:
            self._save_state(self.folder)
            self.best.save(self.folder, self.header)
        raise Stopped(f"{self.folder}: stopped in {where}; run the same command again{self._plainly} to continue")
