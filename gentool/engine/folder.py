"""A run's folder: its file names, what makes two commands the same run, and who owns it."""

import contextlib
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import filelock

from gentool.engine import checkpoint, hub
from gentool.engine.checkpoint import Header
from gentool.engine.options import TrainOptions
from gentool.errors import CheckpointError, OptionError
from gentool.files import is_temporary, left_behind, text_digest, write_json, write_text
from gentool.options import flag
from gentool.reading import Each, Maybe, Scalar, check, read_json, read_text

OPTIONS, MODEL, BEST, STATES = "options.json", "model.pt", "model-best.pt", "state-*.pt"
METRICS, NOTED, CURVES = "metrics.csv", "updates.csv", "losses.png"
LOG, RESULT = "log.txt", "result.json"
ENVIRONMENT, REPORT = "environment.json", "report.html"
PICTURES = ("samples", "reconstructions")
FILMS = tuple(f"{name}.gif" for name in PICTURES)
OWN_FILES = (MODEL, BEST, ENVIRONMENT, METRICS, NOTED, CURVES, LOG, RESULT, REPORT, *FILMS)
EPOCH = r"epoch-\d{4,}\.png"
OWN_FOLDERS = {
    **dict.fromkeys(PICTURES, EPOCH),
    "tensorboard": r"events\.out\.tfevents\..*",
    "wandb": r"(offline-)?run-.*|latest-run|debug.*\.log|settings",
}
"""What a run writes beside options.json and its states, in the folder and in folders of its own: all that --overwrite
removes."""
LOCK, OWNER = ".lock", ".owner"
UPDATES, DESCRIPTION, EXAMPLES, GIVEN, IN_FORCE = "updates", "description", "examples", "given", "in_force"
"""More in options.json than in a checkpoint: the length of the whole run, also where it is the default one; the data in
words; the number of examples in each split; the options that differ from their defaults; values that gentool chose."""

MORE = {
    UPDATES: Maybe(int), DESCRIPTION: Maybe(str), EXAMPLES: Maybe(Each(int)), GIVEN: Maybe([str]),
    IN_FORCE: Maybe(Each(Scalar)),
}  # fmt: skip


def model_path(path: Path) -> Path:
    """The model.pt of a run folder, or the model.safetensors of a hub folder; a file is returned as it is.

    Raises CheckpointError where the folder has neither.
    """
    if not path.is_dir():
        if path.is_file() and path.suffix not in (".pt", hub.SUFFIX):
            for name, what in ((MODEL, "run folder"), (hub.WEIGHTS, "folder")):
                if (path.parent / name).is_file():
                    raise CheckpointError(f"{path}: not a checkpoint; give the {what} {path.parent}")
        return path
    for name in (MODEL, hub.WEIGHTS):
        if (path / name).is_file():
            return path / name
    if (path / hub.CONFIG).is_file():
        raise CheckpointError(f"{path}: has no {hub.WEIGHTS}; export with --format safetensors to read it back")
    raise CheckpointError(f"{path}: has no {MODEL} (yet); is it a run folder whose first epoch has ended?")


def is_resumable(folder: Path, header: Header, options: TrainOptions, overwrite: bool) -> bool:
    """Whether the folder holds this very run. Nothing is written.

    Raises OptionError when it holds another run, listing the differences, or something that is no run.
    """
    options_file = folder / OPTIONS
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise OptionError(f"--out {folder}: {'' if place == folder else f'{place} '}is a file")
    if not options_file.is_file():
        if not is_empty(folder):
            raise OptionError(f"--out {folder}: not empty, and not a gentool run; choose another folder")
        return False
    if overwrite and (_is_run(options_file) or states_in(folder) or (folder / MODEL).is_file()):
        return False
    if overwrite:
        raise OptionError(f"--out {folder}: not a gentool run; choose another folder")
    differences = differences_from(read_options(folder), header, options)
    if differences:
        listed = "; ".join(differences)
        raise OptionError(
            f"{folder} holds another run: {listed}. Give --out for a new folder, or --overwrite to replace it"
        )
    return True


def read_options(folder: Path) -> dict[str, Any]:
    """The content of options.json. Raises CheckpointError for a damaged one."""
    path = folder / OPTIONS
    try:
        content: dict[str, Any] = read_json(path, checkpoint.HEADER | MORE | {"sha256": Maybe(str)})
        check(content["options"], {"epochs": Maybe(int), "steps": Maybe(int), "budget": Maybe(str)})
        if content.pop("sha256", None) not in (None, text_digest(content)):  # earlier versions noted none
            raise ValueError("its SHA-256 differs")
    except PermissionError:
        raise
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path}: damaged ({what}); give --overwrite to start again, or another --out") from error
    return content


def length_in(folder: Path) -> tuple[int | None, int | None, str | None, int]:
    """The --epochs, --steps and --budget of the run that a folder holds, and its number of updates; 0 where an earlier
    version has not noted it."""
    noted = read_options(folder)
    options = noted["options"]
    return options.get("epochs"), options.get("steps"), options.get("budget"), noted.get(UPDATES) or 0


def read_if_there(path: Path, form: Any) -> dict[str, Any]:
    """The content of a JSON file, empty where there is none. Raises CheckpointError for one that is damaged."""
    if not path.is_file():
        return {}
    try:
        return dict(read_json(path, form))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from error


