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
TIMES = ("seconds", "images_per_second", "sha256")  # the digest of a result covers its times


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
    ("before", "now", "lengths"),
    [
        ({"epochs": 3}, {"epochs": 2}, ("3 epochs of 5 updates", "2 epochs of 5 updates")),
        ({"steps": 7}, {"steps": 5}, ("7 updates", "5 updates")),
        ({"steps": 5}, {"steps": 1}, ("5 updates", "1 update")),
        ({"epochs": 2}, {"steps": 9}, ("2 epochs of 5 updates", "9 updates")),
        ({"steps": 7}, {"epochs": 1}, ("7 updates", "1 epoch of 5 updates")),
    ],
    ids=str,
)
def test_a_run_can_only_grow(
    fit: Callable, folder: Path, before: dict[str, int], now: dict[str, int], lengths: tuple[str, str]
) -> None:
    fit(**before)
    held = files(folder)
    with pytest.raises(OptionError) as refused:
        fit(**now)
    assert str(refused.value) == (
        f"{folder}: the run is planned for {lengths[0]}, and {lengths[1]} would be shorter; a run can only grow. Give "
        "--out for a new folder, or --overwrite"
    )
    assert files(folder) == held


@pytest.mark.parametrize(
    ("now", "length"), [({"steps": 9}, "9 updates"), ({"epochs": 1}, "1 epoch of 5 updates")], ids=str
)
def test_a_run_of_the_default_length_can_only_grow(
    fit: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch, now: dict[str, int], length: str
) -> None:
    monkeypatch.setattr("gentool.engine.options.TrainOptions.updates", 10)
    fit()
    held = files(folder)
    with pytest.raises(OptionError) as refused:
        fit(**now)
    assert str(refused.value) == (
        f"{folder}: the run is planned for 2 epochs of 5 updates, and {length} would be shorter; a run can only grow. "
        "Give --out for a new folder, or --overwrite"
    )
    assert files(folder) == held
    assert [row["step"] for row in fit(steps=12).history] == [5, 10, 12]


def test_a_run_keeps_its_default_length(
    fit: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch, stopping: Callable
) -> None:
    monkeypatch.setattr("gentool.engine.options.TrainOptions.updates", 10)
    with stopping(2), pytest.raises(Stopped):
        fit()
    monkeypatch.setattr("gentool.engine.options.TrainOptions.updates", 5)  # another version
    assert json.loads((folder / "options.json").read_text())["updates"] == 10
    with pytest.raises(
        OptionError, match="planned for 2 epochs of 5 updates, and 1 epoch of 5 updates would be shorter"
    ):
        fit(epochs=1)
    assert [row["step"] for row in fit().history] == [5, 10]
    fit(epochs=3)
    assert [row["step"] for row in fit().history] == [5, 10, 15], "without a length, it keeps the one that it has"
    assert json.loads((folder / "options.json").read_text())["options"]["epochs"] == 3


@pytest.mark.parametrize("grown", [{"steps": 12}, {"epochs": 3}], ids=str)
def test_a_run_that_grows_from_within_an_epoch_has_a_row_per_epoch(
    fit: Callable, folder: Path, tmp_path: Path, grown: dict[str, int]
) -> None:
    plain = {"schedule": "constant", "kl_warmup": 0.0}  # nothing that depends on the length
    fit(steps=7, **plain)
    fit(**grown, **plain)
    straight = tmp_path / "straight"
    fit(straight, **grown, **plain)
    assert trained(folder) == trained(straight)
    assert [row["epoch"] for row in gentool.load(folder).history] == [1, 2, 3]


def test_the_command_says_it_in_one_line(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentool.engine.options.TrainOptions.updates", 10)
    tiny = ["--arch", "mlp", "--hidden", 16, "--batch-size", 256, "--device", "cpu"]
    command = ["train", "vae", "--data", "digits", *tiny, "--out", "run"]
    assert cli(*command).code == 0
    refused = cli(*command, "--steps", 3)
    assert refused.code == 2
    assert refused.err.startswith("gentool: run: the run is planned for 2 epochs of 5 updates, and 3 updates would be ")
    assert refused.err.count("\n") == 1
    assert cli(*command, "--steps", 3, "--overwrite").code == 0
    assert [row["step"] for row in gentool.load("run").history] == [3]


def test_a_stopped_run_can_only_grow(fit: Callable, folder: Path, stopping: Callable) -> None:
    with stopping(2), pytest.raises(Stopped):
        fit(epochs=3)
    with pytest.raises(
        OptionError, match="planned for 3 epochs of 5 updates, and 1 epoch of 5 updates would be shorter"
    ):
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
