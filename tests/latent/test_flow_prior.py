"""A flow fitted to codes: what it draws, that it is kept and used again, and what a damaged file does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import gentool
from gentool.errors import DataError, OptionError
from gentool.latent import flow_prior
from gentool.latent.flow_prior import FlowPrior


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_prior, "UPDATES", 2)


def ring(count: int) -> torch.Tensor:
    """Points (count, 2) on a ring of radius 3 around (5, 0), with a deviation of 0.1 along each axis."""
    generator = torch.Generator().manual_seed(0)
    angle = 2 * torch.pi * torch.rand(count, generator=generator)
    points = 3 * torch.stack([angle.cos(), angle.sin()], dim=1) + torch.tensor([5.0, 0.0])
    return points + 0.1 * torch.randn(count, 2, generator=generator)


def test_codes_lie_where_those_of_the_images_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_prior, "UPDATES", 600)
    monkeypatch.setattr(flow_prior, "BATCH", 256)
    drawn = FlowPrior.fit(ring(4000)).draw(1, 0, 2000) - torch.tensor([5.0, 0.0])
    radius = drawn.norm(dim=1)
    assert radius.mean() == pytest.approx(3, abs=0.1)
    assert radius.std() < 0.4  # a mixture of one Gaussian has 0.9
    share = torch.histc(torch.atan2(drawn[:, 1], drawn[:, 0]), 8, -torch.pi, torch.pi) / len(drawn)
    assert share.min() > 0.08
    assert share.max() < 0.18


@pytest.mark.usefixtures("_short")
def test_a_code_is_a_function_of_seed_and_number() -> None:
    prior = FlowPrior.fit(ring(100))
    assert repr(prior) == "<flow in 2 dimensions>"
    every = prior.draw(3, 0, 1030)
    assert torch.equal(prior.draw(3, 1020, 10), every[1020:])
    assert torch.equal(prior.draw(3, 7, 1), every[7:8])
    assert not torch.equal(prior.draw(4, 0, 5), every[:5])
    with torch.no_grad():  # as where models are evaluated
        assert torch.equal(FlowPrior.fit(ring(100)).draw(3, 0, 5), every[:5])
    assert torch.allclose(prior.center, ring(100).mean(0))
    constant = torch.cat([ring(100), torch.full((100, 1), 2.0)], dim=1)  # a dimension that no image uses
    assert FlowPrior.fit(constant).draw(0, 0, 9)[:, 2].sub(2).abs().max() < 1e-4


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("model", ["cae", "vae", "lstm-ae"])
def test_it_is_kept_beside_the_model_and_used_again(cli: Callable, runs: Path, tmp_path: Path, model: str) -> None:
    gentool.load(runs / model, device="cpu").save(tmp_path / "model.pt")
    command = ["sample", model, "model.pt", "--prior", "flow", "-n", 9]
    first = cli(*command, "--out", "a.png")
    assert first.code == 0, first.err
    assert "model-flow-prior.npz: a flow, fitted to 1,527 codes of digits" in first.err
    again = cli(*command, "--out", "b.png")
    assert again.code == 0
    assert "fitted" not in again.err
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert cli("sample", model, "model.pt", "-n", 9, "--out", "c.png").code == 0
    assert Path("a.png").read_bytes() != Path("c.png").read_bytes()
    judged = cli("evaluate", model, "model.pt", "--prior", "flow", "--samples", 40, "--half-samples", 2, "--features",
                 "random", "--out", "scores", "--json")  # fmt: skip
    assert judged.code == 0, judged.err
    assert '"prior": "flow"' in (tmp_path / "scores" / "evaluation.json").read_text()
    gentool.load(runs / ("cae" if model == "vae" else "vae"), device="cpu").save(tmp_path / "model.pt", overwrite=True)
    other = cli("sample", "model.pt", "--prior", "flow", "-n", 9, "--out", "d.png")
    assert other.code == 0
    assert "a flow, fitted to" in other.err


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("prior", ["flow", "gmm"])
def test_a_density_that_cannot_be_kept_is_used_all_the_same(
    cli: Callable, runs: Path, tmp_path: Path, prior: str
) -> None:
    gentool.load(runs / "vae", device="cpu").save(tmp_path / "model.pt")
    Path("model-flow-prior.npz" if prior == "flow" else "model-gmm-10.npz").mkdir()
    done = cli("sample", "vae", "model.pt", "--prior", prior, "-n", 4, "--out", "s.png")
    assert done.code == 0, done.err
    assert "cannot write" in done.err
    assert "was fitted to 1,527 codes of digits, but not saved: it will be fitted again" in done.err
    assert Path("s.png").is_file()


@pytest.mark.usefixtures("_short")
def test_what_is_refused(cli: Callable, runs: Path) -> None:
    for command, message in (
        (["sample", "gan", runs / "gan", "--prior", "flow"], "a gan has no encoder and cannot have a prior fitted to"),
        (["sample", "flow", runs / "flow", "--prior", "flow"], "a flow has no encoder and cannot have a prior fitted"),
        (["sample", "vae", runs / "vae", "--prior", "flow", "--components", 3], "--components: only with --prior gmm"),
        (["sample", "vae", runs / "vae", "--prior", "flow", "--manifold"], "--prior flow: has no effect with --manif"),
    ):
        refused = cli(*command)
        assert refused.code == 2
        assert refused.err.startswith(f"gentool: {message}")


@pytest.mark.usefixtures("_short")
def test_a_damaged_file_is_said_and_never_used(tmp_path: Path) -> None:
    prior, path = FlowPrior.fit(ring(100)), tmp_path / "flow.npz"
    prior.save(path, "this")
    again = FlowPrior.load(path, "this", 2)
    assert again is not None
    assert torch.equal(again.draw(0, 0, 5), prior.draw(0, 0, 5))
    assert FlowPrior.load(path, "another", 2) is None
    assert FlowPrior.load(tmp_path / "none.npz", "this", 2) is None
    arrays = dict(np.load(path))
    damaged = [
        {**arrays, "sd": np.array([np.nan, 1], np.float32)},
        {**arrays, "mean": np.zeros(3, np.float32)},
        {**arrays, "out.bias": np.zeros(2, np.float64)},
        {name: array for name, array in arrays.items() if name != "into.weight"},
        {**arrays, "more": np.zeros(1, np.float32)},
        {name: array for name, array in arrays.items() if name != "key"},
    ]
    for content in damaged:
        np.savez(path, **content)
        with pytest.raises(DataError, match="damaged, or not a fitted flow; remove it to fit a new one"):
            FlowPrior.load(path, "this", 2)
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="remove it to fit a new flow"):
        FlowPrior.load(path, "this", 2)


def test_python_refuses_what_has_no_effect(runs: Path) -> None:
    model = gentool.load(runs / "vae", device="cpu")
    with pytest.raises(OptionError, match="--components: only with --prior gmm"):
        model.fit_prior(kind="flow", components=4)
    with pytest.raises(OptionError, match="--prior: 'vamp' is not one of gmm, flow"):
        model.fit_prior(kind="vamp")
    with pytest.raises(OptionError, match="--seed: expected a whole number"):
        model.fit_prior(kind="flow", seed="a")