def _is_run(options_file: Path) -> bool:
    """Whether options.json is that of a run."""
    try:
        read_json(options_file, {"model": str, "fingerprint": str})
    except ValueError:
        return False
    return True


def differences_from(before: dict[str, Any], now: Header, options: TrainOptions) -> list[str]:
    """How the run that a folder holds differs from the one that is asked for, one text each, except in length."""
    differences = []
    for name in ("model", "data"):
        old, new = before[name], getattr(now, name)
        if old != new:
            differences.append(f"{name} was {old}, is {new}")
    if differences:
        return differences
    if before["fingerprint"] != now.fingerprint:
        return [f"the images of {now.data} have changed: other files, sizes or splits"]
    try:
        old_options = type(options).from_json(before["options"]).to_json()
    except OptionError as error:
        return [f"it was made with other options ({error})"]
    for field in fields(options):
        old, new = old_options[field.name], now.options[field.name]
        if old != new and field.metadata["resume"] == "same":
            was, now_is = map(_said, (old, new))
            differences.append(f"{flag(field.name)} was {was}, is {now_is}")
    return differences


def _said(value: Any) -> Any:
    """The value of an option in a message."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not given" if value is None else value


def begin(folder: Path, header: Header, facts: Mapping[str, Any], resuming: bool, *, finished: bool) -> None:
    """Make the folder and options.json, with what `MORE` has.

    Unless resuming, remove what an earlier run wrote there, and nothing else.

    options.json is replaced last, so that the folder stays a run's whenever this is cut short. A run that goes on is
    not `finished`, so it loses the result that it had before it grew.
    """
    if not resuming:
        _remove_run(folder)
    for name in (OPTIONS, *OWN_FILES, *OWN_FOLDERS):
        if (folder / name).is_symlink():
            raise OptionError(f"{folder / name}: a link, and the run would write through it; remove it")
    for name in (OPTIONS, *OWN_FILES):
        if (folder / name).exists() and not (folder / name).is_file():
            raise OptionError(f"{folder / name}: not a regular file, and the run would write to it; remove it")
    if not finished:
        for name in (RESULT, REPORT):
            (folder / name).unlink(missing_ok=True)
    content = {**header.to_dict(), **facts}
    write_json(folder / OPTIONS, {**content, "sha256": text_digest(content)})


def is_empty(folder: Path) -> bool:
    """Whether a folder is not there, or holds only what a process left that was killed before it wrote a file."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return all(name in (LOCK, OWNER) or is_temporary(name) for name in names)


def _remove_run(folder: Path) -> None:
    """Remove the files that a run wrote, but options.json; those of others stay, also in its sub-folders."""
    for path in (*(folder / name for name in OWN_FILES), *states_in(folder)):
        if path.is_symlink() or path.is_file():
            path.unlink()
    for name, pattern in OWN_FOLDERS.items():
        inside = folder / name
        if inside.is_symlink():
            inside.unlink()
            continue
        for path in list(inside.glob("*")):
            if not re.fullmatch(pattern, path.name):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        if inside.is_dir() and not any(inside.iterdir()):
            inside.rmdir()


def states_in(folder: Path) -> list[Path]:
    """The files of the saved states, oldest first."""
    return sorted(path for path in folder.glob(STATES) if re.fullmatch(r"state-\d{9,}\.pt", path.name))


def drawn_in(folder: Path) -> list[Path]:
    """The pictures of the epochs in a folder of them, in order."""
    return sorted(path for path in folder.glob("epoch-*.png") if re.fullmatch(EPOCH, path.name))


def temporaries_in(folder: Path) -> list[Path]:
    """What a process left that was killed while it wrote a file."""
    return [path for place in (folder, *(folder / name for name in PICTURES)) for path in left_behind(place)]


@contextlib.contextmanager
def owned(folder: Path, notice: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder for this process. The system gives it back when the process ends, however it ends.

    Raises OptionError while another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise OptionError(
            f"{folder}: {_owner(folder)} is training here; wait until it ends, or give another --out"
        ) from None
    except NotImplementedError:
        notice(f"{folder}: this file system has no locks; do not start two trainings here at once")
    try:
        for path in temporaries_in(folder):
            path.unlink(missing_ok=True)
        write_text(folder / OWNER, f"process {os.getpid()} on {platform.node()}")
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file
            (folder / OWNER).unlink(missing_ok=True)
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()


def trainer_of(folder: Path) -> str | None:
    """Which other process trains in a folder now; None where none does, or one that was killed did.

    It is only read: taking the lock, even for a moment, could stop a training that begins.
    """
    try:
        text = read_text(folder / OWNER)
    except (OSError, ValueError):
        return None
    found = re.fullmatch(r"process (\d+) on (.*)", text, re.DOTALL)
    if found is None or int(found[1]) == os.getpid():
        return None
    if found[2] == platform.node() and os.name != "nt":  # on Windows, signal 0 is Ctrl-C
        try:
            os.kill(int(found[1]), 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return text  # that of another user
    return text


def _owner(folder: Path) -> str:
    """Who holds a folder: that is written just after the folder is taken."""
    for _ in range(20):
        with contextlib.suppress(OSError, ValueError):
            return read_text(folder / OWNER)
        time.sleep(0.05)
    return "another process"
