"""`gentool info PATH`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gentool.cli.command import command
from gentool.data.images import size_text
from gentool.data.store import open_prepared
from gentool.data.target import DESCRIPTION
from gentool.engine import checkpoint, hub
from gentool.engine.checkpoint import Header
from gentool.engine.folder import (
    ENVIRONMENT,
    GIVEN,
    METRICS,
    MODEL,
    OPTIONS,
    UPDATES,
    read_if_there,
    read_options,
    states_in,
    trainer_of,
)
from gentool.engine.journal import earlier_result
from gentool.engine.metrics_file import MetricsFile
from gentool.engine.terminal import Terminal
from gentool.errors import DataError
from gentool.latent.code_files import read_arrays
from gentool.models import MODELS, options_class
from gentool.reading import Each, Scalar, read_json
from gentool.results import Results
from gentool.seq2seq.options import TASKS
from gentool.seq2seq.sweeps import PLAN
from gentool.tables import format_number

BUFFERS = (
    *(".running_mean", ".running_var", ".num_batches_tracked"),
    *("latent_mean", "latent_sd", "standardise.mean", "standardise.sd"),
)
"""What no optimizer changes ends so."""
DIGITS = 16
"""Of a digest of weights, as in the other files."""
NEITHER = (
    "not a run, a checkpoint, a prepared folder, codes (.npz) or results from gentool; for pictures of your own, use "
    "gentool prepare PATH --check"
)


def info(
    path: Annotated[
        Path, typer.Argument(help="A run, a checkpoint, a prepared folder, codes, or results.", metavar="PATH")
    ],
    terminal: Terminal,
) -> None:
    """Show what a file or folder is: a run, a checkpoint, a data set, codes, results."""
    facts = describe(path)
    if terminal.json:
        terminal.emit({"event": "info", "path": str(path), **facts})
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        if name == "given":
            continue
        if name == "options" and "model" in facts:
            kind = options_class(facts["model"]) if facts["model"] in MODELS else TASKS.get(facts["model"])
            shown = facts.get("given", list(value) if kind is None else kind.differing(value))
            value = {option: value[option] for option in shown if option in value} or "all at their defaults"
        terminal.data(f"{name.replace('_', ' '):<{width}}  {in_words(value)}", indent=width + 2)


def describe(path: Path) -> dict[str, Any]:
    """What a path holds. Raises DataError for what gentool has not written, or CheckpointError where it is damaged."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir():
        if (path / OPTIONS).is_file():
            return of_run(path)
        if (path / DESCRIPTION).is_file():
            return of_data(path)
        if (path / PLAN).is_file():
            return of_sweep(path)
        if (path / hub.CONFIG).is_file() and (path / hub.WEIGHTS).is_file():
            return of_hub_folder(path)
        return of_results(path)
    if path.suffix == ".npz":
        return of_codes(path)
    if path.suffix in (".pt", hub.SUFFIX):
        kind = "state" if path.name.startswith("state-") else "model"
        return {"kind": "checkpoint", **of_checkpoint(path, kind), **given_in(path.parent)}
    raise DataError(f"{path}: {NEITHER}")


def of_run(folder: Path) -> dict[str, Any]:
    """A run: what was trained on what, how far it is, its last scores, and how to go on."""
    noted, environment = read_options(folder), read_if_there(folder / ENVIRONMENT, Each(Scalar))
    rows = MetricsFile(folder / METRICS).numbers()
    last = rows[-1] if rows else {}
    step, updates = int(last.get("step", 0)), noted.get(UPDATES)
    trainer = trainer_of(folder)
    status = "finished" if earlier_result(folder) is not None else f"training: {trainer}" if trainer else "not finished"
    facts: dict[str, Any] = {
        "kind": "run", "model": noted["model"], "status": status,
        "epochs": int(last.get("epoch", 0)), "updates": step, "total_updates": updates,
    }  # fmt: skip
    if (folder / MODEL).is_file():
        facts |= of_checkpoint(folder / MODEL, "model")
    else:
        facts |= of_header(Header(**{name: noted[name] for name in ("model", "options", "shape", "classes", "data",
                                                                     "fingerprint")}))  # fmt: skip
    facts |= given_in(folder)
    facts["seconds"] = last.get("seconds")
    facts["last_epoch"] = {name: value for name, value in last.items() if name not in ("epoch", "step", "seconds")}
    facts |= {name: environment.get(name) for name in ("device", "precision", "gentool", "torch", "command")}
    facts["states"] = [state.name for state in states_in(folder)]
    return facts


