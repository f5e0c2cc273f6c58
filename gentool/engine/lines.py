"""The lines that a training says: what begins, and how far an update is."""

from collections.abc import Mapping

from gentool.metrics.glossary import main_columns, short_name
from gentool.progress import listed

LINE = 80
"""The first lines of a run have at most this many characters, but for long names."""
SHOWN_LOSSES = 4
"""Losses in a line of progress; metrics.csv has all."""


def first_lines(what: str, data: str, where: str, how: str, weights: Mapping[str, int]) -> list[str]:
    """What begins, on which data, the length of the run or where it goes on, the device, and the weights by network."""
    lines = [f"{what}, {data}"] if len(f"{what}, {data}") <= LINE else [what, data]
    counts = [f"{name} {count:,}" for name, count in weights.items()]
    total = f"{listed(counts) if len(counts) > 1 else f'{sum(weights.values()):,}'} weights"
    facts = ", ".join([where, total, how])
    return [*lines, facts] if len(facts) <= LINE else [*lines, f"{where}, {how}", total]


def update_line(epoch: int, epochs: int, losses: Mapping[str, float], speed: str) -> str:
    """An update with its main losses, the most important parts first, two spaces between them."""
    shown = main_columns(tuple(losses), SHOWN_LOSSES)
    parts = [f"{short_name(name)} {losses[name]:<7.4g}" for name in shown]
    return "  ".join([f"epoch {epoch:{len(f'{epochs}')}}/{epochs}", *parts, speed])
