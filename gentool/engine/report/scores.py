"""The scores of a report: what evaluations and embeddings beside the model found."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gentool.engine import checkpoint
from gentool.engine.folder import MODEL, read_if_there
from gentool.metrics.glossary import meaning
from gentool.reading import Each, Maybe, Scalar

EVALUATION = {
    "rows": [Each(Scalar)], "networks": Each({"hash": str}), "data": str, "components": Maybe(int),
    "weights": Maybe(str), "verdicts": Maybe([str]),
}  # fmt: skip
"""The form of evaluation.json, as far as it is shown."""
NO_SCORES = ("what", "seed", "images", "reference", "weights", "read_by", "parameters", "queries", "per_dimension")
LOW, HIGH, FLOOR, CHANCE, MEAN, SD = ": 95 % CI low", ": 95 % CI high", "(floor)", "(chance)", ": mean", ": sd"
"""How the names of rows of a table of scores end."""


def finite(value: Any) -> Any:
    """The value, or None in place of a number that JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def results(folder: Path) -> list[dict[str, Any]]:
    """The scores beside a model, a group for each result. Those of other weights, from before the run went on or was
    replaced, say so."""
    judged = [read_if_there(path, EVALUATION) for path in sorted(folder.glob("model-evaluation-*/evaluation.json"))]
    answered = read_if_there(folder / "model-evaluation" / "scores.json", {"weights": Maybe(str)})
    cards = {
        path.parent.name.removeprefix("model-embedding-"): read_if_there(
            path, {"weights": Maybe(str), "chance": Maybe(Each(Scalar))}
        )
        for path in sorted(folder.glob("model-embedding-*/latent_card.json"))
    }
    if not (judged or answered or cards):
        return []
    weights = None
    if (folder / MODEL).is_file():
        weights = checkpoint.digest(checkpoint.load(folder / MODEL, "model")[1]["weights"])[:16]
    made = [_evaluation(one, weights) for one in judged]
    if answered:
        what = f"{answered['queries']:,.0f} held-out queries" if "queries" in answered else "held-out queries"
        made.append(group(f"Answers to {what}", answered, outdated=answered.get("weights") != weights))
    made += [
        group(f"Latent space, codes of {name}", card, outdated=card.get("weights") != weights)
        for name, card in cards.items()
    ]
    return made


def group(title: str, found: Mapping[str, Any], *, outdated: bool = False) -> dict[str, Any]:
    """Single values, each a score; those by chance are in `chance`."""
    chance = found.get("chance") or {}
    shown = {name: value for name, value in found.items() if name not in NO_SCORES and isinstance(value, int | float)}
    scores = [
        {"name": name, "value": finite(value)}
        | ({"chance": finite(chance[name])} if name in chance else {})
        | _words(name)
        for name, value in shown.items()
    ]
    return {"title": title, "outdated": outdated, "scores": scores, "verdicts": [], "note": ""}


def _evaluation(judged: Mapping[str, Any], weights: str | None) -> dict[str, Any]:
    """The table of `gentool evaluate`: of each score the value, its interval and its floor."""
    networks = ", ".join(f"{name} {known['hash']}" for name, known in judged["networks"].items())
    mixture = f", codes from a mixture of {judged['components']}" if "components" in judged else ""
    return {
        "title": f"Evaluation on {judged['data']}{mixture}",
        "outdated": judged.get("weights") != weights,
        "note": f"Feature networks and their hashes: {networks}. Compare only numbers of equal hashes.",
        "scores": scores_of(judged["rows"]),
        "verdicts": judged.get("verdicts") or [],
    }


def scores_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The scores of a table whose rows are values, ends of intervals, a floor, chance, and means over seeds."""
    by_name = {str(row.get("what")): row for row in rows}
    floor, chance = (next((row for name, row in by_name.items() if name.endswith(end)), {}) for end in (FLOOR, CHANCE))
    made: dict[str, dict[str, Any]] = {}
    for what, row in by_name.items():
        if what.endswith((LOW, HIGH, FLOOR, CHANCE, SD)):
            continue
        ends = {
            "low": by_name.get(what + LOW, {}),
            "high": by_name.get(what + HIGH, {}),
            "floor": floor,
            "chance": chance,
            "sd": by_name.get(what.removesuffix(MEAN) + SD, {}) if what.endswith(MEAN) else {},
        }
        for name, value in row.items():
            if name in NO_SCORES or value is None or isinstance(value, str):
                continue
            beside = {end: finite(row[name]) for end, row in ends.items() if row.get(name) is not None}
            # A mean over seeds comes after the first seed, and takes its place.
            made[name] = {"name": name, "value": finite(value)} | beside | _words(name)
    return list(made.values())


def _words(name: str) -> dict[str, str]:
    known = meaning(name)
    return {"title": known.title, "reading": known.reading, "better": known.better, "unit": known.unit}
