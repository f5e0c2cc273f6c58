"""What commands left in a folder, without times: to compare an interrupted command with an uninterrupted one."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

from gentool.engine import checkpoint

TIMES = ("seconds", "training_seconds", "images_per_second", "queries_per_second", "sha256")
"""`sha256` too: the digest of a result covers its times."""
CHANGING = ("log.txt", "report.html", "environment.json", "losses.png", ".lock")


def content(folder: Path) -> dict[str, Any]:
    """Path to content of all files below a folder. Of files that hold times, only that they are there."""
    return {
        str(path.relative_to(folder)): None if path.name in CHANGING else content_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() or path.is_symlink()
    }


def content_of(path: Path) -> Any:
    """The content of a file, without times."""
    if path.suffix == ".pt":
        kind = "state" if path.name.startswith("state-") else "model"
        inner = checkpoint.load(path, kind)[1]
        if kind == "state":
            inner = [inner["parts"], inner["step"], inner["model"], inner.get("best")]
        return checkpoint.digest(inner)
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]
    if path.suffix == ".json":
        value = json.loads(path.read_text(encoding="utf-8"))
        return {key: item for key, item in value.items() if key not in TIMES} if isinstance(value, dict) else value
    if path.name == "table.md":  # of a sweep: its last column is the seconds of a run
        return [line.rsplit("|", 2)[0] for line in path.read_text(encoding="utf-8").splitlines()]
    if path.name == "comparison.md":
        return [line for line in path.read_text(encoding="utf-8").splitlines() if "training_seconds" not in line]
    return hashlib.sha256(path.read_bytes()).hexdigest()
