"""The importance-weighted bound of a VAE small enough to integrate."""

import pytest
import torch
from torch import Tensor

import gentool
from gentool.data.images import ImageData
from gentool.evaluation import likelihood
from gentool.evaluation.held_out import likelihoods
from gentool.evaluation.likelihood import binarised, bounds, importance_bound
from gentool.evaluation.options import ScoreOptions, bound_images_for
from gentool.progress import SILENT

PIXELS = 6


class Tiny:
    """One latent dimension, and a posterior that is wrong on purpose."""

    device, prior, density = torch.device("cpu"), None, None

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.weights, self.bias = torch.randn(PIXELS, generator=generator), torch.randn(PIXELS, generator=generator)

    def posterior(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mean = 0.3 * (x.flatten(1) @ self.weights)[:, None]
        return mean, torch.full_like(mean, -0.7)

    def logits(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return (2 * z * self.weights + self.bias).reshape(-1, 1, 2, 3)

    def log_p(self, x: Tensor) -> Tensor:
        """log p(x) by a sum over a fine grid of z."""
        z = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
        logits = 2 * z * self.weights.double() + self.bias.double()
        pixels = torch.distributions.Bernoulli(logits=logits[None]).log_prob(x.flatten(1).double()[:, None]).sum(2)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z[:, 0])
        return (pixels + prior).logsumexp(1) + torch.tensor(16 / 4000).log()


@pytest.fixture
def x() -> Tensor:
    return torch.randint(0, 2, (40, 1, 2, 3), generator=torch.Generator().manual_seed(1)).float()


def bound(x: Tensor, k: int) -> Tensor:
    return importance_bound(Tiny(), x, k, torch.Generator().manual_seed(2))  # type: ignore[arg-type]


def test_the_bound_rises_to_the_likelihood(x: Tensor) -> None:
    exact = Tiny().log_p(x).mean().item()
    found = [bound(x, k).mean().item() for k in (1, 10, 5000)]
    assert found[0] < found[1] < found[2] < exact + 0.01
    assert found[2] == pytest.approx(exact, abs=0.02)
    assert found[0] < exact - 0.05


def test_parts_of_k_give_the_same_bound(x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bound(x, 300)
    monkeypatch.setattr(likelihood, "VALUES_AT_ONCE", 40 * PIXELS * 7)
    in_parts = bound(x, 300)
    assert in_parts.mean().item() == pytest.approx(whole.mean().item(), abs=0.05)


def test_one_sample_is_the_elbo(x: Tensor) -> None:
    many = x.repeat(100, 1, 1, 1)
    found = bounds(Tiny(), (many * 255).byte(), "means", 1, len(many))  # type: ignore[arg-type]
    assert found.negative_elbo.mean().item() == pytest.approx(found.negative_bound.mean().item(), abs=0.05)
    assert len(bounds(Tiny(), (x * 255).byte(), "means", 3, 5).negative_bound) == 5  # type: ignore[arg-type]


def test_binarisations() -> None:
    images = torch.tensor([0, 51, 127, 128, 255], dtype=torch.uint8).reshape(1, 1, 1, 5).repeat(4000, 1, 1, 1)
    torch.testing.assert_close(binarised(images, "means")[0, 0, 0], torch.tensor([0, 0.2, 127 / 255, 128 / 255, 1]))
    assert binarised(images, "threshold")[0].flatten().tolist() == [0, 0, 0, 1, 1]
    drawn = binarised(images, "static")
    assert set(drawn.unique().tolist()) == {0, 1}
    torch.testing.assert_close(drawn.mean(0).flatten(), images[0].flatten() / 255, atol=0.03, rtol=0)
    assert torch.equal(binarised(images[10:20], "static", 10), drawn[10:20])  # a function of the image's place alone


@pytest.mark.parametrize(
    ("shape", "count"),
    [((1, 8, 8), 1000), ((1, 32, 32), 1000), ((3, 24, 24), 592), ((3, 64, 64), 83), ((3, 256, 256), 12)],
    ids=str,
)
def test_the_bound_is_that_of_fewer_images_where_they_are_large(shape: tuple[int, int, int], count: int) -> None:
    assert bound_images_for(shape) == count


def test_the_number_of_images_is_in_the_name_of_the_bound() -> None:
    data = gentool.load_data("digits", size=96)
    assert isinstance(data, ImageData)
    model = gentool.train("vae", data, steps=1, arch="mlp", hidden=4, latent_dim=2, device="cpu", amp="off")
    for settings, count in (({}, 111), ({"bound_images": 20}, 20)):
        found = likelihoods(model, data.test, ScoreOptions(k=1, **settings), SILENT)
        assert len(found[f"negative_bound_k1_means_{count}"]) == count
