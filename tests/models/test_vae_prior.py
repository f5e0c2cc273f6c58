"""Learnt priors of the VAE in training: what they begin with, their loss, and runs that stop and go on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

import gentool
from gentool.engine.checkpoint import digest, load, save
from gentool.engine.run import Run
from gentool.errors import OptionError
from gentool.metrics.elbo import bernoulli_nll
from gentool.models.vae import FlowVAE, MixtureVAE, Options, VampVAE, build
from gentool.models.variational import VAE, posterior_collapse

SHAPE = (1, 8, 8)
TINY = {"arch": "mlp", "hidden": 16, "latent_dim": 4, "batch_size": 256, "device": "cpu", "amp": "off"}
FLAGS = ("--arch", "mlp", "--hidden", 16, "--latent-dim", 4, "--batch-size", 256, "--device", "cpu", "--amp", "off")
LEARNT = {"mixture": MixtureVAE, "vamp": VampVAE}
FEW = {"mixture": {"components": 5}, "vamp": {"components": 5}, "flow": {}}


@pytest.mark.parametrize("prior", LEARNT)
def test_the_network_has_the_prior_that_is_asked_for(prior: Any) -> None:
    vae = build(Options(prior=prior, components=7, latent_dim=4), SHAPE, 0)
    assert type(vae) is LEARNT[prior]
    assert (vae.prior_name, vae.gaussian_prior) == (prior, False)
    log_weights, means, logvars = vae.learnt_prior()
    assert (log_weights.shape, means.shape, logvars.shape) == ((7,), (7, 4), (7, 4))
    assert log_weights.exp().sum().item() == pytest.approx(1)
    standard = build(Options(latent_dim=4), SHAPE, 0)
    assert type(standard) is VAE
    assert standard.gaussian_prior
    assert standard.learnt_prior() is None


def test_a_mixture_begins_with_the_moments_of_standard_noise() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = build(Options(prior="mixture", components=4000, latent_dim=4), SHAPE, 0).learnt_prior()
    assert prior is not None
    log_weights, means, logvars = (part.detach() for part in prior)
    assert log_weights.exp() @ means == pytest.approx([0] * 4, abs=0.05)
    assert log_weights.exp() @ (means.square() + logvars.exp()) == pytest.approx([1] * 4, abs=0.05)


def test_the_components_of_a_vamp_prior_are_the_posteriors_of_its_pseudo_inputs() -> None:
    vae = build(Options(prior="vamp", components=3, arch="mlp", latent_dim=4), SHAPE, 0)
    assert isinstance(vae, VampVAE)
    x = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0)).clamp(0.05, 0.95)
    vae.start_at(x)
    mean, logvar = vae.posterior(x)
    log_weights, means, logvars = vae.learnt_prior()
    torch.testing.assert_close(means, mean, rtol=0, atol=1e-5)
    torch.testing.assert_close(logvars, logvar, rtol=0, atol=1e-5)
    assert log_weights.exp().tolist() == pytest.approx([1 / 3] * 3)
    vae.start_at(torch.ones(3, *SHAPE))  # a logit that is infinite would never move
    assert vae.pseudo_inputs.isfinite().all()
    gradients = torch.autograd.grad(vae.learnt_prior().means.sum(), vae.pseudo_inputs)
    assert gradients[0].abs().max() > 0


def test_pseudo_inputs_begin_as_different_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Tensor] = []
    start_at = VampVAE.start_at

    def watched(vae: VampVAE, x: Tensor) -> None:
        begun.append(x)
        start_at(vae, x)

    monkeypatch.setattr(VampVAE, "start_at", watched)
    data = gentool.load_data("digits")
    for seed in (0, 0, 1):
        gentool.train("vae", data, prior="vamp", components=20, steps=1, seed=seed, **TINY)
    images = {image.numpy().tobytes() for image in data.train.images}
    chosen = {image.numpy().tobytes() for image in (begun[0] * 255).round().byte()}
    assert chosen <= images
    assert len(chosen) == 20
    assert torch.equal(begun[0], begun[1])
    assert not torch.equal(begun[0], begun[2])


def test_the_code_of_a_flow_is_the_noise_that_becomes_z() -> None:
    vae = build(Options(prior="flow", arch="mlp", latent_dim=4), SHAPE, 0)
    assert isinstance(vae, FlowVAE)
    assert (vae.prior_name, vae.gaussian_prior) == ("flow", True)
    with torch.no_grad():
        for weights in vae.flow.parameters():
            weights += 0.1 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(0))
        x = torch.rand(6, *SHAPE, generator=torch.Generator().manual_seed(0))
        mean, _ = vae.posterior(x)
        codes = vae.encode(x)
        torch.testing.assert_close(vae.flow.inverse(codes), mean, rtol=0, atol=1e-4)
        assert (codes - mean).abs().max() > 0.01
        torch.testing.assert_close(vae.decode(codes), vae.logits(mean).sigmoid(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("prior", FEW)
def test_the_loss_of_an_update_is_that_of_torch_distributions(prior: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first update, computed again from its images, its noise and the network before it."""
    seen: dict[str, Any] = {}
    forward, record = VAE.forward, Run.record

    def watched(vae: VAE, x: Tensor, noise: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        logits, mean, logvar = forward(vae, x, noise, labels)
        if vae.training and not seen:
            z = mean + (0.5 * logvar).exp() * noise
            if isinstance(vae, FlowVAE):
                log_prior = vae.flow.log_density(z)  # tested against its own definition
            else:
                log_weights, means, logvars = vae.learnt_prior()  # type: ignore[misc]
                components = Independent(Normal(means, (0.5 * logvars).exp()), 1)
                log_prior = MixtureSameFamily(Categorical(logits=log_weights), components).log_prob(z)
            log_posterior = Independent(Normal(mean, (0.5 * logvar).exp()), 1).log_prob(z)
            seen.update(expected=(log_posterior - log_prior).mean().item(), nll=bernoulli_nll(logits, x).mean().item())
        return logits, mean, logvar

    def recorded(run: Run, terms: Mapping[str, Tensor]) -> None:
        seen.update({name: value.item() for name, value in terms.items()})
        record(run, terms)

    monkeypatch.setattr(VAE, "forward", watched)
    monkeypatch.setattr(Run, "record", recorded)
    gentool.train("vae", "digits", prior=prior, beta=0.5, kl_warmup=0, steps=1, **FEW[prior], **TINY)
    assert seen["kl"] == pytest.approx(seen["expected"], rel=1e-4)
    assert seen["reconstruction"] == pytest.approx(seen["nll"], rel=1e-4)
    assert seen["loss"] == pytest.approx(seen["nll"] + 0.5 * seen["expected"], rel=1e-4)


@pytest.mark.parametrize("prior", FEW)
@pytest.mark.parametrize("settings", [[], ["--iwae", 2], ["--ema", 0]], ids=str)
def test_a_stopped_run_goes_on_bit_for_bit(
    cli: Callable, stopping: Callable, prior: str, settings: list[object]
) -> None:
    command = ["train", "vae", "--data", "digits", *FLAGS, "--epochs", 2, "--prior", prior]
    command += [*(["--components", 6] if FEW[prior] else []), *settings, "--out"]
    assert cli(*command, "whole").code == 0
    with stopping(7):
        assert cli(*command, "parts").code == 75
    assert cli(*command, "parts").code == 0
    digests = [digest(load(Path(name, "model.pt"), "model")[1]) for name in ("whole", "parts")]
    assert digests[0] == digests[1]
    samples = [Path(name, "samples", "epoch-0002.png").read_bytes() for name in ("whole", "parts")]
    assert samples[0] == samples[1]


def test_the_number_of_components_follows_the_training_images(cli: Callable) -> None:
    command = ["train", "vae", "--data", "digits", *FLAGS, "--steps", 2, "--prior", "vamp", "--out", "run"]
    assert cli(*command).code == 0
    noted = json.loads(Path("run/options.json").read_text())
    assert noted["options"]["components"] == 1527 // 10
    assert "components" not in noted["given"]
    assert "prior" in noted["given"]
    assert gentool.load("run").prior.components == 152  # type: ignore[union-attr]
    assert cli(*command).code == 0  # the same command takes the finished run
    other = cli(*command, "--components", 20)
    assert (other.code, "--components was 152, is 20" in other.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vae", "--components", 5], "--components: only with --prior mixture or vamp"),
        (
            ["vae", "--prior", "vamp", "--components", 1528],
            "--components 1528: digits has only 1527 training ",
        ),
        (["vae", "--prior", "vamp", "--components", 0], "--components: must be at least 1"),
        (["vae", "--components", 5, "--prior", "flow"], "--components: only with --prior mixture or vamp"),
        (["vae", "--prior", "flow", "--latent-dim", 1], "--prior flow: needs --latent-dim 2 or more"),
        (["cvae", "--prior", "vamp"], "--prior: 'vamp' is not one of 'standard', 'flow'"),
    ],
    ids=str,
)
def test_a_wrong_prior_is_refused(cli: Callable, words: list[object], message: str) -> None:
    refused = cli("train", *words, "--data", "digits", "--steps", 1, "--out", "run")
    assert refused.code == 2
    assert message in refused.err
    assert "Traceback" not in refused.err
    assert not Path("run").exists()


