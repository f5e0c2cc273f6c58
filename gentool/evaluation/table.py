"""The rows that sum up other rows, and the table as a terminal shows it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gentool.evaluation.settings import Settings

FLOOR = "training images (floor)"
"""The name of the row of real images."""
NO_SCORES = ("what", "seed", "images", "reference")


def over_seeds(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mean and the standard deviation of the rows of several seeds."""
    if len(rows) < 2:
        return []
    numbers = [name for name in rows[0] if name not in NO_SCORES]
    found: dict[str, Tensor] = {
        name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in numbers
    }
    what = f"samples, {len(rows)} seeds"
    return [
        {"what": f"{what}: mean"} | {name: values.mean().item() for name, values in found.items()},
        {"what": f"{what}: sd"} | {name: values.std().item() for name, values in found.items()},
    ]


def interval_rows(intervals: Mapping[str, tuple[float, float]], settings: Settings) -> list[dict[str, Any]]:
    """Two rows with the ends of the 95 % intervals."""
    if not intervals:
        return []
    return [
        {"what": f"samples: 95 % {end}", "seed": settings.seed} | {name: value[i] for name, value in intervals.items()}
        for i, end in enumerate(("low", "high"))
    ]


def said(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table for a terminal: each number with its interval or spread, and the floor."""
    rows = {row["what"]: row for row in table}
    sampled = next((row for name, row in rows.items() if name.endswith("mean")), rows["samples"])
    spread = next((row for name, row in rows.items() if name.endswith("sd")), {})
    low, high = rows.get("samples: 95 % low", {}), rows.get("samples: 95 % high", {})
    real, held_out = rows[FLOOR], rows.get("test images", {})
    lines = []
    for name, value in sampled.items():
        if name not in NO_SCORES:
            sure = f" ± {spread[name]:.2g} sd" if name in spread else ""
            sure += f" ({low[name]:.4g} to {high[name]:.4g})" if name in low else ""
            beside = f"   floor {real[name]:.4g}" if name in real else ""
            lines.append(f"{name:32} {value:.4g}{sure}{beside}")
    for name, value in held_out.items():
        if name not in NO_SCORES:
            lines.append(f"{name:32} {value:.4g}")
    return lines
