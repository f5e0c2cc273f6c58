"""updates.csv: the losses of a short run between the ends of its epochs, in losses.png and after a resume."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from gentool.engine.charts import curve_panels, finer
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Plan
from gentool.figures.curves import draw_curves

TINY = [
    "train",
    "cae",
    "--data",
    "digits",
    "--channels",
    "4,8",
    "--latent-dim",
    4,
    "--batch-size",
    256,
    "--device",
    "cpu",
]


def noted(folder: str) -> list[dict[str, float]]:
    with (Path(folder) / "updates.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("options", "examples", "every"),
    [
        ({"steps": 1000, "batch_size": 256}, 57_000, 5), ({"steps": 7, "batch_size": 10}, 100, 1),
        ({"epochs": 19, "batch_size": 10}, 100, 1), ({"epochs": 20, "batch_size": 10}, 100, 0),
    ],
    ids=str,
)  # fmt: skip
def test_short_runs_note_their_losses(options: dict[str, int], examples: int, every: int) -> None:
    assert Plan.of(TrainOptions(**options), examples).note_every == every


def test_the_rows_are_the_losses_of_the_updates(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli(*TINY, "--steps", 12, "--out", "each").code == 0
    each = noted("each")
    assert [(row["epoch"], row["step"]) for row in each] == [(1 + step // 5, step + 1) for step in range(12)]
    with Path("each/metrics.csv").open(newline="") as file:
        mean = float(next(csv.DictReader(file))["loss"])
    assert sum(row["loss"] for row in each[:5]) / 5 == pytest.approx(mean)
    monkeypatch.setattr("gentool.engine.plan.NOTED", 4)
    assert cli(*TINY, "--steps", 12, "--out", "some").code == 0
    assert [row["step"] for row in noted("some")] == [3, 6, 9, 12]
    assert noted("some")[1]["loss"] == pytest.approx(sum(row["loss"] for row in each[3:6]) / 3)


def test_a_long_run_has_none(cli: Callable) -> None:
    assert cli(*TINY, "--epochs", 20, "--sample-every", 0, "--out", "run").code == 0
    assert not Path("run/updates.csv").exists()


def test_a_stopped_run_continues_them(cli: Callable, stopping: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentool.engine.plan.NOTED", 4)
    assert cli(*TINY, "--steps", 12, "--out", "whole").code == 0
    with stopping(7):
        assert cli(*TINY, "--steps", 12, "--out", "parts").code == 75
    assert len(noted("parts")) == 2
    with Path("parts/updates.csv").open("a") as file:  # of an update that came after the state
        file.write("2,9,0.5\n")
    assert cli(*TINY, "--steps", 12, "--out", "parts").code == 0
    assert Path("parts/updates.csv").read_bytes() == Path("whole/updates.csv").read_bytes()
    Path("parts/updates.csv").unlink()
    assert cli(*TINY, "--steps", 12, "--out", "parts").code == 0
    assert Path("parts/updates.csv").read_bytes() == Path("whole/updates.csv").read_bytes()


def test_overwrite_begins_them_anew(cli: Callable) -> None:
    for _ in range(2):
        assert cli(*TINY, "--steps", 3, "--out", "run", "--overwrite").code == 0
        assert len(noted("run")) == 3


def test_curves_have_places_of_their_own() -> None:
    panels = finer(
        curve_panels({"loss": [3.0, 2.0], "validation_loss": [3.5, 2.5], "r1": [0.5, 0.4]}),
        {"step": [1.0, 2.0, 3.0, 4.0], "loss": [4.0, 3.0, 2.5, 2.0], "r1": [0.5, math.nan, math.nan, 0.4]},
    )
    plot = draw_curves(panels, [2.0, 4.0], unit="update")
    axes, penalty = plot.figure.axes
    assert list(penalty.get_lines()[0].get_xdata()) == [1.0, 4.0], "without gaps"  # type: ignore[arg-type]
    assert axes.get_xlabel() == "update"
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}  # type: ignore[arg-type]
    assert lines == {
        "training": ([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.5, 2.0]),
        "validation": ([2.0, 4.0], [3.5, 2.5]),
    }
    assert plot.numbers is None, "updates.csv and metrics.csv have them"
