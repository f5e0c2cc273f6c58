"""The loss of the VAE: the ramp of the KL weight, and its default by the number of pixel values."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

import gentool
from gentool.engine.checkpoint import digest, load
from gentool.engine.randomness import rng
from gentool.engine.run import Run
from gentool.evaluation.likelihood import bounds
from gentool.models.vae import Options
from gentool.models.variational import VAE, FlowVAE, kl_weight, negative_bound, ramp

TINY = {"arch": "mlp", "hidden": 16, "latent_dim": 4, "batch_size": 256, "device": "cpu", "amp": "off"}
FLAGS = ("--arch", "mlp", "--hidden", 16, "--latent-dim", 4, "--batch-size", 256, "--device", "cpu", "--amp", "off")


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The weight of the KL term at each update: (loss - reconstruction) / kl."""
    seen: list[float] = []
    record = Run.record

    def watched(run: Run, terms: Mapping[str, Tensor]) -> None:
        exact = {name: value.double() for name, value in terms.items()}
        seen.append(((exact["loss"] - exact["reconstruction"]) / exact["kl"]).item())
        record(run, terms)

    monkeypatch.setattr(Run, "record", watched)
    return seen


@pytest.mark.parametrize(("settings", "beta"), [({}, 1.0), ({"beta": 4.0}, 4.0), ({"beta": 0.0}, 0.0)])
def test_the_kl_weight_rises_linearly_over_the_warm_up(
    weights: list[float], settings: dict[str, Any], beta: float
) -> None:
    gentool.train("vae", "digits", epochs=3, kl_warmup=2, **settings, **TINY)
    steps = 1527 // 256
    expected = [beta * min(1, (step + 1) / (2 * steps)) for step in range(3 * steps)]
    assert weights == pytest.approx(expected, abs=3e-3 * max(beta, 1))


def test_without_warm_up_the_weight_is_whole_from_the_start(weights: list[float]) -> None:
    gentool.train("vae", "digits", steps=2, kl_warmup=0, **TINY)
    assert weights == pytest.approx([1, 1], abs=3e-3)


