"""Projection: its error, its last steps, and what it finds."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gentool.engine.randomness import indexed_noise
from gentool.latent import polish as polishing
from gentool.latent.codes import decode, encode
from gentool.latent.descent import Candidates, best_until_then, pull, pyramid_error, rate
from gentool.latent.polish import polish, shell_distance, shell_radius
from gentool.latent.project import Search, project
from gentool.latent.sample import sample
from gentool.latent.trained import load_trained


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
    assert max(map(rate, shares)) == 1
    assert all(0 < rate(share) <= 1 for share in shares)
    assert rate(0.999) < 1e-3
    assert [pull(share) for share in (0, 0.5, 0.6, 0.7, 1)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_polish_solves_a_least_squares_problem_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a linear decoder the first undamped step is the solution."""
    monkeypatch.setattr(polishing, "ROUNDS", 1)
    generator = torch.Generator().manual_seed(0)
    weights, z = torch.randn(5, 48, generator=generator), torch.randn(5, generator=generator)
    steps = []

    def shown(z: Tensor) -> Tensor:
        steps.append(len(z))
        return (z @ weights).view(-1, 3, 4, 4)

    found = polish(shown, torch.zeros(5), shown(z[None])[0], prior=0.0)
    assert torch.allclose(found, z, atol=1e-3)
    assert steps == [1, 1, 10, 6]  # the target, the start, the Jacobian, the damped steps
    monkeypatch.setattr(polishing, "ROUNDS", 8)
    pulled = polish(shown, z, shown(z[None])[0], prior=1e6)
    assert pulled.norm() == pytest.approx(2, rel=1e-2)


def test_polish_never_makes_it_worse() -> None:
    target = torch.ones(1, 2, 2)
    z = torch.tensor([0.1, -0.2])

    def flat(z: Tensor) -> Tensor:
        return torch.where(z.isnan(), z, torch.zeros_like(z)).repeat(1, 2).view(-1, 1, 2, 2)

    assert torch.equal(polish(flat, z, target, prior=0.0), z)


def test_the_best_until_then() -> None:
    def moment(*errors: float) -> Candidates:
        error = torch.tensor([errors])
        return Candidates(error[..., None] * 10, None, torch.arange(len(errors))[None], error)

    path = [moment(3.0, 2.0), moment(5.0, 4.0), moment(1.0, 9.0)]
    assert [best.z.item() for best in best_until_then(path)] == [20, 20, 10]


def test_an_own_sample_is_found_again(runs: Path) -> None:
    trained = load_trained("gan", runs / "gan", "cpu")
    x = sample(trained, 3, 7)
    said: list[tuple[int, int]] = []
    search = Search(steps=60, restarts=3, prior=1e-7)
    found = project(trained, x, search, film=True, on_progress=lambda *told: said.append(told))
    assert found.mse.max() < 1e-6
    assert (found.z - indexed_noise(7, 0, 3, 8)).abs().max() < 0.05
    assert torch.equal(found.x, decode(trained, found.z))
    assert said[-1][0] == said[-1][1]
    errors = [(shot - x).square().mean() for shot in found.film]
    assert errors == sorted(errors, reverse=True)
    again = project(trained, x, search)
    assert torch.equal(again.z, found.z)
    assert not torch.equal(project(trained, x, Search(steps=60, restarts=3, seed=1)).z, found.z)


def test_few_values_at_a_time_find_the_same(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = load_trained("gan", runs / "gan", "cpu")
    x, search = sample(trained, 2, 7), Search(steps=20, restarts=3)
    whole = project(trained, x, search)
    for module in ("descent", "project"):
        monkeypatch.setattr(f"gentool.latent.{module}.VALUES", 5 * 64)
    parts = project(trained, x, search)
    assert torch.allclose(parts.x, whole.x, atol=0.02)


@pytest.mark.parametrize("model", ["cae", "vae", "lstm-ae"])
def test_it_begins_with_the_encoding(runs: Path, model: str) -> None:
    trained = load_trained(model, runs / model, "cpu")
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = project(trained, x, Search(steps=1, restarts=1, lr=1e-5, prior=0))
    rebuilt = (decode(trained, encode(trained, x)) - x).square().flatten(1).mean(1)
    assert (found.mse <= rebuilt + 1e-7).all()


def test_the_length_is_pulled_toward_the_shell(runs: Path) -> None:
    trained = load_trained("gan", runs / "gan", "cpu")
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)).round()
    free, pulled = (
        project(trained, x, Search(steps=60, restarts=2, prior=prior)).z.norm(dim=1) - math.sqrt(7)
        for prior in (0.0, 0.1)
    )
    assert pulled.abs().max() < 0.2
    assert (free.abs() > 2 * pulled.abs()).all()


def test_the_label_is_found_too(runs: Path) -> None:
    """A generator told to tell its classes apart: the tiny one has not learnt to."""
    trained = load_trained("cgan", runs / "cgan", "cpu")
    with torch.no_grad():
        trained.network.embed.weight.mul_(100)
    labels = torch.tensor([3, 8, 0, 5])
    x = sample(trained, 4, 2, labels)
    found = project(trained, x, Search(steps=60, restarts=2, prior=1e-7), range(10))
    assert found.labels is not None
    assert found.labels.tolist() == labels.tolist()
    few = project(trained, x, Search(steps=40, restarts=2), [4, 8])
    assert few.labels is not None
    assert set(few.labels.tolist()) <= {4, 8}
    assert few.labels[1] == 8
