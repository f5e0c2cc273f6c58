"""--log: the numbers of metrics.csv in another program's log, whole after a resume as well."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from gentool.engine import loggers

TRAIN = ("train", "cae", "--data", "digits", "--channels", "4,8", "--latent-dim", 4, "--quiet", "--out", "run")


def table() -> dict[str, list[tuple[int, float]]]:
    """Each column of metrics.csv with the epochs of its values."""
    with (Path("run") / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name != "epoch"]
    return {name: [(int(row["epoch"]), float(row[name])) for row in rows if row[name]] for name in names}


@pytest.mark.filterwarnings("default")  # their own dependencies warn
def test_tensorboard_has_every_row_and_picture_once(cli: Callable) -> None:
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is an extra and not installed"
    )
    assert cli(*TRAIN, "--epochs", 2).code == 0
    assert not (Path("run") / "tensorboard").exists()
    for epochs in (2, 3):  # a finished run without a log, then one that grows with it
        assert cli(*TRAIN, "--epochs", epochs, "--log", "tensorboard").code == 0
        log = reading.EventAccumulator(str(Path("run") / "tensorboard"))
        log.Reload()
        found = {name: [(event.step, event.value) for event in log.Scalars(name)] for name in log.Tags()["scalars"]}
        expected = table()
        assert found.keys() == expected.keys()
        assert len(expected["loss"]) == epochs
        for name, values in expected.items():
            assert [step for step, _ in found[name]] == [step for step, _ in values]
            assert [value for _, value in found[name]] == pytest.approx([value for _, value in values], rel=1e-6)
        shown = log.Images("reconstructions")
        assert [event.step for event in shown] == list(range(1, epochs + 1))
        assert shown[0].width > 8


@pytest.mark.filterwarnings("default")
def test_wandb_stays_on_this_machine(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is an extra and not installed")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    done = cli(*TRAIN, "--epochs", 2, "--log", "wandb")
    assert done.code == 0, done.err
    (log,) = (Path("run") / "wandb").glob("offline-run-*/*.wandb")
    content = log.read_bytes()
    for name in ("validation_loss", "media/images/reconstructions"):
        assert name.encode() in content


def test_a_log_that_is_not_installed_is_refused_before_anything_is_written(
    cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    done = cli(*TRAIN, "--epochs", 1, "--log", "tensorboard")
    assert done.code == 2
    assert done.err.strip().endswith("--log tensorboard: needs another package: pip install tensorboard")
    assert not Path("run").exists()