def test_the_ramp() -> None:
    assert [ramp(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert ramp(0, 0) == 1


@pytest.mark.parametrize(
    ("shape", "weight"),
    [((1, 8, 8), 1), ((1, 28, 28), 1), ((1, 32, 32), 1), ((3, 24, 24), 1728 / 1024), ((3, 64, 64), 12)],
    ids=str,
)
def test_the_default_weight_grows_with_the_pixel_values(shape: tuple[int, int, int], weight: float) -> None:
    assert kl_weight(Options(), shape) == weight
    assert kl_weight(Options(beta=2.5), shape) == 2.5


def test_the_loss_on_large_images_has_the_larger_weight(weights: list[float]) -> None:
    images = torch.rand(40, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    gentool.train("vae", gentool.load_data(images), steps=1, kl_warmup=0, **(TINY | {"batch_size": 8}))
    assert weights == pytest.approx([1728 / 1024], abs=5e-3)


def test_dynamic_pixels_are_on_or_off_with_the_grey_values_as_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    forward = VAE.forward

    def watched(vae: VAE, x: Tensor, noise: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if vae.training:  # held-out images are one draw
            seen.append(x)
        return forward(vae, x, noise, labels)

    monkeypatch.setattr(VAE, "forward", watched)
    data = gentool.load_data("digits")
    gentool.train("vae", data, binarise="dynamic", epochs=40, **TINY)
    x = torch.cat(seen)
    assert set(x.unique().tolist()) == {0, 1}
    assert (x.mean(0) - data.train.images.float().mean(0) / 255).abs().max() < 0.01
    assert not torch.equal(seen[0].mean((1, 2, 3)).sort().values, seen[5].mean((1, 2, 3)).sort().values)


def test_static_pixels_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In every epoch and with every seed, an image has the same pixels, whatever its place in the batches."""
    seen: list[set[bytes]] = []
    forward = VAE.forward

    def watched(vae: VAE, x: Tensor, noise: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if vae.training:
            seen[-1] |= {image.numpy().tobytes() for image in x.byte()}
            assert set(x.unique().tolist()) == {0, 1}
        return forward(vae, x, noise, labels)

    monkeypatch.setattr(VAE, "forward", watched)
    data = gentool.load_data("digits")
    for epochs, seed in ((1, 0), (30, 0), (30, 1)):
        seen.append(set())
        gentool.train("vae", data, binarise="static", epochs=epochs, seed=seed, **TINY)
    assert len(seen[0]) == 1280  # five batches of an epoch
    assert seen[0] < seen[1] == seen[2]
    assert len(seen[1]) == len(data.train) == 1527
    pixels = torch.stack([torch.frombuffer(bytearray(image), dtype=torch.uint8) for image in seen[1]]).float()
    assert (pixels.mean(0).view(1, 8, 8) - data.train.images.float().mean(0) / 255).abs().max() < 0.06


def test_static_pixels_are_mirrored_with_the_image(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[bytes] = set()
    forward = VAE.forward

    def watched(vae: VAE, x: Tensor, noise: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if vae.training:
            seen.update(min(image.byte().numpy().tobytes(), image.flip(2).byte().numpy().tobytes()) for image in x)
        return forward(vae, x, noise, labels)

    monkeypatch.setattr(VAE, "forward", watched)
    gentool.train("vae", "digits", binarise="static", flip=True, epochs=20, **TINY)
    assert len(seen) <= 1527
    refused = cli("train", "vae", "--data", "digits", "--binarise", "static", "--zoom", 0.1, "--out", "run")
    assert refused.code == 2
    assert refused.err == "gentool: --binarise static: zooming makes binary pixels grey again; give --zoom 0\n"
    assert not Path("run").exists()


DRAWN = [["--iwae", 3], ["--binarise", "dynamic"], ["--binarise", "static"], ["--iwae", 2, "--binarise", "dynamic"]]


@pytest.mark.parametrize("settings", DRAWN, ids=str)
def test_a_stopped_run_on_drawn_pixels_or_with_several_samples_goes_on(
    cli: Callable, stopping: Callable, settings: list[object]
) -> None:
    command = ["train", "vae", "--data", "digits", *FLAGS, "--epochs", 2, *settings, "--out"]
    assert cli(*command, "whole").code == 0
    with stopping(7):
        assert cli(*command, "parts").code == 75
    assert cli(*command, "parts").code == 0
    digests = [digest(load(Path(name, "model.pt"), "model")[1]) for name in ("whole", "parts")]
    assert digests[0] == digests[1]
    columns = Path("whole/metrics.csv").read_text().splitlines()[0].split(",")
    assert ("negative_bound" in columns) == ("validation_negative_bound" in columns) == ("--iwae" in settings)
    assert "validation_negative_elbo" in columns


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("prior", ["standard", "flow"])
def test_the_held_out_bound_is_the_mean_of_the_weights(prior: str, classes: int) -> None:
    """-log of the mean over K of p(x, z) / q(z | x), computed with torch.distributions from the same noise."""
    x, labels = torch.rand(5, 1, 4, 4).round(), torch.arange(5) % 3 if classes else None
    kind = FlowVAE if prior == "flow" else VAE
    vae = kind(Options(arch="mlp", hidden="16", latent_dim=4), (1, 4, 4), classes)
    density = vae.learnt_prior()
    with torch.no_grad():
        found = negative_bound(vae, density, x, 6, labels, rng(0, "noise"))
        mean, logvar = vae.posterior(x, labels)
        random, ratios = rng(0, "noise"), []
        for _ in range(6):
            posterior = Independent(Normal(mean, (0.5 * logvar).exp()), 1)
            z = mean + (0.5 * logvar).exp() * torch.randn(5, 1, 4, generator=random)[:, 0]
            pixels = Independent(Bernoulli(logits=vae.logits(z, labels)), 3)
            standard = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)
            log_prior = standard.log_prob(z) if density is None else density.log_density(z, labels)
            ratios.append((pixels.log_prob(x) + log_prior - posterior.log_prob(z)).exp())
    assert found == pytest.approx(-torch.stack(ratios).mean(0).log().mean().item(), rel=1e-5)


def test_the_best_epoch_with_several_samples_is_that_of_their_bound(cli: Callable) -> None:
    """It falls with K, so it is below the negative ELBO; a test image has one as well."""
    words = ["train", "vae", "--data", "digits", *FLAGS, "--lr", 0.03, "--epochs", 4, "--iwae", 5, "--keep", "best"]
    assert cli(*words, "--out", "run").code == 0
    with Path("run/metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    bounds_of = [float(row["validation_negative_bound"]) for row in rows]
    assert all(bound < float(row["validation_negative_elbo"]) for bound, row in zip(bounds_of, rows, strict=True))
    assert load(Path("run/model-best.pt"), "model")[1]["score"] == pytest.approx(min(bounds_of))
    result = json.loads(Path("run/result.json").read_text())
    assert result["test_negative_bound"] < result["test_negative_elbo"]


def test_the_bound_of_an_importance_weighted_autoencoder_is_tighter() -> None:
    """Trained for the same number of updates, scored on the same images with the same number of samples."""
    scores = {}
    for k in (1, 8):
        model = gentool.train("vae", "digits", binarise="dynamic", iwae=k, epochs=80, kl_warmup=0, **TINY)
        images = gentool.load_data("digits").test.images
        scores[k] = bounds(model, images, "static", 50, len(images)).negative_bound.mean()
    assert scores[8] < scores[1]
