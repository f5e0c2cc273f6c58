"""The conditional VAE: what its label does, its likelihood given the class, and pictures whose class is found."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import Normal

import gentool
from gentool.errors import OptionError
from gentool.evaluation.likelihood import bounds
from gentool.latent.model import Model
from gentool.metrics.elbo import bernoulli_nll, gaussian_kl
from gentool.models.cvae import Options, build
from gentool.networks.real_nvp import RealNVP


@pytest.fixture(scope="module", params=["standard", "flow"])
def run(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("cvae") / "run"
    sizes = {"arch": "mlp", "hidden": 64, "latent_dim": 4, "prior": request.param}
    gentool.train("cvae", "digits", epochs=45, device="cpu", amp="off", out=folder, **sizes)
    return folder


@pytest.fixture
def model(run: Path) -> Model:
    return gentool.load(run, device="cpu")


def test_the_label_stands_beside_the_code() -> None:
    torch.manual_seed(0)
    network = build(Options(arch="mlp", hidden=8, latent_dim=2), (1, 4, 4), 3)
    z, scale = torch.randn(2, 2), math.sqrt(3 * 2)
    beside = network.with_label(z, torch.tensor([2, 0]))
    assert torch.equal(beside, torch.tensor([[*z[0], 0, 0, scale], [*z[1], scale, 0, 0]]))
    mixed = torch.tensor([[0.5, 0.5, 0.0]])
    assert torch.equal(network.with_label(z[:1], mixed), torch.tensor([[*z[0], scale / 2, scale / 2, 0]]))
    with pytest.raises(ValueError, match="needs labels"):
        network.decode(z)
    with pytest.raises(ValueError, match="needs labels"):
        network.encode(torch.zeros(2, 1, 4, 4))


def test_classes_are_generated_and_recognised(model: Model) -> None:
    test = gentool.load_data("digits").test
    asked = torch.arange(200) % 10
    samples = model.sample(200)
    assert model.classify(samples).eq(asked).float().mean() > 0.9
    assert model.classify(test.images).eq(test.labels).float().mean() > 0.85
    assert set(model.classify(test.images[:30], labels=["3", "8"]).tolist()) == {3, 8}
    same_code = model.decode(torch.zeros(10, 4), torch.arange(10))
    assert (same_code[:, None] - same_code[None]).abs().mean((2, 3, 4))[~torch.eye(10, dtype=torch.bool)].min() > 0.02


def test_pictures_are_rebuilt_with_their_class_or_the_likeliest(model: Model) -> None:
    test = gentool.load_data("digits").test
    x = test.images[:50].float() / 255
    given, found = model.reconstruct(x, test.labels[:50]), model.reconstruct(x)
    wrong = model.reconstruct(x, (test.labels[:50] + 1) % 10)
    errors = [float((images - x).square().mean()) for images in (given, found, wrong)]
    assert errors[0] < 0.04
    assert errors[1] < 1.1 * errors[0]
    assert errors[2] > 1.2 * errors[0]


def test_the_likelihood_is_that_given_the_class(model: Model) -> None:
    test = gentool.load_data("digits").test
    right = bounds(model, test.images, "static", 20, 40, labels=test.labels)
    wrong = bounds(model, test.images, "static", 20, 40, labels=(test.labels + 1) % 10)
    assert right.negative_elbo.mean() + 3 < wrong.negative_elbo.mean()
    assert right.negative_bound.mean() + 3 < wrong.negative_bound.mean()
    assert right.negative_bound.mean() < right.negative_elbo[:40].mean()
    with pytest.raises(OptionError, match="a cvae needs labels"):
        bounds(model, test.images, "static", 20, 40)
    # The class of an image is the one with the largest ELBO.
    x = test.images[:1].float() / 255
    terms = []
    for label in range(10):
        mean, logvar = model.posterior(x, [label])
        kl = divergence(model, mean, logvar, label)
        terms.append(float(bernoulli_nll(model.logits(mean, [label]), x) + kl))
    assert terms.index(min(terms)) == int(model.classify(x))
    same, label = test.images[:1].repeat(400, 1, 1, 1), int(test.labels[0])
    scored = bounds(model, same, "means", 1, 1, labels=torch.full((400,), label)).kl.mean()
    kl = divergence(model, *model.posterior(x, [label]), label, torch.randn(4000, 4))
    assert float(kl) == pytest.approx(float(scored), **({"rel": 1e-5} if model.density is None else {"abs": 0.03}))


def divergence(
    model: Model, mean: torch.Tensor, logvar: torch.Tensor, label: int, noise: torch.Tensor | None = None
) -> torch.Tensor:
    """KL(q || p) of one image by a formula, or with a flow by samples: without noise, from that at the mean."""
    if model.density is None:
        return gaussian_kl(mean, logvar).sum()
    noise = torch.zeros_like(mean) if noise is None else noise
    posterior = Normal(mean, (0.5 * logvar).exp())
    z = mean + posterior.scale * noise
    labels = torch.full((len(z),), label)
    weights = torch.nn.functional.one_hot(labels, 10).float()
    flow = model.network.flow
    assert isinstance(flow, RealNVP)
    derivatives = torch.func.vmap(torch.func.jacrev(lambda z, w: flow(z[None], w[None])[0]))(z, weights)
    prior = Normal(0.0, 1.0).log_prob(flow(z, weights)).sum(1) + torch.linalg.slogdet(derivatives).logabsdet
    return (posterior.log_prob(z).sum(1) - prior).mean().detach()


def test_the_code_of_a_picture_is_noise(model: Model) -> None:
    """Whatever the prior is, codes have the spread of N(0, I) and mean the same in `decode`."""
    test = gentool.load_data("digits").test
    codes = model.encode(test.images, test.labels)
    assert 0.02 < codes.square().mean() < 1.5
    mean, _ = model.posterior(test.images, test.labels)
    rebuilt = model.logits(mean.cpu(), test.labels).sigmoid()
    torch.testing.assert_close(model.decode(codes, test.labels), rebuilt.cpu(), rtol=0, atol=1e-4)
    if model.density is not None:
        assert (codes - mean.cpu()).abs().max() > 0.1


def test_the_prior_of_a_class_is_learnt_where_there_are_many_images() -> None:
    def resolved(images: int, **options: Any) -> str | None:
        return Options(**options).for_data(SimpleNamespace(train=range(images), shape=(1, 8, 8))).prior

    assert [resolved(9_999), resolved(10_000)] == ["standard", "flow"]
    assert resolved(10_000, latent_dim=1) == "standard"
    assert resolved(10_000, arch="mlp") == "standard"
    assert [resolved(50, prior="flow"), resolved(10_000, prior="standard")] == ["flow", "standard"]
    earlier = {name: value for name, value in Options().to_json().items() if name != "prior"}
    assert Options.from_json(earlier).prior == "standard"
    with pytest.raises(OptionError, match="--prior flow: needs --latent-dim 2 or more"):
        Options(prior="flow", latent_dim=1)


def test_every_command_takes_a_cvae(cli: Callable, run: Path, runs: Path) -> None:
    for command in (
        ["sample", "cvae", run, "--labels", "3,7", "--out", "s.png"],
        ["sample", run, "--prior", "gmm", "--components", 2, "--out", "g.png"],
        ["sample", run, "--manifold", "--labels", "3", "--dims", "0,1", "--along", 3, "--out", "m.png"],
        ["interpolate", run, "--through-classes", "3,8,0", "--rows", 2, "--out", "c.png"],
        ["interpolate", run, "--data", "digits", "--index", "1600,1601", "--out", "w.png"],
        ["reconstruct", run, "--untrained", "--out", "r.png"],
        ["project", run, "--index", 1600, "--steps", 5, "--out", "p.png"],
        ["embed", run, "--method", "pca", "--out", "embedding"],
        ["evaluate", run, "--samples", 100, "--half-samples", 2, "--k", 3, "--bound-images", 20, "--out", "scores"],
        ["compare", run, runs / "vae", "--samples", 60, "--k", 2, "--bound-images", 9, "--out", "both"],
        ["explore", run, "--out", "page.html"],
        ["report", run],
    ):
        done = cli(*command)
        assert done.code == 0, (command, done.err)
    with Path("scores/evaluation.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    assert any(name.startswith("agreement") for name in columns)
    assert any(name.startswith("negative_bound_k3") for name in columns)
    with Path("r.csv").open(newline="") as file:
        assert np.mean([float(row["mse"]) for row in csv.DictReader(file)]) < 0.05
    with Image.open(run / "samples" / "epoch-0045.png") as picture:
        assert picture.height > picture.width  # a row for each class


def test_a_picture_is_found_with_its_class(model: Model) -> None:
    data = gentool.load_data("digits").whole()
    walk = model.interpolate(data.images[1600], data.images[1601], steps=3)
    rebuilt = model.reconstruct(data.images[1600:1602])
    assert torch.allclose(walk[[0, 2]], rebuilt, atol=1e-5)
