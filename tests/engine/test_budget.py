"""`--budget`: how many updates fit into a time, kept by the run, and what it excludes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gentool.engine import budget, training
from gentool.engine.budget import updates_within
from gentool.errors import Diverged

TINY = ["--data", "digits", "--arch", "mlp", "--hidden", 8, "--latent-dim", 2, "--batch-size", 256, "--device", "cpu"]


def test_the_number_of_updates_follows_from_the_last_two_trials() -> None:
    trials: list[int] = []

    def seconds_of(steps: int) -> float:
        trials.append(steps)
        return 2 + 0.01 * steps

    planned, made = updates_within(seconds_of, 60.0, share=0.1)
    assert planned == 5800
    assert trials == [5, 5, 20, 80, 320, 1280]  # the first one is not counted; the last one took 10% of the budget
    assert made == [(steps, 2 + 0.01 * steps) for steps in trials[1:]]
    assert updates_within(seconds_of, 60.0, share=0.1, steps_per_epoch=1000)[0] == 5800  # trials of several epochs
    # What a trial within an epoch pays once is paid at the end of every epoch: 2 s for 2,000 updates of 0.01 s each.
    assert updates_within(seconds_of, 60.0, share=0.1, steps_per_epoch=2000)[0] == round(58 / 0.011)


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The budgets that were tried out: 1 s is 3 updates."""
    asked: list[float] = []

    def imitated(seconds_of: Callable[[int], float], seconds: float, **_: object) -> tuple[int, list]:
        asked.append(seconds)
        assert seconds_of(1) > 0
        return round(3 * seconds), []

    monkeypatch.setattr(training, "updates_within", imitated)
    return asked


def options_in(folder: str) -> dict:
    return dict(json.loads((Path(folder) / "options.json").read_text()))


def test_a_stopped_run_goes_on_to_the_same_number(
    cli: Callable, trials: list[float], stopping: Callable, tmp_path: Path
) -> None:
    command = ["train", "vae", *TINY, "--budget", "4s", "--out", "run"]
    with stopping(7):
        stopped = cli(*command)
    assert stopped.code == 75
    lines = stopped.err.splitlines()
    assert lines[:2] == ["--budget 4s: measuring how many updates fit", "--budget 4s: 12 updates fit"]
    assert lines[3].startswith("12 updates, ")
    assert cli(*command).code == 0
    assert trials == [4]
    noted = options_in("run")
    assert (noted["updates"], noted["options"]["budget"], noted["options"]["steps"]) == (12, "4s", None)
    assert noted["in_force"]["steps"] == 12
    assert noted["given"].count("budget") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"], "trials leave nothing"
    whole = cli("train", "vae", *TINY, "--steps", 12, "--out", "whole")
    assert whole.code == 0
    columns = [row.split(",")[:5] for row in Path("run/metrics.csv").read_text().splitlines()]
    assert columns == [row.split(",")[:5] for row in Path("whole/metrics.csv").read_text().splitlines()]
    again = cli(*command)
    assert "run: finished already, 12 updates; raise --budget to continue" in again.err


def test_it_can_grow_and_not_shrink(cli: Callable, trials: list[float]) -> None:
    command = ["train", "vae", *TINY, "--out", "run"]
    assert cli(*command, "--budget", "2s").code == 0
    assert "finished already, 6 updates" in cli(*command).err  # without a length it keeps the one that it has
    assert cli(*command, "--budget", "3s").code == 0
    assert options_in("run")["updates"] == 9
    refused = cli(*command, "--budget", "2s")
    assert refused.code == 2
    assert "the run is planned for 9 updates, and 6 updates would be shorter" in refused.err
    assert trials == [2, 3, 2]
    assert cli(*command, "--steps", 11).code == 0
    assert options_in("run")["options"]["budget"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", 3], "--budget: has no effect with --steps"),
        (["--epochs", 3], "--budget: has no effect with --epochs"),
        (["--budget", "soon"], "--budget: 'soon': expected a time such as 90s, 5m or 1.5h"),
    ],
)
def test_what_is_refused(cli: Callable, words: list[object], message: str) -> None:
    refused = cli("train", "vae", *TINY, "--budget", "10m", *words)
    assert (refused.code, refused.err) == (2, f"gentool: {message}\n")
    assert not Path("runs").exists()


def test_another_run_is_refused_before_anything_is_tried_out(cli: Callable, trials: list[float]) -> None:
    assert cli("train", "vae", *TINY, "--steps", 2, "--out", "run").code == 0
    refused = cli("train", "vae", *TINY, "--seed", 1, "--budget", "2s", "--out", "run")
    assert refused.code == 2
    assert "run holds another run: --seed was 0, is 1" in refused.err
    assert trials == []


def test_a_trial_that_is_stopped_or_diverges_says_so(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, stopping: Callable
) -> None:
    monkeypatch.setattr(budget, "FIRST_STEPS", 8)
    with stopping(3):
        stopped = cli("train", "vae", *TINY, "--budget", "1s", "--out", "run")
    assert stopped.code == 75
    assert stopped.err.endswith("stopped while measuring how many updates fit; run the same command to start again\n")
    assert not Path("run").exists()

    def diverging(*_: object, **__: object) -> None:
        raise Diverged("loss became NaN or infinite; the last good state is kept in /tmp/trial")

    monkeypatch.setattr(training, "updates_within", diverging)
    diverged = cli("train", "vae", *TINY, "--budget", "60s", "--out", "run")
    assert diverged.code == 5
    assert diverged.err.endswith("training diverged while measuring how many updates fit; try a lower --lr\n")


def test_seq2seq_takes_it_too(cli: Callable, trials: list[float]) -> None:
    words = ["--max-operand", 9, "--hidden", 8, "--embedding", 4, "--batch-size", 16, "--device", "cpu"]
    assert cli("seq2seq", "train", "text2text", *words, "--budget", "2s", "--out", "run").code == 0
    assert options_in("run")["updates"] == 6
    assert trials == [2]
