"""Each model learns: in a tiny run on digits its loss falls below a stated value."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gentool

DIGITS = {"batch_size": 64, "device": "cpu", "amp": "off", "seed": 3}


@pytest.fixture(scope="module")
def digits(cache: Path) -> gentool.ImageData:
    return gentool.load_data("digits")


def per_pixel_mean_error(data: gentool.ImageData) -> float:
    """The squared error of the mean training image: what a model without any code reaches."""
    mean = data.train.images.float().mean(0) / 255
    return (data.test.images.float() / 255 - mean).square().mean().item()


@pytest.mark.parametrize(
    ("model", "settings"),
    [("cae", {"channels": (8, 16)}), ("cae", {"arch": "mlp", "hidden": 64}), ("lstm-ae", {"hidden": 64})],
    ids=["cae", "cae of linear layers", "lstm-ae"],
)
def test_an_autoencoder_learns_to_reconstruct(
    digits: gentool.ImageData, model: str, settings: dict[str, object]
) -> None:
    trained = gentool.train(model, digits, epochs=15, latent_dim=16, **settings, **DIGITS)
    losses = trained.history["validation_loss"]
    without_code = per_pixel_mean_error(digits)
    assert without_code == pytest.approx(0.0716, abs=0.003)
    assert losses[0] > losses[-1]
    assert losses[-1] < 0.45 * without_code
    x = digits.test.images.float() / 255
    assert (trained.reconstruct(x) - x).square().mean() < 0.45 * without_code


def test_a_vae_learns(digits: gentool.ImageData) -> None:
    trained = gentool.train("vae", digits, epochs=15, latent_dim=8, kl_warmup=2, **DIGITS)
    history = trained.history
    assert history["validation_negative_elbo"][-1] < 27 < 31 < history["validation_negative_elbo"][0]
    assert history["validation_active_units"][-1] >= 6
    x = digits.test.images.float() / 255
    assert (trained.reconstruct(x) - x).square().mean() < 0.55 * per_pixel_mean_error(digits)


@pytest.fixture(scope="module")
def players(digits: gentool.ImageData) -> dict[str, gentool.Model]:
    """A GAN and a CGAN, trained once."""
    settings = {"width": 64, "latent_dim": 16, "augment": "none", "lr": 1e-3}
    return {model: gentool.train(model, digits, epochs=30, **settings, **DIGITS) for model in ("gan", "cgan")}


@pytest.mark.parametrize("model", ["gan", "cgan"])
def test_samples_of_a_gan_come_near_real_images(
    digits: gentool.ImageData, players: dict[str, gentool.Model], model: str
) -> None:
    trained = players[model]
    assert trained.history["class_entropy_ratio"][-1] > 0.8
    real = digits.train.images.float().flatten(1) / 255

    def distance(network: gentool.Model) -> float:
        return torch.cdist(network.sample(100).flatten(1), real).min(1).values.mean().item()

    among_real = torch.cdist(digits.test.images.float().flatten(1) / 255, real).min(1).values.mean().item()
    assert distance(trained.untrained()) > 2.5 * among_real
    assert distance(trained) < 1.7 * among_real


def test_a_cgan_learns_its_classes(digits: gentool.ImageData, players: dict[str, gentool.Model]) -> None:
    trained = players["cgan"]
    real, labels = digits.train.images.float().flatten(1) / 255, digits.train.labels
    assert labels is not None
    wanted = torch.arange(10).repeat_interleave(10)
    samples = trained.sample(100, labels=wanted)
    nearest = torch.cdist(samples.flatten(1), real).topk(5, largest=False).indices
    assert (labels[nearest].mode(1).values == wanted).float().mean() > 0.8


def test_runs_on_two_threads_are_equal(tmp_path: Path, cache: Path) -> None:
    """The same seed gives the same weights, also where two threads share the work."""
    code = (
        "import torch, gentool\n"
        "from gentool.engine.checkpoint import digest\n"
        "assert torch.get_num_threads() == 2\n"
        "data = gentool.load_data('digits')\n"
        "for name in gentool.MODELS:\n"
        "    model = gentool.train(name, data, steps=4, batch_size=128, device='cpu', amp='off')\n"
        "    print(name, digest(model.network.state_dict()))\n"
    )
    # A thread that has nothing to do sleeps: other tests need the core.
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}

    def run() -> list[str]:
        arguments = [sys.executable, "-c", code]
        ran = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return ran.stdout.splitlines()

    first = run()
    assert [line.split()[0] for line in first] == list(gentool.MODELS)
    assert first == run()
