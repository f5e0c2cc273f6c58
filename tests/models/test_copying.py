"""Samples that copy the training images, where these are few, are watched in the training of a GAN or a flow."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gentool
from gentool.engine.alarms import alarms
from gentool.models.adversarial import GAN
from gentool.models.sample_scores import copying

TINY: dict[str, Any] = {"width": 8, "latent_dim": 4, "batch_size": 32, "device": "cpu", "amp": "off"}
FEW = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)


def shares(run: str) -> list[tuple[int, float]]:
    with (Path(run) / "metrics.csv").open(newline="") as file:
        return [(int(row["step"]), float(row["near_copies"])) for row in csv.DictReader(file) if row["near_copies"]]


@pytest.mark.parametrize(("copied", "raised"), [(128, True), (64, True), (12, False), (0, False)])
def test_copies_raise_an_alarm_that_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, copied: int, raised: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    data = gentool.load_data(FEW)
    train = data.train.images.float() / 255
    made = 0

    def decode(self: GAN, z: Tensor, labels: Tensor | None = None) -> Tensor:
        nonlocal made
        first, made = made, made + len(z)
        images = torch.rand(len(z), 1, 8, 8)
        own = max(0, min(copied - first, len(z)))
        images[:own] = train[torch.arange(own) % len(train)]
        return images

    monkeypatch.setattr(GAN, "decode", decode)
    model = gentool.train("gan", data, steps=4, out="run", sample_every=0, stop_on_collapse=True, **TINY)
    assert shares("run") == [(4, pytest.approx(copied / 128, abs=0.02))]
    assert ("alarm_copying" in model.history.columns) == raised
    log = Path("run/log.txt").read_text()
    assert ("copying: " in log) == raised
    if raised:
        assert f"copying: {copied / 128:.0%} of the samples are training images with small changes" in log


def test_the_limit_of_the_alarm() -> None:
    share = {"near_copies": 0.5, "step": 1}
    assert [alarm.name for alarm in alarms([share], [copying])] == ["copying"]
    assert not alarms([{"near_copies": 0.15, "step": 1}], [copying])
    assert not alarms([share, {"step": 2}], [copying]), "not measured in this epoch"


def test_it_is_watched_every_250_updates_and_at_the_end(cli: Callable) -> None:
    np.save("few.npy", FEW)
    words = ["train", "gan", "--data", "few.npy", "--width", 8, "--latent-dim", 4, "--batch-size", 16, "--amp", "off"]
    done = cli(*words, "--steps", 520, "--sample-every", 0, "--device", "cpu", "--out", "run")
    assert done.code == 0, done.err
    # 51 training images make three updates in an epoch.
    assert [step for step, _ in shares("run")] == [252, 501, 520]
    assert all(0 <= share < 0.1 for _, share in shares("run"))


def test_many_images_are_not_watched(cli: Callable) -> None:
    assert cli("train", "gan", "--data", "faces", "--width", 8, "--steps", 2, "--out", "run").code == 0
    assert "near_copies" not in Path("run/metrics.csv").read_text()


def test_a_flow_is_watched_too(cli: Callable) -> None:
    np.save("few.npy", FEW)
    assert cli("train", "flow", "--data", "few.npy", "--width", 8, "--steps", 2, "--out", "run").code == 0
    assert [step for step, _ in shares("run")] == [2]


def test_images_that_are_all_alike_are_not_watched(cli: Callable) -> None:
    np.save("alike.npy", np.repeat(FEW[:2], 30, axis=0))
    done = cli("train", "gan", "--data", "alike.npy", "--width", 8, "--steps", 2, "--out", "run")
    assert done.code == 0, done.err
    assert "near_copies" not in Path("run/metrics.csv").read_text()
