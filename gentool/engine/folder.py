"""A run's folder: its file names, what makes two commands the same run, and where the newest valid state is."""

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.engine.options import TrainOptions
from gentool.errors import CheckpointError, OptionError
from gentool.files import write_json
from gentool.options import flag

OPTIONS, MODEL, STATES = "options.json", "model.pt", "state-*.pt"
METRICS, CURVES, LOG, RESULT = "metrics.csv", "losses.png", "log.txt", "result.json"
ENVIRONMENT, REPORT = "environment.json", "report.html"
PICTURES = ("samples", "reconstructions")
FILMS = tuple(f"{name}.gif" for name in PICTURES)
OWN_FILES = (
    OPTIONS, MODEL, STATES, ENVIRONMENT, METRICS, CURVES, LOG, RESULT, REPORT, *PICTURES, *FILMS, "tensorboard",
    "wandb",
)  # fmt: skip
"""What a run writes, and all that --overwrite removes."""


def model_path(path: Path) -> Path:
    """The model.pt of a run folder; a file is returned as it is. Raises CheckpointError where the folder has none."""
    if not path.is_dir():
        return path
    if not (path / MODEL).is_file():
        raise CheckpointError(f"{path}: has no {MODEL} (yet); is it a run folder whose first epoch has ended?")
    return path / MODEL


def is_resumable(folder: Path, header: Header, options: TrainOptions, overwrite: bool) -> bool:
    """Whether the folder holds this very run. Nothing is written.

    Raises OptionError when it holds another run, listing the differences, or something that is no run.
    """
    options_file = folder / OPTIONS
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"--out {folder}: is a file")
    if not options_file.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise OptionError(f"--out {folder}: not empty, and not a run of gentool's; choose another folder")
        return False
    if overwrite and (_is_run(options_file) or any(folder.glob(STATES)) or (folder / MODEL).is_file()):
        return False
    if overwrite:
        raise OptionError(f"--out {folder}: not a run of gentool's; choose another folder")
    try:
        before = json.loads(options_file.read_text(encoding="utf-8"))
        differences = _differences(before, header, options)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{options_file}: damaged; give --overwrite to start again, or another --out") from error
    if differences:
        listed = "; ".join(differences)
        raise OptionError(
            f"{folder} holds another run: {listed}. Give --out for a new folder, or --overwrite to replace it"
        )
    return True


def _is_run(options_file: Path) -> bool:
    """Whether options.json is that of a run."""
    try:
        content = json.loads(options_file.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(content, dict) and {"model", "fingerprint"} <= content.keys()


def _differences(before: dict[str, Any], now: Header, options: TrainOptions) -> list[str]:
    """How the run that a folder holds differs from the one that is asked for, one text each."""
    differences = []
    for name in ("model", "fingerprint"):
        old, new = before[name], getattr(now, name)
        if old != new:
            differences.append(f"{name} was {old[:16]}, is {new[:16]}")
    if differences:
        return differences
    try:
        old_options = type(options).from_json(before["options"]).to_json()
    except OptionError as error:
        return [f"it was made with other options ({error})"]
    for field in fields(options):
        rule = field.metadata["resume"]
        old, new = old_options[field.name], now.options[field.name]
        grown = rule == "grow" and (old is None or (new is not None and new >= old))
        if old != new and rule != "free" and not grown:
            differences.append(f"{flag(field.name)} was {old}, is {new}")
    return differences


def begin(folder: Path, header: Header, resuming: bool, *, finished: bool) -> None:
    """Make the folder and options.json. Unless resuming, remove what an earlier run wrote there, and nothing else.

    A run that goes on is not `finished`, so it loses the result that it had before it grew.
    """
    if not resuming:
        for path in [path for pattern in OWN_FILES for path in folder.glob(pattern)]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    if not finished:
        for name in (RESULT, REPORT):
            (folder / name).unlink(missing_ok=True)
    write_json(folder / OPTIONS, header.to_dict())


def save_state(folder: Path, step: int, header: Header, content: dict[str, Any]) -> None:
    """Write `state-STEP.pt`, then delete all but the last two states."""
    checkpoint.save(folder / f"state-{step:09d}.pt", "state", header, content)
    for path in sorted(folder.glob(STATES))[:-2]:
        path.unlink()


def newest_state(folder: Path, notice: Callable[[str], None]) -> dict[str, Any] | None:
    """The content of the newest state that can be read, or None when there is none. A damaged one is skipped with a
    notice.

    Raises CheckpointError when every state is damaged.
    """
    paths = sorted(folder.glob(STATES), reverse=True)
    for path in paths:
        try:
            return checkpoint.load(path, "state")[1]
        except CheckpointError as error:
            notice(f"{error}; trying the one before it")
    if paths:
        raise CheckpointError(f"{folder}: no state can be read; give --overwrite to start again")
    return None
