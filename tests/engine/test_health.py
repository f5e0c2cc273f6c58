"""Whole trainings: healthy ones raise no alarm, spoilt ones do."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gentool.engine.alarms import MIN_DIVERSITY, WARM_UP_STEPS
from gentool.engine.run import Run
from gentool.networks.gan import Generator

MODELS = {
    "cae": ["--channels", "8,16", "--latent-dim", 8],
    "vae": ["--arch", "mlp", "--hidden", 64, "--latent-dim", 8],
    "cvae": ["--channels", "8,16", "--latent-dim", 8],
    "lstm-ae": ["--hidden", 32, "--latent-dim", 16],
    "gan": ["--width", 32, "--latent-dim", 16],
    "cgan": ["--width", 32, "--latent-dim", 16],
    "flow": ["--width", 16],
}
QUICK = ("--batch-size", 64, "--sample-every", 0, "--quiet", "--out", "run")


def raised() -> dict[int, list[str]]:
    """The alarms of a run, by epoch."""
    with (Path("run") / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {int(row["epoch"]): [name[6:] for name in row if name.startswith("alarm_") and row[name]] for row in rows}
    return {epoch: names for epoch, names in found.items() if names}


def spoil(monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    """Fifty times the learning rate for one network: the first or second that a model makes an optimizer for."""
    adam, made = Run.adam, []

    def fast(run: Run, network: torch.nn.Module, lr: float, **more: float) -> torch.optim.Optimizer:
        made.append(network)
        return adam(run, network, lr * (50 if len(made) == which else 1), **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "adam", fast)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("data", [["digits", "--epochs", 30], ["shapes", "--size", "16x16", "--epochs", 5]], ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_healthy_runs_raise_none(cli: Callable, model: str, data: list[object], seed: int) -> None:
    done = cli("train", model, "--data", *data, *MODELS[model], "--seed", seed, *QUICK)
    assert done.code == 0, done.err
    assert raised() == {}


def test_a_healthy_beginning_raises_none(cli: Callable) -> None:
    # While the weight of the KL rises, it falls from nats to nothing before any latent dimension is used.
    done = cli("train", "vae", "--arch", "mlp", "--data", "digits", "--epochs", 12, "--sample-every", 0, "--out", "run")
    assert done.code == 0, done.err
    assert raised() == {}


def test_a_spoilt_vae_is_called_and_stopped_on_request(cli: Callable) -> None:
    fast = ["--epochs", 30, "--lr", 0.1, "--schedule", "constant", "--sample-every", 0, "--out", "run"]
    command = ["train", "vae", "--data", "digits", *MODELS["vae"], *fast]
    done = cli(*command)
    assert done.code == 0
    found = raised()
    assert "posterior_collapse" in found[max(found)]
    first = min(epoch for epoch, names in found.items() if "posterior_collapse" in names)
    assert f"alarm in epoch {first}: posterior collapse" in done.err
    assert done.err.count("posterior collapse") == 1  # said when it is new, and not in every epoch
    assert done.err.count("posterior collapse") == (Path("run") / "log.txt").read_text().count("posterior collapse")
    stopped = cli(*command, "--overwrite", "--stop-on-collapse")
    assert stopped.code == 5
    assert "collapse" in stopped.err.strip().splitlines()[-1]
    assert list(raised()) == [min(found)]


def test_a_spoilt_discriminator_is_called(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, which=2)
    done = cli("train", "gan", "--data", "digits", "--epochs", 6, "--latent-dim", 16, *QUICK)
    assert done.code == 0
    assert raised()


def test_one_blob_for_all_is_called(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator that draws figures of one colour and varying outlines on the right ground: its pixels vary, and no
    alarm saw it."""
    figures = np.full((320, 16, 16, 3), 235, np.uint8)
    random = np.random.default_rng(0)
    for image in figures:
        top, left = random.integers(2, 6, 2)
        image[top : random.integers(9, 14), left : random.integers(9, 14)] = random.integers(0, 256, 3)
    np.save("figures.npy", figures)
    image = Generator.image

    def blob(generator: Generator, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        drawn = image(generator, z, labels)
        ground = torch.full_like(drawn, 0.84)
        ground[..., 4:12, 4:12] = -0.6
        outline = (z[:, :1] > 0).view(-1, 1, 1).expand(-1, 3, 16)
        ground[..., 3, 4:12] = torch.where(outline, -0.6, 0.84)[..., 4:12]
        return ground + 0.2 * (drawn - drawn.mean(0))

    monkeypatch.setattr(Generator, "image", blob)
    done = cli("train", "gan", "--data", "figures.npy", *MODELS["gan"], "--steps", 320, "--stop-on-collapse", *QUICK)
    assert done.code == 5
    assert "mode collapse: " in done.err
    assert "is the same in all of them" in done.err
    with (Path("run") / "metrics.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["diversity"]) > 2 * MIN_DIVERSITY, "the alarm of before was silent"
    assert int(last["step"]) >= WARM_UP_STEPS


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_single_images_are_no_collapse(cli: Callable, model: str) -> None:
    """One image in an update, and one validation image, do not vary."""
    np.save("few.npy", np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8))
    done = cli(
        "train", model, "--data", "few.npy", *MODELS[model], "--steps", 320, "--batch-size", 1, "--stop-on-collapse",
        "--sample-every", 0, "--quiet", "--out", "run",
    )  # fmt: skip
    assert done.code == 0, done.err
    with (Path("run") / "metrics.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert "validation_diversity" not in last
    if model == "gan":
        assert float(last["diversity"]) > 0.1


def test_an_autoencoder_that_is_worse_than_the_mean_image_is_called(cli: Callable) -> None:
    fast = ["--lr", 10, "--steps", 320, "--schedule", "constant", "--stop-on-collapse"]
    done = cli("train", "cae", "--data", "digits", *MODELS["cae"], *fast, *QUICK)
    assert done.code == 5
    assert "reconstructions are worse than the mean image: their squared error is 0." in done.err
    assert set(raised()) == {14}
