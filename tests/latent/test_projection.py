"""Projection: its error, its last steps, and what it finds."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gentool.engine.randomness import indexed_noise
from gentool.errors import OptionError
from gentool.latent import gauss_newton as module
from gentool.latent.descent import Candidates, best_so_far, lr_share, pull_share, pyramid_error
from gentool.latent.gauss_newton import gauss_newton, shell_distance, shell_radius
from gentool.latent.model import Model
from gentool.latent.projection import ProjectOptions, project
from gentool.metrics.images import squared_error
from gentool.progress import Reporter


def test_the_pyramid_averages_over_scales() -> None:
    x, target = torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    x[0] = 0.5  # the same at both scales, 8 and 4
    x[1, 0, 0, 0] = 1.0  # 1/64 at the fine scale; (1/4)^2 / 16 at the coarse one
    assert pyramid_error(x, target).tolist() == pytest.approx([0.25, (1 / 64 + 1 / 256) / 2])


def test_the_shell_is_where_noise_lies() -> None:
    for dim in (1, 2, 64, 512):
        z = torch.randn(4000, dim, generator=torch.Generator().manual_seed(0))
        # The mean of the chi distribution's negative log-density, less that at its mode, is near 0.5 for any D.
        expected = 1.0 if dim == 1 else 0.5
        assert shell_distance(z).mean() == pytest.approx(expected, abs=0.1)
    assert shell_distance(shell_radius(3) * torch.eye(3)).abs().max() < 1e-6


def test_schedules() -> None:
    shares = [i / 1000 for i in range(1000)]
    assert max(map(lr_share, shares)) == 1
    assert all(0 < lr_share(share) <= 1 for share in shares)
    assert lr_share(0.999) < 1e-3
    assert [pull_share(share) for share in (0, 0.5, 0.6, 0.7, 1)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_gauss_newton_solves_a_least_squares_problem_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a linear decoder the first undamped step is the solution."""
    monkeypatch.setattr(module, "ROUNDS", 1)
    generator = torch.Generator().manual_seed(0)
    weights, z = torch.randn(5, 48, generator=generator), torch.randn(5, generator=generator)
    counts = []

    def decode(z: Tensor) -> Tensor:
        counts.append(len(z))
        return (z @ weights).view(-1, 3, 4, 4)

    found = gauss_newton(decode, torch.zeros(5), decode(z[None])[0], prior_weight=0.0)
    assert torch.allclose(found, z, atol=1e-3)
    assert counts == [1, 1, 10, 6]  # the target, the start, the Jacobian, the damped steps
    monkeypatch.setattr(module, "ROUNDS", 8)
    pulled = gauss_newton(decode, z, decode(z[None])[0], prior_weight=1e6)
    assert pulled.norm() == pytest.approx(2, rel=1e-2)


def test_gauss_newton_never_makes_it_worse() -> None:
    target = torch.ones(1, 2, 2)
    z = torch.tensor([0.1, -0.2])

    def flat(z: Tensor) -> Tensor:
        return torch.where(z.isnan(), z, torch.zeros_like(z)).repeat(1, 2).view(-1, 1, 2, 2)

    assert torch.equal(gauss_newton(flat, z, target, prior_weight=0.0), z)


def test_the_best_so_far() -> None:
    def moment(*errors: float) -> Candidates:
        error = torch.tensor([errors])
        return Candidates(error[..., None] * 10, None, torch.arange(len(errors))[None], error)

    path = [moment(3.0, 2.0), moment(5.0, 4.0), moment(1.0, 9.0)]
    assert [best.z.item() for best in best_so_far(path)] == [20, 20, 10]


def test_an_own_sample_is_found_again(
    runs: Path, reporter: Reporter, notices: list[str], steps: list[tuple[int, int | None]]
) -> None:
    gan = Model.load(runs / "gan", device="cpu")
    x = gan.sample(3, seed=7)
    options = ProjectOptions(steps=60, restarts=3, prior_weight=1e-7)
    found = project(gan, x, options, film=True, reporter=reporter)
    assert found.mse.max() < 1e-6
    assert (found.z - indexed_noise(7, 0, 3, 8)).abs().max() < 0.05
    assert torch.equal(found.images, gan.decode(found.z))
    assert torch.equal(found.mse, squared_error(found.images, x))
    assert notices == []
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1] == 3 * (3 * 60 * 3 + 3 * 8 * 2 * 8)
    errors = [(shot - x).square().mean() for shot in found.film]
    assert errors == sorted(errors, reverse=True)
    assert torch.equal(found.film[-1], found.images)
    again = gan.project(x, steps=60, restarts=3, prior_weight=1e-7)
    assert torch.equal(again.z, found.z)
    assert again.film == ()
    assert not torch.equal(gan.project(x, steps=60, restarts=3, seed=1).z, found.z)
    assert not any(weight.requires_grad for weight in gan.network.parameters())


def test_few_values_at_a_time_find_the_same(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gan = Model.load(runs / "gan", device="cpu")
    x, options = gan.sample(2, seed=7), ProjectOptions(steps=20, restarts=3)
    whole = project(gan, x, options)
    for name in ("descent", "projection"):
        monkeypatch.setattr(f"gentool.latent.{name}.VALUES_AT_ONCE", 5 * 64)
    parts = project(gan, x, options)
    assert torch.allclose(parts.images, whole.images, atol=0.02)


@pytest.mark.parametrize("model", ["cae", "vae", "lstm-ae"])
def test_it_begins_with_the_encoding(runs: Path, model: str) -> None:
    autoencoder = Model.load(runs / model, device="cpu")
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = autoencoder.project(x, steps=1, restarts=1, lr=1e-5, prior_weight=0)
    assert (found.mse <= squared_error(autoencoder.reconstruct(x), x) + 1e-7).all()


def test_the_length_is_pulled_toward_the_shell(runs: Path) -> None:
    gan = Model.load(runs / "gan", device="cpu")
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)).round()
    free, pulled = (
        gan.project(x, steps=60, restarts=2, prior_weight=weight).z.norm(dim=1) - math.sqrt(7) for weight in (0.0, 0.1)
    )
    assert pulled.abs().max() < 0.2
    assert (free.abs() > 2 * pulled.abs()).all()


def test_the_label_is_found_too(runs: Path, reporter: Reporter, notices: list[str]) -> None:
    """A generator made to tell its classes apart: the tiny one has not learnt to."""
    cgan = Model.load(runs / "cgan", device="cpu")
    with torch.no_grad():
        cgan.network.embed.weight.mul_(100)  # type: ignore[operator, union-attr]
    labels = torch.tensor([3, 8, 0, 5])
    x = cgan.sample(4, seed=2, labels=labels)
    found = cgan.project(x, steps=60, restarts=2, prior_weight=1e-7)
    assert found.labels is not None
    assert found.labels.tolist() == labels.tolist()
    few = cgan.project(x, steps=40, restarts=2, labels="8,4", reporter=reporter)
    assert notices == ["searching the classes 4, 8"]
    assert few.labels is not None
    assert set(few.labels.tolist()) <= {4, 8}
    assert few.labels[1] == 8


def test_classes_are_refused_where_there_are_none(runs: Path) -> None:
    x = torch.zeros(1, 1, 8, 8)
    with pytest.raises(OptionError, match=r"a gan is not conditional \(conditional models: cvae, cgan and flow\)"):
        Model.load(runs / "gan", device="cpu").project(x, labels="3")
    with pytest.raises(OptionError, match="--labels: no class '10'; there are 0, 1, 2"):
        Model.load(runs / "cgan", device="cpu").project(x, labels="10")
