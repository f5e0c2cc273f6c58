"""What a folder holds of a run, and what follows from it for the run that goes on there."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gentool.engine.checkpoint import Header
from gentool.engine.data import TrainingData
from gentool.engine.folder import FILMS, is_resumable, length_in, states_in
from gentool.engine.journal import earlier_result
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Plan
from gentool.engine.states import newest_state
from gentool.errors import OptionError


@dataclass
class Found:
    """A run that begins, or goes on.

    Attributes:
        options, header, plan: Those of the run, with its length.
        resuming: Whether the folder holds this run.
        states: The files of all its states.
        state: The newest one that is whole; None for a run without any. `good` has its file.
        result: The content of result.json, where the run is finished.
    """

    options: TrainOptions
    header: Header
    plan: Plan
    resuming: bool = False
    states: list[Path] = field(default_factory=list)
    good: list[Path] = field(default_factory=list)
    state: dict[str, Any] | None = None
    result: dict[str, Any] | None = None

    @classmethod
    def of(
        cls,
        folder: Path | None,
        model: str,
        options: TrainOptions,
        data: TrainingData,
        *,
        overwrite: bool,
        within_budget: int | None,
        notice: Callable[[str], None],
    ) -> "Found":
        """What a folder holds. Raises OptionError or CheckpointError for another run, or one that is damaged."""
        plan = Plan.of(options, len(data.train), within_budget, options.updates_on(data))
        found = cls(options, Header.of(model, options, data), plan)
        if folder is None:
            return found
        found.resuming = is_resumable(folder, found.header, options, overwrite)
        found.states = states_in(folder)
        newest = newest_state(folder, found.header, options, notice) if found.resuming else None
        if newest is not None:
            found.good, found.state = [newest[0]], newest[1]
        elif found.resuming and earlier_result(folder) is not None:
            raise OptionError(f"{folder}: finished, but its states are gone; give --overwrite to train again")
        if found.resuming:
            found._settle_length(folder, data)
        films_made = not options.gif or any((folder / film).is_file() for film in FILMS)
        logged = options.log == "none" or (folder / options.log).is_dir()
        step = 0 if found.state is None else found.state["step"]
        if step >= found.plan.total_steps and films_made and logged:
            found.result = earlier_result(folder)
        return found

    def _settle_length(self, folder: Path, data: TrainingData) -> None:
        """The run keeps its length where none is asked for, also if the default is another one by now.

        Raises OptionError for a shorter one.
        """
        epochs, steps, budget, updates = length_in(folder)
        options = dataclasses.replace(
            self.options, epochs=epochs, steps=steps, budget=budget,  # type: ignore[arg-type]  # a text, which is parsed
        )  # fmt: skip
        before = Plan.of(options, len(data.train), updates=options.updates_on(data))
        known = 0 if self.state is None else self.state["total_steps"]
        before = dataclasses.replace(before, total_steps=max(updates, known) or before.total_steps)
        if self.plan.asked is None:
            self.options, self.plan = options, before
            self.header = Header.of(self.header.model, options, data)
        elif self.plan.total_steps < before.total_steps:
            raise OptionError(
                f"{folder}: the run is planned for {before.length()}, and {self.plan.length()} would be shorter; a run "
                "can only grow. Give --out for a new folder, or --overwrite"
            )
