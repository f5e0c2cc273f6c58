"""The ELBO's terms against torch.distributions."""

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from gentool.metrics.elbo import (
    bernoulli_nll,
    bernoulli_sum,
    gaussian_kl,
    importance_log_weights,
    negative_elbo,
    negative_importance_bound,
    reparameterize,
    softplus,
)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "logits": 3 * torch.randn(7, 1, 5, 4),
        "x": torch.rand(7, 1, 5, 4),
        "mean": 2 * torch.randn(7, 6),
        "logvar": torch.randn(7, 6),
    }


def test_kl_is_that_of_torch_distributions(batch: dict[str, torch.Tensor]) -> None:
    posterior = Normal(batch["mean"], (0.5 * batch["logvar"]).exp())
    expected = kl_divergence(posterior, Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_kl(batch["mean"], batch["logvar"]), expected, rtol=1e-5, atol=1e-5)


def test_reconstruction_is_the_bernoulli_log_likelihood(batch: dict[str, torch.Tensor]) -> None:
    x = batch["x"].round()
    expected = -Bernoulli(logits=batch["logits"]).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(bernoulli_nll(batch["logits"], x), expected, rtol=1e-5, atol=1e-5)


def test_grey_values_are_means_of_bernoulli_pixels(batch: dict[str, torch.Tensor]) -> None:
    x, logits = batch["x"], batch["logits"]
    pixel = Bernoulli(logits=logits)
    expected = -(x * pixel.log_prob(torch.ones_like(x)) + (1 - x) * pixel.log_prob(torch.zeros_like(x))).sum((1, 2, 3))
    torch.testing.assert_close(bernoulli_nll(logits, x), expected, rtol=1e-5, atol=1e-5)


def test_softplus_is_exact_from_end_to_end() -> None:
    x = torch.cat([torch.linspace(-100, 100, 4001), torch.tensor([0.0, 1e-8, -1e-8, 1e4, -1e4])])
    expected = torch.logaddexp(x.double(), torch.zeros(()).double())
    torch.testing.assert_close(softplus(x).double(), expected, rtol=2e-7, atol=2e-7)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_sum_and_its_gradient_are_pytorch_s(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    logits = (20 * torch.randn(6, 3, 5, 4)).to(memory_format=layout).requires_grad_()
    x = torch.rand(6, 3, 5, 4).to(memory_format=layout)
    total = bernoulli_sum(logits, x)
    exact = logits.detach().double().requires_grad_()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(exact, x.double(), reduction="sum")
    torch.testing.assert_close(total.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(bernoulli_nll(logits, x).sum(), total)
    found, wanted = (torch.autograd.grad(2 * value, of)[0] for value, of in ((total, logits), (expected, exact)))
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-6)


def test_terms_add_up_and_beta_weighs_only_the_loss(batch: dict[str, torch.Tensor]) -> None:
    terms = negative_elbo(batch["logits"], batch["x"], batch["mean"], batch["logvar"], beta=0.25)
    torch.testing.assert_close(terms["loss"], terms["reconstruction"] + 0.25 * terms["kl"])
    torch.testing.assert_close(terms["negative_elbo"], terms["reconstruction"] + terms["kl"])
    torch.testing.assert_close(terms["reconstruction"], bernoulli_nll(batch["logits"], batch["x"]).mean())
    torch.testing.assert_close(terms["kl"], gaussian_kl(batch["mean"], batch["logvar"]).sum(1).mean())


def test_reparameterized_samples_have_the_posterior_s_moments() -> None:
    mean, logvar = torch.tensor([[1.5]]).expand(200_000, 1), torch.tensor([[-1.0]]).expand(200_000, 1)
    noise = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(1))
    z = reparameterize(mean, logvar, noise)
    assert z.mean().item() == pytest.approx(1.5, abs=0.01)
    assert z.var().item() == pytest.approx(torch.tensor(-1.0).exp().item(), rel=0.02)


def test_importance_weights_are_those_of_torch_distributions() -> None:
    torch.manual_seed(0)
    mean, logvar, noise = torch.randn(3, 4), torch.randn(3, 4), torch.randn(3, 5, 4)
    x, logits = torch.rand(3, 7).round(), torch.randn(3, 5, 7)
    z = reparameterize(mean[:, None], logvar[:, None], noise)
    posterior = Normal(mean[:, None], (0.5 * logvar[:, None]).exp())
    expected = (
        Bernoulli(logits=logits).log_prob(x[:, None].expand_as(logits)).sum(2)
        + Normal(0.0, 1.0).log_prob(z).sum(2)
        - posterior.log_prob(z).sum(2)
    )
    torch.testing.assert_close(importance_log_weights(logits, x, z, noise, logvar), expected, rtol=1e-4, atol=1e-4)


def test_the_loss_of_an_importance_weighted_autoencoder() -> None:
    generator = torch.Generator().manual_seed(3)
    n, k, d, p = 4, 6, 3, 5
    logits, noise = torch.randn(n, k, p, generator=generator), torch.randn(n, k, d, generator=generator)
    x = torch.randint(0, 2, (n, p), generator=generator).float()
    mean, logvar = torch.randn(n, d, generator=generator), torch.randn(n, d, generator=generator)
    z = mean[:, None] + (0.5 * logvar).exp()[:, None] * noise
    weights = importance_log_weights(logits, x, z, noise, logvar)
    losses = negative_importance_bound(logits, x, z, noise, logvar)
    torch.testing.assert_close(losses["loss"], -weights.exp().mean(1).log().mean())
    torch.testing.assert_close(losses["negative_bound"], losses["loss"])
    # One sample: the reconstruction beside the sampled KL, weighted by beta.
    one = [tensor[:, :1] for tensor in (logits, z, noise)]
    single = negative_importance_bound(one[0], x, one[1], one[2], logvar, beta=0.25)
    reconstruction = bernoulli_nll(one[0][:, 0], x).mean()
    prior, posterior = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(mean, (0.5 * logvar).exp())
    kl = (posterior.log_prob(one[1][:, 0]) - prior.log_prob(one[1][:, 0])).sum(1).mean()
    torch.testing.assert_close(single["loss"], reconstruction + 0.25 * kl)
    torch.testing.assert_close(single["negative_bound"], reconstruction + kl)
    # More samples of the same value change nothing; different ones tighten the bound on average (Jensen).
    same = [tensor[:, :1].expand(-1, k, -1) for tensor in (logits, z, noise)]
    torch.testing.assert_close(
        negative_importance_bound(same[0], x, same[1], same[2], logvar)["loss"], reconstruction + kl
    )
    assert losses["loss"] < -weights.mean()
