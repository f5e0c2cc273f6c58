"""Runs in a folder over several calls: they only grow, and a call that was killed between two files is made good."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import gentool
from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.engine import checkpoint
from gentool.errors import OptionError, Stopped
from gentool.latent.model import Model
from gentool.progress import Reporter

UPDATES = 5
"""Updates of an epoch."""
TIMES = ("seconds", "images_per_second")


@pytest.fixture
def digits(cache: Path) -> ImageData:
    return load_data("digits")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def fit(digits: ImageData, folder: Path) -> Callable[..., Model]:
    """Train a tiny model in `folder`, or elsewhere."""

    def train(out: Path = folder, **settings: Any) -> Model:
        tiny = {"arch": "mlp", "hidden": 16, "latent_dim": 4, "batch_size": 256, "device": "cpu", "ema": 0.9}
        return gentool.train("vae", digits, out=out, **{**tiny, **settings})

    return train


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def trained(folder: Path) -> dict[str, Any]:
    """What a run came to, without the times."""
    state = checkpoint.load(max(folder.glob("state-*.pt")), "state")[1]
    result = json.loads((folder / "result.json").read_text())
    rows = [json.dumps({k: v for k, v in row.items() if k not in TIMES}) for row in gentool.load(folder).history]
    return {
        "model": checkpoint.digest(checkpoint.load(folder / "model.pt", "model")[1]),
        "state": checkpoint.digest({name: state[name] for name in ("step", "parts", "losses", "rows", "total_steps")}),
        "states": sorted(path.name for path in folder.glob("state-*.pt"))[-1],
        "result": {name: value for name, value in result.items() if name not in TIMES},
        "rows": rows,
    }


@pytest.mark.parametrize(
    ("before", "now", "difference"),
    [
        ({"epochs": 3}, {"epochs": 2}, "--epochs was 3, is 2"),
        ({"steps": 7}, {"steps": 6}, "--steps was 7, is 6"),
        ({"epochs": 2}, {"steps": 99}, "--epochs was 2, is None"),
        ({"steps": 7}, {}, "--steps was 7, is None"),
    ],
    ids=str,
)
def test_a_shorter_run_is_another_run(
    fit: Callable, folder: Path, before: dict[str, int], now: dict[str, int], difference: str
) -> None:
    fit(**before)
    held = files(folder)
    with pytest.raises(OptionError) as refused:
        fit(**now)
    assert str(refused.value) == (
        f"{folder} holds another run: {difference}. Give --out for a new folder, or --overwrite to replace it"
    )
    assert files(folder) == held


@pytest.mark.parametrize("now", [{"steps": 9}, {"epochs": 1}], ids=str)
def test_a_run_of_the_usual_length_can_only_grow(
    fit: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch, now: dict[str, int]
) -> None:
    """Its length is in its state, not in its options."""
    monkeypatch.setattr("gentool.engine.options.TrainOptions.updates", 10)
    fit()
    held = files(folder)
    with pytest.raises(OptionError) as refused:
        fit(**now)
    assert str(refused.value) == (
        f"{folder}: the run was planned for 10 updates, and is now to make {now.get('steps', UPDATES)}; a run can only "
        "grow. Give --out for a new folder, or --overwrite"
    )
    assert files(folder) == held
    assert [row["step"] for row in fit(steps=12).history] == [5, 10, 12]


def test_the_command_says_it_in_one_line(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentool.engine.options.TrainOptions.updates", 10)
    command = ["train", "vae", "--arch", "mlp", "--hidden", 16, "--batch-size", 256, "--device", "cpu", "--out", "run"]
    assert cli(*command).code == 0
    refused = cli(*command, "--steps", 3)
    assert refused.code == 2
    assert refused.err.startswith("gentool: run: the run was planned for 10 updates, and is now to make 3; a run can")
    assert refused.err.count("\n") == 1
    assert cli(*command, "--steps", 3, "--overwrite").code == 0
    assert [row["step"] for row in gentool.load("run").history] == [3]


def test_a_stopped_run_can_only_grow(fit: Callable, folder: Path, stopping: Callable) -> None:
    with stopping(2), pytest.raises(Stopped):
        fit(epochs=3)
    with pytest.raises(OptionError, match="--epochs was 3, is 1"):
        fit(epochs=1)
    assert [row["epoch"] for row in fit(epochs=4).history] == [1, 2, 3, 4]


def test_a_run_that_grows_has_no_result_until_it_ends(fit: Callable, folder: Path) -> None:
    result = folder / "result.json"
    seen: list[tuple[int, bool]] = []

    class Watch(Reporter):
        def epoch(self, row: Mapping[str, int | float]) -> None:
            seen.append((int(row["epoch"]), result.exists()))

    fit(epochs=1)
    assert json.loads(result.read_text())["epoch"] == 1
    fit(epochs=3, reporter=Watch())
    assert seen == [(2, False), (3, False)]
    assert json.loads(result.read_text())["epoch"] == 3


def test_a_run_that_is_stopped_while_it_grows_has_no_result(fit: Callable, folder: Path, stopping: Callable) -> None:
    fit(epochs=1)
    with stopping(UPDATES + 2), pytest.raises(Stopped):
        fit(epochs=2)
    assert not (folder / "result.json").exists()
    fit(epochs=2)
    assert json.loads((folder / "result.json").read_text())["epoch"] == 2


def test_a_run_that_is_refused_keeps_its_result(fit: Callable, folder: Path) -> None:
    fit(epochs=2)
    held = (folder / "result.json").read_bytes()
    with pytest.raises(OptionError):
        fit(epochs=3, seed=1)
    assert (folder / "result.json").read_bytes() == held


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("written", range(7))
def test_a_run_that_was_killed_between_two_files_ends_as_one_that_was_not(
    fit: Callable, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Of three epochs, each writes a state and model.pt. The process is killed after this many files."""
    monkeypatch.setattr("gentool.engine.run.SAVE_SECONDS", 0.0)
    fit(out=tmp_path / "whole", epochs=3)
    save, saved = checkpoint.save, []

    def save_and_die(path: Path, *content: Any) -> None:
        if len(saved) == written:
            raise Killed
        save(path, *content)
        saved.append(path.name)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_die)
        if written < 6:
            with pytest.raises(Killed):
                fit(epochs=3)
        else:
            fit(epochs=3)
    states = [f"state-{UPDATES * epoch:09d}.pt" for epoch in (1, 2, 3)]
    assert saved == [states[0], "model.pt", states[1], "model.pt", states[2], "model.pt"][:written]
    fit(epochs=3)
    assert trained(folder) == trained(tmp_path / "whole")
    assert files(folder).keys() == files(tmp_path / "whole").keys()


def test_a_model_that_is_ahead_of_its_state_is_made_again(
    fit: Callable, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last model was written, its state was not: the next call makes both once more, from the state before."""
    monkeypatch.setattr("gentool.engine.run.SAVE_SECONDS", 0.0)
    fit(epochs=3)
    whole, before = trained(folder), (folder / "model.pt").stat().st_mtime_ns
    max(folder.glob("state-*.pt")).unlink()
    (folder / "result.json").unlink()
    epochs = []

    class Watch(Reporter):
        def epoch(self, row: Mapping[str, int | float]) -> None:
            epochs.append(row["epoch"])

    fit(epochs=3, reporter=Watch())
    assert epochs == [3]
    assert (folder / "model.pt").stat().st_mtime_ns > before
    assert trained(folder) == whole
