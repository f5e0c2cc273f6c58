"""Rows that summarise the rows of several seeds or half-samples, and the table as lines for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from gentool.evaluation.held_out import CHANCE, HELD_OUT
from gentool.evaluation.intervals import Interval
from gentool.tables import format_number, mean_and_sd

SAMPLES, FLOOR = "samples", "training images (floor)"
"""Names of rows."""
NO_SCORES = ("what", "seed", "images", "reference")
"""Columns that are no scores."""


def seed_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Two rows, the means and the standard deviations over the rows of several seeds; none for one seed."""
    if len(rows) < 2:
        return []
    (summary,) = mean_and_sd(rows, leave_out=NO_SCORES)
    means = {name: value for name, value in summary.items() if f"{name}_sd" in summary}
    what = f"{SAMPLES}, {len(rows)} seeds"
    return [
        {"what": f"{what}: mean"} | means,
        {"what": f"{what}: sd"} | {name: summary[f"{name}_sd"] for name in means},
    ]


def interval_rows(what: str, intervals: Mapping[str, Interval], seed: int) -> list[dict[str, Any]]:
    """Two rows with the ends of the 95% intervals of the row `what`; none without intervals."""
    if not intervals:
        return []
    return [
        {"what": f"{what}: 95 % CI {end}", "seed": seed} | {name: value[i] for name, value in intervals.items()}
        for i, end in enumerate(("low", "high"))
    ]


def summary_lines(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line per score, with its interval or standard deviation, and the floor."""
    rows = {row["what"]: row for row in table}
    samples = next((row for name, row in rows.items() if name.endswith(": mean")), rows[SAMPLES])
    deviations = next((row for name, row in rows.items() if name.endswith(": sd")), {})
    low, high = rows.get(f"{SAMPLES}: 95 % CI low", {}), rows.get(f"{SAMPLES}: 95 % CI high", {})
    floor, held_out = rows[FLOOR], rows.get(HELD_OUT, {})
    floor_low, floor_high = rows.get(f"{FLOOR}: 95 % CI low", {}), rows.get(f"{FLOOR}: 95 % CI high", {})
    lines = []
    width = name_width(table)
    for name, value in samples.items():
        if name not in NO_SCORES:
            certainty = f" ± {deviations[name]:.2g} sd" if name in deviations else ""
            certainty += f" ({low[name]:.4g} to {high[name]:.4g})" if name in low else ""
            beside = f"   floor {floor[name]:.4g}" if name in floor else ""
            beside += f" ({floor_low[name]:.4g} to {floor_high[name]:.4g})" if name in floor_low else ""
            lines.append(f"{name:{width}} {format_number(value)}{certainty}{beside}")
    chance = rows.get(CHANCE, {})
    for name, value in held_out.items():
        if name not in NO_SCORES:
            beside = f"   random codes {chance[name]:.4g}" if name in chance else ""
            lines.append(f"{name:{width}} {format_number(value)}{beside}")
    return lines


def name_width(table: Sequence[Mapping[str, Any]]) -> int:
    """The width of the column of names in `summary_lines`."""
    return max(len(name) for row in table for name in row if name not in NO_SCORES) + 2
