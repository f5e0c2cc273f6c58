"""What is done with a model that has learnt its prior: every code comes from there, unless another is asked for."""

import csv
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

import gentool
from gentool.cli.app import run
from gentool.engine.randomness import indexed_noise
from gentool.errors import OptionError
from gentool.evaluation import likelihood
from gentool.evaluation.likelihood import binarised, bounds, importance_bound
from gentool.figures.grids import grid
from gentool.latent.charts import normal_quantiles
from gentool.latent.model import Model
from gentool.latent.prior import LearntPrior
from gentool.metrics.elbo import Mixture
from gentool.networks.real_nvp import RealNVP

OPTIONS = ["--arch", "mlp", "--hidden", 16, "--latent-dim", 4, "--batch-size", 256, "--device", "cpu", "--epochs", 6]
PRIORS = ("mixture", "vamp")


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A small run for each learnt prior."""
    folder = tmp_path_factory.mktemp("learnt")
    for prior in PRIORS:
        command = ["train", "vae", "--data", "digits", *OPTIONS, "--prior", prior, "--components", 6, "--kl-warmup", 0]
        assert run([str(word) for word in [*command, "--quiet", "--out", folder / prior]]) == 0
    command = ["train", "vae", "--data", "digits", *OPTIONS, "--prior", "flow", "--kl-warmup", 0]
    assert run([str(word) for word in [*command, "--quiet", "--out", folder / "flow"]]) == 0
    return folder


def moved(path: Path, by: float, logvar: float) -> Model:
    """A model whose prior is moved away from N(0, I), so that a code or a density of the wrong one is seen."""
    model = gentool.load(path, device="cpu")
    assert model.prior is not None
    log_weights, means, logvars = model.prior.mixture
    vars(model)["density"] = LearntPrior(model.prior.kind, Mixture(log_weights, means + by, logvars + logvar))
    return model


@pytest.fixture(params=PRIORS)
def model(request: pytest.FixtureRequest, learnt: Path) -> Model:
    return moved(learnt / request.param, 30, -4)


@pytest.fixture(params=PRIORS)
def near(request: pytest.FixtureRequest, learnt: Path) -> Model:
    """A prior near enough for bounds of a few nats."""
    return moved(learnt / request.param, 1, -0.5)


def distribution(prior: LearntPrior) -> MixtureSameFamily:
    log_weights, means, logvars = prior.mixture
    return MixtureSameFamily(Categorical(logits=log_weights), Independent(Normal(means, (0.5 * logvars).exp()), 1))


def test_a_checkpoint_has_its_prior(learnt: Path, runs: Path) -> None:
    for name in PRIORS:
        prior = gentool.load(learnt / name, device="cpu").prior
        assert prior is not None
        assert (prior.kind, prior.components) == (name, 6)
        assert repr(prior) == f"<learnt prior ({name}), a mixture of 6 Gaussians in 4 dimensions>"
    for name in ("vae", "cvae", "cae", "gan", "flow"):
        assert gentool.load(runs / name, device="cpu").prior is None


def test_moments_and_density_are_those_of_torch_distributions(model: Model) -> None:
    assert model.prior is not None
    expected = distribution(model.prior)
    torch.testing.assert_close(model.prior.center, expected.mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.prior.deviations.square(), expected.variance, rtol=1e-3, atol=1e-3)
    z = model.draw_codes(50)
    torch.testing.assert_close(model.prior.log_density(z), expected.log_prob(z), rtol=1e-3, atol=1e-2)
    assert model.prior.log_density(z.view(5, 10, 4)).shape == (5, 10)


def test_a_code_is_a_function_of_the_seed_and_its_number(model: Model) -> None:
    z = model.draw_codes(3000, seed=3)
    assert model.prior is not None
    assert (z.mean(0) - model.prior.center).abs().max() < 0.1 * model.prior.deviations.max()
    assert z.std(0).tolist() == pytest.approx(model.prior.deviations.tolist(), rel=0.1)
    assert torch.equal(model.draw_codes(5, seed=3, first=70), z[70:75])
    assert not torch.equal(model.draw_codes(5, seed=4, first=70), z[70:75])


def test_samples_are_of_the_learnt_prior(model: Model) -> None:
    images = model.sample(70, seed=1)
    assert torch.equal(images, model.decode(model.draw_codes(70, seed=1)))
    assert torch.equal(model.sample(6, seed=1, first=64), images[64:])
    assert torch.equal(model.sample(numbers=[69, 3], seed=1), images[[69, 3]])
    assert model.prior is not None
    center = model.decode(model.prior.center[None])
    torch.testing.assert_close(model.sample(2, truncation=0), center.expand(2, -1, -1, -1))


def test_charts_lie_around_the_learnt_prior(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda z, labels=None: decoded.append(z) or decode(z, labels))
    model.traverse((2,), 5)
    model.manifold(3, dims=(0, 3))
    row, grid = decoded
    assert model.prior is not None
    center, deviations = model.prior.center, model.prior.deviations
    torch.testing.assert_close(row[:, 2], center[2] + normal_quantiles(5) * deviations[2])
    assert torch.equal(row[:, [0, 1, 3]], center[[0, 1, 3]].expand(5, -1))
    torch.testing.assert_close(grid[4], center)  # the middle
    torch.testing.assert_close(grid[5] - grid[4], torch.eye(4)[0] * deviations[0] * normal_quantiles(3)[2])


def test_a_search_begins_at_codes_of_the_learnt_prior(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    x, tried, decode = model.sample(1, seed=9), [], model.decode
    monkeypatch.setattr(model, "decode", lambda z, labels=None: tried.append(z) or decode(z, labels))
    found = model.project(x, steps=2, restarts=2)
    assert torch.equal(torch.cat(tried)[:2048], model.draw_codes(2048))
    assert found.mse.item() < 0.05


def test_walks_are_straight_between_codes_of_the_prior(cli: Callable, learnt: Path) -> None:
    done = cli("interpolate", learnt / "vamp", "--rows", 2, "--out", "walk.png", "--json")
    assert (done.code, json.loads(done.out.splitlines()[-1])["method"]) == (0, "linear")
    trained = gentool.load(learnt / "vamp", device="cpu")
    z = trained.draw_codes(2)
    ends = trained.interpolate(z[0], z[1], 3)
    torch.testing.assert_close(ends[1:2], trained.decode(z.mean(0, keepdim=True)))


@pytest.mark.parametrize("name", PRIORS)
def test_sample_takes_the_learnt_prior_unless_told_otherwise(cli: Callable, learnt: Path, name: str) -> None:
    asked = {"own": [], "normal": ["--prior", "normal"], "gmm": ["--prior", "gmm", "--components", 2]}
    for file, words in asked.items():
        assert cli("sample", learnt / name, "-n", 4, *words, "--scale", 1, "--out", f"{file}.png").code == 0
    trained = gentool.load(learnt / name, device="cpu")
    for file, images in {
        "own": trained.decode(trained.draw_codes(4)),
        "normal": trained.decode(indexed_noise(0, 0, 4, 4)),
    }.items():
        with Image.open(f"{file}.png") as picture:
            assert np.array_equal(np.asarray(picture), grid(images, scale=1)), file
    assert len({Path(f"{file}.png").read_bytes() for file in ("own", "normal", "gmm")}) == 3
    # Beside the checkpoint, each has a name of its own.
    assert cli("sample", learnt / name, "-n", 4).out.strip().endswith("model-samples-0.png")
    assert cli("sample", learnt / name, "-n", 4, "--prior", "normal").out.strip().endswith("model-samples-normal-0.png")
    assert cli("sample", learnt / name, "--traverse", "--prior", "normal").code == 2


def test_the_bounds_are_those_under_the_learnt_prior(near: Model) -> None:
    images = gentool.load_data("digits").test.images[:30]
    x = binarised(images, "static")
    assert near.prior is not None
    prior, (mean, logvar) = distribution(near.prior), near.posterior(x)
    posterior = Independent(Normal(mean, (0.5 * logvar).exp()), 1)
    torch.manual_seed(0)
    # The KL of many samples, against that of the one sample in `bounds`, on average.
    z = posterior.sample((2000,))
    expected = (posterior.log_prob(z) - prior.log_prob(z)).mean().item()
    found = bounds(near, images.repeat(40, 1, 1, 1), "static", 1, 30)
    standard = kl_divergence(Normal(mean, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(1).mean().item()
    assert abs(expected - standard) > 2
    assert found.kl.mean().item() == pytest.approx(expected, abs=0.3)
    # The same samples of the posterior, weighted by hand.
    tighter = importance_bound(near, x, 300, torch.Generator().manual_seed(0))
    noise = torch.randn(30, 300, 4, generator=torch.Generator().manual_seed(0))
    z = mean[:, None] + (0.5 * logvar).exp()[:, None] * noise
    logits = near.logits(z.flatten(0, 1)).flatten(1).unflatten(0, (30, 300))
    pixels = torch.distributions.Bernoulli(logits=logits).log_prob(x.flatten(1)[:, None]).sum(2)
    log_weights = pixels + prior.log_prob(z) - posterior.log_prob(z.transpose(0, 1)).T
    by_hand = log_weights.logsumexp(1) - torch.tensor(300.0).log()
    torch.testing.assert_close(tighter, by_hand.double(), rtol=0, atol=1e-3)


def test_the_bounds_of_a_flow_are_under_the_density_of_z(learnt: Path) -> None:
    model = gentool.load(learnt / "flow", device="cpu")
    flow = model.network.flow
    assert isinstance(flow, RealNVP)
    with torch.no_grad():
        for weights in flow.parameters():
            weights += 0.06 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(0))
    images = gentool.load_data("digits").test.images[:20]
    mean, logvar = model.posterior(binarised(images, "static"))
    posterior = Independent(Normal(mean, (0.5 * logvar).exp()), 1)

    def log_prior(z: torch.Tensor) -> torch.Tensor:
        flat = z.reshape(-1, 4)
        volume = torch.linalg.slogdet(torch.func.vmap(torch.func.jacrev(flow))(flat)).logabsdet
        with torch.no_grad():
            return (Normal(0.0, 1.0).log_prob(flow(flat)).sum(1) + volume).reshape(z.shape[:-1]).detach()

    torch.manual_seed(0)
    z = posterior.sample((500,))
    expected = (posterior.log_prob(z) - log_prior(z)).mean().item()
    found = bounds(model, images.repeat(40, 1, 1, 1), "static", 1, 20)
    assert found.kl.mean().item() == pytest.approx(expected, abs=0.3)
    standard = kl_divergence(Normal(mean, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(1).mean().item()
    assert abs(expected - standard) > 1
    tighter = importance_bound(model, binarised(images, "static"), 100, torch.Generator().manual_seed(0))
    noise = torch.randn(20, 100, 4, generator=torch.Generator().manual_seed(0))
    z = mean[:, None] + (0.5 * logvar).exp()[:, None] * noise
    logits = model.logits(z.flatten(0, 1)).flatten(1).unflatten(0, (20, 100))
    pixels = torch.distributions.Bernoulli(logits=logits).log_prob(binarised(images, "static").flatten(1)[:, None])
    weights = pixels.sum(2) + log_prior(z) - posterior.log_prob(z.transpose(0, 1)).T
    by_hand = weights.logsumexp(1) - torch.tensor(100.0).log()
    torch.testing.assert_close(tighter, by_hand.double(), rtol=0, atol=1e-3)


def test_the_codes_of_a_flow_are_standard_noise(cli: Callable, learnt: Path, runs: Path) -> None:
    model = gentool.load(learnt / "flow", device="cpu")
    assert model.prior is None
    assert torch.equal(model.draw_codes(4), indexed_noise(0, 0, 4, 4))
    z = torch.randn(3, 2, 4)
    assert torch.equal(model.log_prior(z), model.network.flow.log_density(z))  # type: ignore[operator, union-attr]
    normal = Independent(Normal(torch.zeros(4), 1.0), 1).log_prob(z)
    torch.testing.assert_close(gentool.load(runs / "vae", device="cpu").log_prior(z), normal)
    with pytest.raises(OptionError, match="a gan has no likelihood"):
        gentool.load(runs / "gan", device="cpu").log_prior(z)
    few = ["--samples", 60, "--features", "random", "--k", 3, "--bound-images", 20, "--half-samples", 0, "--out"]
    done = cli("evaluate", learnt / "flow", *few, "own")
    assert done.code == 0, done.err
    assert "samples and likelihoods are those of the prior learnt in training (flow)" in done.err
    assert (scores(Path("own"))["prior"], scores(Path("own"))["prior_of_training"]) == ("normal", "flow")
    with Path("own/dimensions.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["dimension", "mean", "variance", "active"]
    for command in (
        ["sample", "RUN", "--manifold", "--along", 3, "--out", "m.png"],
        ["sample", "RUN", "--traverse", "--along", 3, "--out", "t.png"],
        ["interpolate", "RUN", "--out", "i.png"],
        ["reconstruct", "RUN", "--out", "r.png"],
        ["project", "RUN", "--index", 1600, "--steps", 3, "--prior-weight", 0.1, "--out", "q.png"],
        ["embed", "RUN", "--method", "pca", "--out", "embedding"],
        ["explore", "RUN", "--out", "page.html"],
        ["report", "RUN"],
    ):
        done = cli(*[learnt / "flow" if word == "RUN" else word for word in command])
        assert done.code == 0, (command, done.err)


def test_many_components_are_taken_in_parts(near: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    x = binarised(gentool.load_data("digits").test.images[:30], "static")
    whole = importance_bound(near, x, 400, torch.Generator().manual_seed(0))
    assert near.prior is not None
    many = Mixture(*(part.repeat_interleave(50, dim=0) for part in near.prior.mixture))
    shapes: list[int] = []
    log_density = LearntPrior.log_density

    def watched(prior: LearntPrior, z: torch.Tensor) -> torch.Tensor:
        shapes.append(z[..., 0].numel() * prior.components)
        return log_density(prior, z)

    vars(near)["density"] = LearntPrior("mixture", many._replace(log_weights=many.log_weights - math.log(50)))
    monkeypatch.setattr(LearntPrior, "log_density", watched)
    monkeypatch.setattr(likelihood, "VALUES_AT_ONCE", 30 * 300 * 80)
    in_parts = importance_bound(near, x, 400, torch.Generator().manual_seed(0))
    assert shapes == [30 * 300 * 80] * 5
    assert in_parts.mean().item() == pytest.approx(whole.mean().item(), abs=0.3)


def scores(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return found


def test_scores_say_which_prior_they_are_of(cli: Callable, learnt: Path, runs: Path) -> None:
    few: list[object] = ["--samples", 60, "--features", "random", "--k", 3, "--bound-images", 20, "--out"]
    done = cli("compare", learnt / "vamp", learnt / "mixture", runs / "vae", *few, "side-by-side")
    assert done.code == 0, done.err
    few = ["--half-samples", 0, *few]
    done = cli("evaluate", learnt / "vamp", *few, "own")
    assert done.code == 0, done.err
    assert "samples and likelihoods are those of the prior learnt in training (vamp, 6 components)" in done.err
    assert (scores(Path("own"))["prior"], scores(Path("own"))["components"]) == ("vamp", 6)
    with Path("own/dimensions.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["dimension", "mean", "variance", "active"]  # the KL is no sum over dimensions
    done = cli("evaluate", learnt / "vamp", "--prior", "normal", *few, "normal")
    assert "samples are drawn with --prior normal; likelihoods are those of the prior learnt in training (v" in done.err
    assert scores(Path("normal"))["prior"] == "normal"
    own, normal = (scores(Path(name))["rows"] for name in ("own", "normal"))
    assert own[0]["fid_random_60"] != normal[0]["fid_random_60"]
    bound = next(name for name in own[-3] if name.startswith("negative_bound"))
    assert own[-3][bound] == normal[-3][bound]
    assert cli("evaluate", runs / "vae", *few, "standard").code == 0
    assert scores(Path("standard"))["prior"] == "normal"
    assert "components" not in scores(Path("standard"))


def test_every_other_command_takes_a_learnt_prior(cli: Callable, learnt: Path) -> None:
    for command in (
        ["sample", "RUN", "--manifold", "--dims", "0,1", "--along", 3, "--out", "m.png"],
        ["sample", "RUN", "--manifold", "--along", 3, "--out", "p.png"],
        ["sample", "RUN", "--traverse", "--along", 3, "--out", "t.png"],
        ["reconstruct", "RUN", "--untrained", "--out", "r.png"],
        ["project", "RUN", "--index", 1600, "--steps", 3, "--out", "q.png"],
        ["embed", "RUN", "--method", "pca", "--out", "embedding"],
        ["explore", "RUN", "--out", "page.html"],
        ["report", "RUN"],
        ["info", "RUN"],
    ):
        done = cli(*[learnt / "vamp" if word == "RUN" else word for word in command])
        assert done.code == 0, (command, done.err)
    card = json.loads(Path("embedding/latent_card.json").read_text())
    assert "kl" not in card
    assert 0 <= card["active_units"] <= 4
    found = re.search(r'id="content">(.*?)</script>', Path("page.html").read_text(encoding="utf-8"), re.S)
    assert found
    page = json.loads(found[1])
    prior = gentool.load(learnt / "vamp", device="cpu").prior
    assert prior is not None
    torch.testing.assert_close(torch.tensor(page["prior"]["means"]), prior.mixture.means, rtol=1e-4, atol=1e-4)
    assert page["prior"]["ends"][-1] == 1
    assert len(page["prior"]["deviations"]) == 6
    refused = cli("project", learnt / "vamp", "--index", 1600, "--prior-weight", 0.1)
    assert refused.code == 2
    assert refused.err.endswith("gentool: --prior-weight: has no effect on a vae with a learnt prior\n")


def test_an_average_of_weights_has_its_own_prior(cli: Callable) -> None:
    """model.pt has the averaged pseudo-inputs, not those of the last update."""
    found = {}
    for ema in (0, 0.99):
        command = ["train", "vae", "--data", "digits", *OPTIONS, "--prior", "mixture", "--components", 3]
        assert cli(*command, "--ema", ema, "--out", f"ema-{ema}").code == 0
        prior = gentool.load(f"ema-{ema}", device="cpu").prior
        assert prior is not None
        found[ema] = prior.mixture.means
    assert not torch.equal(found[0], found[0.99])
