"""Nothing that gentool does draws from the random generators of the process, or seeds them."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gentool
from gentool.data.images import ImageData
from gentool.evaluation import classifier
from gentool.evaluation.classifier import classifier_of
from gentool.latent.loading import load
from gentool.latent.model import Model
from gentool.models import MODELS

VAE = {"arch": "mlp", "hidden": 16, "latent_dim": 4}
GAN = {"width": 16, "latent_dim": 8}
TINY: dict[str, dict[str, Any]] = {
    "cae": VAE, "vae": VAE, "cvae": VAE,
    "lstm-ae": {"hidden": 8, "latent_dim": 4}, "gan": GAN, "cgan": GAN, "flow": {"width": 8},
}  # fmt: skip


def states() -> dict[str, int]:
    """Digests of the states of the generators of the process."""
    _, keys, *rest = np.random.get_state()  # noqa: NPY002  # the old generator is the one of the process
    return {
        "torch": hash(torch.get_rng_state().numpy().tobytes()),
        "random": hash(random.getstate()),
        "numpy": hash((keys.tobytes(), *rest)),
    }


@pytest.fixture(autouse=True)
def _unchanged() -> Iterator[None]:
    """Every test in this file leaves the generators as they are, at numbers that no default seed gives."""
    torch.manual_seed(987)
    random.seed(987)
    np.random.seed(987)  # noqa: NPY002
    before = states()
    yield
    assert states() == before


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache folder, and two updates for what is trained for it."""
    monkeypatch.setenv("GENTOOL_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "UPDATES", 2)
    monkeypatch.setattr(classifier, "EPOCHS", 1)


@pytest.fixture
def vae(runs: Path) -> Model:
    return load(runs / "vae", device="cpu")


def test_a_drawn_number_changes_the_states() -> None:
    for draw in (lambda: torch.rand(1), random.random, np.random.rand):
        before = states()
        draw()
        assert states() != before
        torch.manual_seed(987)
        random.seed(987)
        np.random.seed(987)  # noqa: NPY002


@pytest.mark.parametrize("name", MODELS)
def test_loading(runs: Path, name: str) -> None:
    load(runs / name, device="cpu")


@pytest.mark.parametrize("name", MODELS)
def test_training_in_memory(digits: ImageData, name: str) -> None:
    gentool.train(name, digits, steps=2, batch_size=256, device="cpu", **TINY[name])


def test_training_in_a_folder_and_resuming(digits: ImageData, tmp_path: Path) -> None:
    for steps in (2, 3, 3):
        gentool.train("cae", digits, out=tmp_path / "run", steps=steps, batch_size=256, device="cpu", **VAE)


def test_training_of_a_network_for_sequences() -> None:
    network = gentool.seq2seq.train("text2text", max_operand=9, hidden=8, embedding=8, steps=2, device="cpu")
    network.solve("1+1")
    gentool.seq2seq.evaluate(network)


@pytest.mark.parametrize(
    "use",
    [
        lambda vae, data: vae.sample(5),
        lambda vae, data: vae.reconstruct(data.test.images[:5]),
        lambda vae, data: vae.interpolate(*data.test.images[:2], steps=3),
        lambda vae, data: vae.project(data.test.images[:1], steps=2, restarts=2),
        lambda vae, data: vae.untrained(),
        lambda vae, data: vae.traverse(along=2),
        lambda vae, data: vae.manifold(2, data=data),
        lambda vae, data: vae.sample(5, prior=vae.fit_prior(data, components=2)),
    ],
    ids=["sample", "reconstruct", "interpolate", "project", "untrained", "traverse", "manifold", "prior"],
)
def test_using_a_model(vae: Model, digits: ImageData, use: Callable[[Model, ImageData], Any]) -> None:
    use(vae, digits)


@pytest.mark.parametrize("features", ["classifier", "random"])
def test_evaluating(vae: Model, digits: ImageData, features: str) -> None:
    gentool.evaluate(vae, digits, samples=40, features=features, half_samples=2, k=2, bound_images=20)


def test_comparing(vae: Model, digits: ImageData) -> None:
    gentool.compare([vae], digits, samples=40, features="classifier", k=2, bound_images=20)


@pytest.mark.usefixtures("own_cache")
def test_training_the_classifier_of_an_evaluation(digits: ImageData) -> None:
    classifier_of(digits, torch.device("cpu"))


@pytest.mark.parametrize(
    "settings",
    [{}, {"gmm": "2", "repeats": 1, "class_components": 1}, {"method": "tsne", "points": 30}],
    ids=["pca", "gmm", "tsne"],
)
def test_embedding(vae: Model, digits: ImageData, settings: dict[str, Any]) -> None:
    gentool.embed(vae, digits, **settings)


def test_reading_and_preparing_images() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    gentool.load_data(pixels, labels=["a", "b"] * 20)
    gentool.load_data("digits", size=12)