def test_a_prior_that_is_learnt_fits_better() -> None:
    """Digits are ten clusters: the bound of held-out images is tighter with a mixture of what was learnt."""
    found = {}
    for prior in ("standard", "mixture", "vamp", "flow"):
        more = {"components": 60} if prior in LEARNT else {}
        model = gentool.train("vae", "digits", prior=prior, epochs=100, binarise="dynamic", **TINY, **more)
        found[prior] = model.history.rows[-1]["validation_negative_elbo"]
    assert found["vamp"] < found["standard"]
    assert found["mixture"] < found["standard"]
    assert found["flow"] < found["standard"]


@pytest.mark.parametrize("prior", [["mixture", "--components", 1], ["flow"]], ids=str)
def test_a_posterior_that_ignores_the_image_raises_the_alarm(cli: Callable, prior: list[object]) -> None:
    """With a weight of the KL that is too large, the posterior becomes the prior."""
    command = ["train", "vae", "--data", "digits", *FLAGS, "--prior", *prior, "--beta", 1000]
    done = cli(*command, "--kl-warmup", 0, "--epochs", 65, "--stop-on-collapse", "--out", "run")
    assert done.code == 5
    assert "posterior collapse" in done.err
    assert not list(posterior_collapse([{"step": 1, "validation_active_units": 0, "validation_kl": 0.1}]))


def test_a_checkpoint_of_an_earlier_version_has_the_standard_prior(runs: Path, tmp_path: Path) -> None:
    header, content = load(runs / "vae" / "model.pt", "model")
    earlier = {name: value for name, value in header.options.items() if name not in ("prior", "components")}
    assert len(earlier) == len(header.options) - 2
    save(tmp_path / "earlier.pt", "model", replace(header, options=earlier), content)
    model = gentool.load(tmp_path / "earlier.pt", device="cpu")
    assert model.prior is None
    assert torch.equal(model.sample(5), gentool.load(runs / "vae", device="cpu").sample(5))
    with pytest.raises(OptionError, match="--prior: 'gmm' is not one of standard, mixture, vamp, flow"):
        Options(prior="gmm")  # type: ignore[arg-type]
