"""A trained model in Python: loading, saving, training, and what its methods promise."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gentool.data.load import load_data
from gentool.errors import CheckpointError, DataError, OptionError
from gentool.latent.loading import load, train
from gentool.latent.model import Model
from gentool.models import MODELS


def test_a_saved_model_is_the_same_model(runs: Path, tmp_path: Path) -> None:
    vae = load(runs / "vae", device="cpu")
    assert vae.path == runs / "vae" / "model.pt"
    assert [row["epoch"] for row in vae.history] == [1]
    again = load(vae.save(tmp_path / "copy.pt"), device="cpu")
    assert torch.equal(again.sample(3, seed=2), vae.sample(3, seed=2))
    assert (
        repr(again) == repr(vae) == f"<vae trained on digits: {vae.parameters:,} parameters, 1x8x8 images, 4 latents>"
    )
    assert len(again.history) == 0
    with pytest.raises(CheckpointError, match=r"copy\.pt: holds a vae, not a gan; give `vae` as the model"):
        Model.load(tmp_path / "copy.pt", name="gan")


def test_models_are_trained_loaded_and_sampled_without_the_compiler(runs: Path, tmp_path: Path) -> None:
    """PyTorch imports it as soon as certain operations run on tensors without memory, or in the first step of an
    optimizer; it takes seconds."""
    code = (
        "import sys, gentool\n"
        "def look(name):\n"
        "    print(name, *(name for name in ('torch._dynamo', 'torch._inductor', 'sympy') if name in sys.modules))\n"
        "for name, prior in (*((name, {}) for name in gentool.MODELS),\n"
        "                    *(('vae', {'prior': prior}) for prior in ('mixture', 'vamp', 'flow'))):\n"
        "    gentool.train(name, gentool.load_data('digits'), steps=1, device='cpu', **prior)\n"
        "    look(name)\n"
        "gentool.train('gan', gentool.load_data('faces', count=60), width=16, steps=1, device='cpu', out=sys.argv[1])\n"
        "for path in sys.argv[1:]:\n"
        "    gentool.load(path).sample(1)\n"
        "    look(path)\n"
    )
    paths = [str(tmp_path / "palette"), *map(str, sorted(runs.iterdir()))]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [*MODELS, "vae", "vae", "vae", *paths]


def test_abilities_are_those_of_the_network(runs: Path) -> None:
    models = {name: load(runs / name, device="cpu") for name in ("cae", "vae", "lstm-ae", "gan", "cgan")}
    assert [name for name, model in models.items() if model.encodes] == ["cae", "vae", "lstm-ae"]
    assert [name for name, model in models.items() if model.has_likelihood] == ["vae"]
    assert [name for name, model in models.items() if model.is_conditional] == ["cgan"]
    assert models["cgan"].classes == tuple("0123456789")
    assert models["gan"].classes == ()
    x = torch.zeros(1, 1, 8, 8)
    with pytest.raises(OptionError, match=r"a gan has no encoder .*\(models with one: cae, vae, cvae and lstm-ae\)"):
        models["gan"].reconstruct(x)
    with pytest.raises(OptionError, match=r"a cae has no likelihood \(models with one: vae and cvae\)"):
        models["cae"].posterior(x)
    with pytest.raises(OptionError, match=r"a vae is not conditional \(conditional models: cvae, cgan and flow\)"):
        models["vae"].sample(3, labels=1)
    with pytest.raises(OptionError, match="a vae has no sampling options"):
        models["vae"].with_sampling(steps=3)


def test_the_untrained_model_differs_in_its_weights_alone(runs: Path) -> None:
    vae = load(runs / "vae", device="cpu")
    state = torch.get_rng_state()
    fresh = vae.untrained()
    assert torch.equal(torch.get_rng_state(), state)
    assert repr(fresh) == repr(vae)
    assert not torch.equal(fresh.sample(2), vae.sample(2))
    assert torch.equal(fresh.sample(2), vae.untrained().sample(2))


def test_interpolation_ends_at_what_was_given(runs: Path) -> None:
    vae, gan = load(runs / "vae", device="cpu"), load(runs / "gan", device="cpu")
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    images = vae.interpolate(x[0], x[1], 5)
    assert images.shape == (5, 1, 8, 8)
    assert torch.allclose(images[[0, -1]], vae.reconstruct(x), atol=1e-6)
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(gan.interpolate(z[0], z[1], 3)[[0, -1]], gan.decode(z), atol=1e-6)
    assert torch.allclose(gan.interpolate(z[0], z[1], 3, method="linear")[1], gan.decode(z.mean(0)[None])[0], atol=1e-6)
    cgan = load(runs / "cgan", device="cpu")
    assert torch.allclose(
        cgan.interpolate(z[0], z[1], 3, labels=7)[0], cgan.decode(z, torch.tensor([7, 7]))[0], atol=1e-6
    )


@pytest.fixture
def telling(runs: Path) -> Model:
    """A conditional generator made to tell its classes apart: the tiny one has not learnt to."""
    cgan = load(runs / "cgan", device="cpu")
    with torch.no_grad():
        cgan.network.embed.weight.mul_(100)  # type: ignore[operator, union-attr]
    return cgan


def test_classes_of_images_are_found_at_both_ends(telling: Model) -> None:
    x = telling.sample(2, seed=2, labels=torch.tensor([3, 8]))
    images = telling.interpolate(x[0], x[1], 3)
    assert images.shape == (3, 1, 8, 8)
    assert (images[[0, -1]] - x).square().flatten(1).mean(1).max() < 1e-4


def test_images_of_one_class_are_searched_in_it_and_decoded_with_it(telling: Model) -> None:
    x = telling.sample(2, seed=2, labels=torch.tensor([3, 3]))
    images = telling.interpolate(x[0], x[1], 3, labels="3")
    assert (images[[0, -1]] - x).square().flatten(1).mean(1).max() < 1e-4
    other = telling.interpolate(x[0], x[1], 3, labels=[8])
    found = telling.project(x, labels="8")
    assert (other[[0, -1]] - x).square().mean() > 1e-3
    assert torch.allclose(other[0], found.images[0], atol=0.05)


def test_each_image_is_searched_in_its_own_class(telling: Model) -> None:
    x = telling.sample(2, seed=2, labels=torch.tensor([3, 8]))
    images = telling.interpolate(x[0], x[1], 3, labels=[8, 3])
    assert torch.allclose(images[0], telling.project(x[:1], labels="8").images[0], atol=1e-5)
    assert torch.allclose(images[-1], telling.project(x[1:], labels="3").images[0], atol=1e-5)


def test_ends_of_a_walk_are_codes_or_images(telling: Model) -> None:
    with pytest.raises(DataError, match=r"^expected a code \(8,\) or an image \(1, 8, 8\), got list$"):
        telling.interpolate([0.0] * 8, [1.0] * 8, 3, labels=1)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"or an image \(1, 8, 8\), got shape \(2, 8\)$"):
        telling.interpolate(torch.zeros(2, 8), torch.zeros(2, 8), 3, labels=1)


def test_codes_of_two_classes_are_mixed_on_the_way(telling: Model) -> None:
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    images = telling.interpolate(z[0], z[1], 5, method="linear", labels=["3", 8])
    assert torch.allclose(images[0], telling.decode(z[:1], [3])[0], atol=1e-5)
    assert torch.allclose(images[-1], telling.decode(z[1:], [8])[0], atol=1e-5)
    weights = torch.zeros(1, 10)
    weights[0, 3], weights[0, 8] = 0.75, 0.25
    quarter = telling.decode((0.75 * z[0] + 0.25 * z[1])[None], weights)[0]
    assert torch.allclose(images[1], quarter, atol=1e-4)
    assert not torch.allclose(images[1], telling.interpolate(z[0], z[1], 5, method="linear", labels=3)[1], atol=1e-2)


def test_labels_of_a_walk_are_checked(telling: Model) -> None:
    ends = torch.zeros(8), torch.ones(8)
    with pytest.raises(OptionError, match=r"^--labels: give one class, or one for each end$"):
        telling.interpolate(*ends, 3, labels=[1, 2, 3])
    with pytest.raises(OptionError, match=r"^--labels: no class '12'; there are 0, 1, 2"):
        telling.interpolate(*ends, 3, labels=["1", "12"])
    with pytest.raises(
        OptionError, match=r"^a cgan needs labels, the class of each end, to interpolate between codes$"
    ):
        telling.interpolate(*ends, 3)
    with pytest.raises(OptionError, match=r"^--steps: expected a whole number of at least 2, got 1$"):
        telling.interpolate(*ends, 1, labels=1)
    with pytest.raises(OptionError, match=r"^--method: 'arc' is not one of auto, linear, slerp$"):
        telling.interpolate(*ends, 3, labels=1, method="arc")  # type: ignore[arg-type]


def test_training_in_memory_gives_the_model_that_a_run_saves(tmp_path: Path) -> None:
    options: dict[str, Any] = {"channels": (4, 8), "latent_dim": 2, "steps": 3, "device": "cpu"}
    cae = train("cae", "digits", **options)
    assert cae.path is None
    assert [row["step"] for row in cae.history] == [3]
    saved = train("cae", "digits", out=tmp_path / "run", **options)
    assert saved.path == tmp_path / "run" / "model.pt"
    assert torch.equal(cae.sample(4), saved.sample(4))
    finished = train("cae", "digits", out=tmp_path / "run", **options)
    assert torch.equal(finished.sample(4), saved.sample(4))
    with pytest.raises(OptionError, match=r"no model 'vea'; .*Did you mean 'vae'"):
        train("vea", "digits")


@pytest.mark.parametrize("name", ["cae", "vae", "gan"])
def test_a_trained_model_computes_what_the_loaded_one_does(tmp_path: Path, name: str) -> None:
    x = load_data("digits").test.images
    trained = train(name, "digits", steps=3, out=tmp_path / "run", device="cpu")
    loaded = load(tmp_path / "run", device="cpu")
    assert torch.equal(trained.sample(30), loaded.sample(30))
    if trained.encodes:
        assert torch.equal(trained.encode(x), loaded.encode(x))
