"""report.html: a run on one page that needs only a browser.

The page itself is report.html beside this file; here its content is collected from the files of the run's folder.
"""

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

from gentool.engine import checkpoint
from gentool.engine.alarms import PREFIX
from gentool.engine.folder import ENVIRONMENT, LOG, METRICS, MODEL, OPTIONS, PICTURES, REPORT, drawn_in, read_options
from gentool.engine.journal import earlier_result, is_drawn
from gentool.engine.metrics_file import MetricsFile
from gentool.errors import CheckpointError
from gentool.figures.curves import HELD_OUT_PREFIXES, curve_panels
from gentool.files import write_text
from gentool.pictures import open_picture
from gentool.progress import counted
from gentool.reading import Each, Maybe, Scalar, read_bytes, read_json

MAX_BYTES, MIN_FRAMES = 900_000, 60
"""Bytes of pictures of each kind; epochs are left out at equal distances until they fit, down to this many."""
MAX_LOSSLESS = 25_000
"""Pictures that would be larger than this many bytes without loss are compressed with loss."""

EVALUATION = {
    "rows": [Each(Scalar)], "networks": Each({"hash": str}), "data": str, "components": Maybe(int),
    "weights": Maybe(str),
}  # fmt: skip
"""The form of evaluation.json, as far as it is shown."""


def write_report(folder: Path) -> Path:
    """Write the report of a run and return its path. Raises CheckpointError for another folder or damaged files."""
    if not (folder / OPTIONS).is_file():
        raise CheckpointError(f"{folder}: not the folder of a run: there is no {folder / OPTIONS}")
    content = collect(folder, read_options(folder))
    page = (Path(__file__).parent / REPORT).read_text(encoding="utf-8")
    # "<" cannot end the script that holds the content.
    data = json.dumps(content, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    write_text(folder / REPORT, page.replace(">RUN<", f">{data}<", 1))
    return folder / REPORT


def collect(folder: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Everything that the page shows, as plain values; numbers that are not finite are None."""
    environment = read_if_there(folder / ENVIRONMENT, Each(Scalar))
    columns = MetricsFile(folder / METRICS).series()
    result = earlier_result(folder) or {}
    epochs = columns.get("epoch", [])
    seconds = columns.get("seconds", [0.0])[-1] if epochs else 0.0
    summary = f"{counted(len(epochs), 'epoch')} in {seconds:,.0f} s"
    return {
        "model": run["model"],
        "data": run["data"],
        "summary": summary + ("" if result else "; not finished"),
        "alarms": _alarms(folder),
        "epochs": epochs,
        "panels": _panels(columns),
        "pictures": [{"name": name, "frames": kept} for name in PICTURES if (kept := frames(folder / name))],
        "result": [[name, _finite(value)] for name, value in result.items() if not name.startswith(PREFIX)],
        "evaluations": _evaluations(folder),
        "command": str(environment.pop("command", "")),
        "options": [[name, _finite(value)] for name, value in run["options"].items()],
        "environment": [[name, _finite(value)] for name, value in environment.items()],
    }


def read_if_there(path: Path, form: Any) -> dict[str, Any]:
    """The content of a JSON file, empty where there is none. Raises CheckpointError for one that is damaged."""
    if not path.is_file():
        return {}
    try:
        return dict(read_json(path, form))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from error


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _alarms(folder: Path) -> list[str]:
    """The alarms in the log."""
    log = folder / LOG
    lines = read_bytes(log).decode(errors="replace").splitlines() if log.is_file() else []
    return [line.split(" ", 1)[1] for line in lines if " alarm in epoch " in line]


def _panels(columns: dict[str, list[float]]) -> list[list[dict[str, Any]]]:
    """The curves, grouped as in losses.png."""
    drawn = {name: values for name, values in columns.items() if is_drawn(name)}
    return [
        [
            {
                "name": name,
                "colour": number,
                "dashed": name.startswith(HELD_OUT_PREFIXES),
                "values": [_finite(float(v)) for v in line],
            }
            for number, lines in enumerate(panel.terms.values())
            for name, line in lines.items()
        ]
        for panel in curve_panels(drawn)
    ]


def _evaluations(folder: Path) -> list[dict[str, Any]]:
    """The evaluations beside the model. Those of other weights, from before the run went on or was replaced, say so."""
    every = [read_if_there(path, EVALUATION) for path in sorted(folder.glob("*-evaluation-*/evaluation.json"))]
    weights = None
    if every and (folder / MODEL).is_file():
        weights = checkpoint.digest(checkpoint.load(folder / MODEL, "model")[1]["weights"])[:16]
    return [_evaluation(judged, judged.get("weights") != weights) for judged in every]


def _evaluation(judged: dict[str, Any], outdated: bool) -> dict[str, Any]:
    """The table of `gentool evaluate`, a column for each of its rows."""
    rows: list[dict[str, Any]] = judged["rows"]
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in ("what", "seed")]
    networks = (f"{name} {known['hash']}" for name, known in judged["networks"].items())
    mixture = f", codes from a mixture of {judged['components']}" if "components" in judged else ""
    return {
        "data": judged["data"] + mixture + (", of earlier weights: evaluate again" if outdated else ""),
        "networks": f"Feature networks and their hashes: {', '.join(networks)}. Compare only numbers of equal hashes.",
        "columns": [row.get("what") for row in rows],
        "rows": [[name, *(_finite(row.get(name)) for row in rows)] for name in names],
    }


def frames(folder: Path) -> list[dict[str, Any]]:
    """The pictures of a folder by epoch: the first, the last, and as many in between, at equal distances, as fit."""
    paths = drawn_in(folder)
    if not paths:
        return []
    settings: dict[str, Any] = {"lossless": True}
    largest = len(_webp(paths[-1], settings))
    if largest > MAX_LOSSLESS:
        settings = {"quality": 75}
        largest = len(_webp(paths[-1], settings))
    count = max(min(len(paths), MIN_FRAMES, MAX_BYTES // largest), min(len(paths), 2))
    chosen = [paths[round((i + 1) * len(paths) / count) - 1] for i in range(count)]
    chosen[0] = paths[0] if count > 1 else paths[-1]
    pictures = (base64.b64encode(_webp(path, settings)).decode() for path in chosen)
    return [
        {"epoch": int(path.stem.split("-")[1]), "picture": f"data:image/webp;base64,{picture}"}
        for path, picture in zip(chosen, pictures, strict=True)
    ]


def _webp(path: Path, settings: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    try:
        with open_picture(path, ("PNG",)) as picture:
            picture.convert("RGB").save(file, "WEBP", **settings)
    except (OSError, ValueError) as error:  # a WebP has at most 16,383 pixels a side
        raise CheckpointError(f"{path}: cannot be shown ({error}); remove it, and write the report again") from error
    return file.getvalue()
