"""A run's folder: what makes two commands the same run, and where its newest valid state is."""

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.errors import CheckpointError, OptionError
from gentool.files import write_json
from gentool.options import TrainOptions, flag

OPTIONS, MODEL, STATES = "options.json", "model.pt", "state-*.pt"
OURS = (
    OPTIONS, MODEL, STATES, "environment.json", "metrics.csv", "losses.png", "log.txt", "result.json", "report.html",
    "samples", "reconstructions", "*.gif", "tensorboard", "wandb",
)  # fmt: skip
"""What a run writes, and all that --overwrite removes."""


def resumable(folder: Path, header: Header, options: TrainOptions, overwrite: bool) -> bool:
    """Whether the folder holds this very run. Nothing is written.

    Raises OptionError when it holds another run, listing the differences, or something that is no run.
    """
    written = folder / OPTIONS
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"--out {folder}: is a file")
    if not written.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise OptionError(f"--out {folder}: not empty, and not a run of gentool's; choose another folder")
        return False
    if overwrite:
        return False
    try:
        before = json.loads(written.read_text(encoding="utf-8"))
        differences = _differences(before, header, options)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{written}: damaged; give --overwrite to start again, or another --out") from error
    if differences:
        listed = "; ".join(differences)
        raise OptionError(
            f"{folder} holds another run: {listed}. Give --out for a new folder, or --overwrite to replace it"
        )
    return True


def begin(folder: Path, header: Header, resuming: bool) -> None:
    """Make the folder and options.json; unless resuming, remove what an earlier run wrote there, and nothing else."""
    if not resuming:
        for path in [path for pattern in OURS for path in folder.glob(pattern)]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    write_json(folder / OPTIONS, header.to_dict())


def _differences(before: dict[str, Any], now: Header, options: TrainOptions) -> list[str]:
    found = []
    for name in ("model", "fingerprint"):
        old, new = before[name], getattr(now, name)
        if old != new:
            found.append(f"{name} was {old[:16]}, is {new[:16]}")
    if found:
        return found
    for field in fields(options):
        rule = field.metadata["resume"]
        old, new = before["options"].get(field.name), now.options[field.name]
        grown = rule == "grow" and (old is None or (new is not None and new >= old))
        if old != new and rule != "free" and not grown:
            found.append(f"{flag(field.name)} was {old}, is {new}")
    return found


def save_state(folder: Path, step: int, header: Header, content: dict[str, Any]) -> None:
    """Write `state-STEP.pt`, then delete all but the last two states."""
    checkpoint.save(folder / f"state-{step:09d}.pt", "state", header, content)
    for path in sorted(folder.glob(STATES))[:-2]:
        path.unlink()


def newest_state(folder: Path, notice: Callable[[str], None]) -> dict[str, Any] | None:
    """The newest state that is whole, or None when there is none. A damaged one is announced and passed over.

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