def given_in(folder: Path) -> dict[str, Any]:
    """The names of the options that were given to the run of a folder, where it holds one that has noted them."""
    given = read_options(folder).get(GIVEN) if (folder / OPTIONS).is_file() else None
    return {} if given is None else {"given": given}


def of_checkpoint(path: Path, kind: str) -> dict[str, Any]:
    """The model in a checkpoint."""
    header, content = checkpoint.load(path, kind)
    facts = of_header(header)
    if kind == "model":
        weights = content["weights"]
        facts["parameters"] = sum(tensor.numel() for name, tensor in weights.items() if not name.endswith(BUFFERS))
        facts["weights"] = checkpoint.digest(weights)[:DIGITS]
        if "score" in content:
            facts |= {"update": content["step"], "best_score": content["score"]}
        if content.get("init") is not None:
            facts["started_from"] = content["init"]
    else:
        facts["updates"] = content["step"]
    return facts


def of_hub_folder(folder: Path) -> dict[str, Any]:
    """A model in the layout of the Hugging Face hub, and the files of it for other programs."""
    facts = of_checkpoint(folder / hub.WEIGHTS, "model")
    files = sorted(path.name for path in folder.iterdir() if path.stem in ("decoder", "encoder"))
    return {"kind": "hub folder", **facts, "files": files}


def of_header(header: Header) -> dict[str, Any]:
    """What a model was trained on, and its options."""
    channels, height, width = header.shape
    return {
        "model": header.model, "data": header.data, "images": size_text((channels, height, width)),
        "classes": list(header.classes), "fingerprint": header.fingerprint, "options": header.options,
    }  # fmt: skip


def of_data(folder: Path) -> dict[str, Any]:
    """A prepared folder, whose content is checked as `train` does."""
    data = open_prepared(folder)
    counts = {name: len(split) for name, split in data.splits.items()}
    return {
        "kind": "data set", "data": data.name, "images": size_text(data.shape), "count": sum(counts.values()),
        "splits": counts, "classes": list(data.classes), "fingerprint": data.fingerprint,
    }  # fmt: skip


def of_sweep(folder: Path) -> dict[str, Any]:
    """A sweep: what it varies, and how many of its runs have ended."""
    try:
        plan = dict(read_json(folder / PLAN, {"task": str, "options": Each(Any), "repeats": int, "seed": int}))
    except ValueError as error:
        raise DataError(f"{folder / PLAN}: damaged ({error})") from None
    ended = [run for run in folder.iterdir() if run.is_dir() and earlier_result(run) is not None]
    return {"kind": "sweep", **plan, "runs": len(ended)}


def of_codes(path: Path) -> dict[str, Any]:
    """The arrays of an .npz file."""
    arrays = read_arrays(path)
    kind = "codes" if "z" in arrays else "mixture of codes" if "means" in arrays else "arrays"
    shapes = {name: f"{'x'.join(map(str, array.shape))} {array.dtype}" for name, array in arrays.items() if array.ndim}
    weights = {"weights": str(arrays["weights"])} if "weights" in arrays else {}
    return {"kind": kind, "arrays": shapes, **weights}


def of_results(folder: Path) -> dict[str, Any]:
    """A folder that another command has written. Raises DataError for any other."""
    for name, results in every_kind_of_results().items():
        record = results.read(folder)
        if record:
            plain = {key: value for key, value in record.items() if not isinstance(value, list | dict)}
            return {"kind": "", **plain} | {"kind": f"results of {name}"}
    raise DataError(f"{folder}: {NEITHER}")


def every_kind_of_results() -> dict[str, Results]:
    """The kinds of folders with results, by the command that writes them."""
    from gentool.cli.commands.sample import SAMPLES
    from gentool.evaluation.compare import COMPARISON
    from gentool.evaluation.evaluation import EVALUATION
    from gentool.exporting.export import EXPORT
    from gentool.latent.embedding import EMBEDDING
    from gentool.seq2seq.evaluation import SEQ2SEQ_EVALUATION

    return {
        "evaluate": EVALUATION, "embed": EMBEDDING, "compare": COMPARISON, "sample": SAMPLES,
        "export": EXPORT, "seq2seq evaluate": SEQ2SEQ_EVALUATION,
    }  # fmt: skip


def in_words(value: Any) -> str:
    """A fact as one line."""
    if value is None or value in ([], {}, ""):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {in_words(one)}" for name, one in value.items())
    if isinstance(value, list):
        shown = ", ".join(map(str, value[:20]))
        return shown if len(value) <= 20 else f"{shown}, … ({len(value):,})"
    return format_number(value) if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)


app = command(info)
