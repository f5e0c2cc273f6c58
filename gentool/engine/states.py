"""The saved states of a run: which of them count, and what follows from the newest.

A state is the one point where a training is committed: model.pt and the tables are made again from it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.device import finite
from gentool.engine.folder import (
    BEST,
    LOCK,
    METRICS,
    MODEL,
    NOTED,
    OWNER,
    REPORT,
    differences_from,
    states_in,
    temporaries_in,
)
from gentool.engine.metrics_file import MetricsFile
from gentool.engine.options import TrainOptions
from gentool.engine.precision import PRECISIONS
from gentool.errors import CheckpointError
from gentool.files import cannot_write, reserve, temporary_beside

MODELS = {"model": MODEL, "best": BEST}
"""The models in a state, and the files that hold them as well."""


def save_state(folder: Path, step: int, header: Header, content: dict[str, Any], good: list[Path]) -> None:
    """Write `state-STEP.pt`, then delete all states but the last two of those that are known to be `good`."""
    path = folder / f"state-{step:09d}.pt"
    checkpoint.save(path, "state", header, content)
    good[:] = [*(other for other in good if other != path), path][-2:]
    for other in states_in(folder):
        if other not in good:
            other.unlink()


def newest_state(
    folder: Path, header: Header, options: TrainOptions, notice: Callable[[str], None]
) -> tuple[Path, dict[str, Any]] | None:
    """The newest state of this run that is whole and finite, with its file; None when there is none at all.

    Others are skipped with a notice. Raises CheckpointError when none of several can be used.
    """
    paths = states_in(folder)[::-1]
    for path in paths:
        try:
            of, content = checkpoint.load(path, "state")
            if differences := differences_from(of.to_dict(), header, options):
                raise CheckpointError(f"{path}: belongs to another run ({'; '.join(differences)})")
            if not 0 <= content["step"] <= content["total_steps"] or content["precision"] not in PRECISIONS:
                raise CheckpointError(f"{path}: damaged: its step or precision is not valid for a run")
            if not finite(content):
                raise CheckpointError(f"{path}: holds values that are NaN or infinite")
            return path, content
        except CheckpointError as error:
            notice(f"{error}; trying the one before it")
    if paths:
        raise CheckpointError(f"{folder}: no state can be used; give --overwrite to start again")
    return None


def roll_forward(folder: Path, header: Header, state: dict[str, Any], notice: Callable[[str], None]) -> None:
    """Write model.pt, model-best.pt, metrics.csv and updates.csv again where they are not those of the state, which is
    saved first."""
    for key, name in MODELS.items():
        if not _has_model_of(folder, state, key):
            path, model = folder / name, state[key]
            checkpoint.save(path, "model", header, model)
            notice(f"{path}: did not match the newest state, and is written again (update {model['step']:,})")
    for table in _tables(folder, state):
        if table.restore():
            notice(f"{table.path}: was damaged, and is written again from the state")


def _tables(folder: Path, state: dict[str, Any]) -> list[MetricsFile]:
    """The tables that a state vouches for; older states hold none."""
    names = {"metrics": METRICS, "noted": NOTED}
    return [MetricsFile.of(folder / file, state[key]) for key, file in names.items() if state.get(key) is not None]


def _has_model_of(folder: Path, state: dict[str, Any], key: str) -> bool:
    """Whether the file of `MODELS` is the model of the state, as far as one can tell: older states hold none."""
    model = state.get(key)
    if model is None:
        return True
    try:
        return bool(checkpoint.load(folder / MODELS[key], "model")[1].get("step") == model["step"])
    except CheckpointError:  # missing or damaged
        return False


def is_whole(folder: Path, state: dict[str, Any]) -> bool:
    """Whether a finished run has all its files, as its newest state has them, and nothing that a kill left."""
    left_over = [name for name in (LOCK, OWNER) if (folder / name).exists()] or temporaries_in(folder)
    whole = all(table.is_on_disk() for table in _tables(folder, state))
    models = all(_has_model_of(folder, state, key) for key in MODELS)
    return (folder / REPORT).is_file() and not left_over and whole and models


def check_room(folder: Path, size: int) -> None:
    """Raises GentoolError where the disk has no room for files of `size` bytes, before a training begins."""
    trial = temporary_beside(folder / "trial")
    try:
        with trial.open("wb") as file:
            file.truncate(size)
        reserve(trial)
    except OSError as error:
        raise cannot_write(folder, error, f"the saved states need {size / 2**20:,.1f} MiB") from error
    finally:
        trial.unlink(missing_ok=True)
