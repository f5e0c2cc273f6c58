"""The ELBO's terms against torch.distributions."""

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from gentool.metrics.elbo import (
    Mixture,
    bernoulli_nll,
    bernoulli_sum,
    gaussian_kl,
    importance_log_weights,
    mixture_sample,
    negative_elbo,
    negative_importance_bound,
    reparameterize,
    sampled_kl,
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


def mixture(k: int, d: int, seed: int = 0) -> Mixture:
    generator = torch.Generator().manual_seed(seed)
    weights, means, logvars = (torch.randn(size, generator=generator) for size in ((k,), (k, d), (k, d)))
    return Mixture(weights.log_softmax(0), 2 * means, logvars)


def as_distribution(mixture: Mixture) -> MixtureSameFamily:
    log_weights, means, logvars = (part.double() for part in mixture)
    return MixtureSameFamily(Categorical(logits=log_weights), Independent(Normal(means, (0.5 * logvars).exp()), 1))


@pytest.mark.parametrize("shape", [(7,), (3, 5)])
@pytest.mark.parametrize("k", [1, 4])
def test_the_density_of_a_mixture_is_that_of_torch_distributions(shape: tuple[int, ...], k: int) -> None:
    z, prior = 3 * torch.randn(*shape, 6, generator=torch.Generator().manual_seed(1)), mixture(k, 6)
    found = prior.log_density(z)
    assert (found.shape, found.dtype) == (shape, torch.float32)
    torch.testing.assert_close(found.double(), as_distribution(prior).log_prob(z.double()), rtol=1e-5, atol=1e-5)


def test_the_density_is_exact_where_its_terms_nearly_cancel() -> None:
    """The expanded square of a distance has terms of 4e8 here, the distance is about D."""
    means = 20 + torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    prior = Mixture(torch.zeros(5).log_softmax(0), means, torch.full((5, 40), -14.0))
    z = means + torch.exp(torch.tensor(-7.0)) * torch.randn(5, 40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        prior.log_density(z).double(), as_distribution(prior).log_prob(z.double()), rtol=0, atol=1e-3
    )


def test_the_gradients_of_the_density_are_those_of_torch_distributions() -> None:
    z, prior = torch.randn(7, 6, generator=torch.Generator().manual_seed(1)).requires_grad_(), mixture(4, 6)
    for part in prior:
        part.requires_grad_()
    found = torch.autograd.grad(prior.log_density(z).sum(), (z, *prior))
    wanted = torch.autograd.grad(as_distribution(prior).log_prob(z.double()).sum(), (z, *prior))
    for one, other in zip(found, wanted, strict=True):
        if one.ndim == 1:  # Categorical normalises the logits, which takes the mean out of their gradient
            one = one - prior.log_weights.exp() * one.sum()
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_sampled_kl_is_on_average_the_closed_form() -> None:
    """From one standard component, which is N(0, I), and from another Gaussian."""
    generator = torch.Generator().manual_seed(0)
    mean, logvar = torch.randn(1, 3, generator=generator), torch.randn(1, 3, generator=generator)
    noise = torch.randn(200_000, 3, generator=generator)
    z, posterior = reparameterize(mean, logvar, noise), Normal(mean, (0.5 * logvar).exp())
    for prior in (Mixture(torch.zeros(1), torch.zeros(1, 3), torch.zeros(1, 3)), mixture(1, 3)):
        found = sampled_kl(noise, logvar, prior.log_density(z)).mean().item()
        one = Normal(prior.means, (0.5 * prior.logvars).exp())
        assert found == pytest.approx(kl_divergence(posterior, one).sum().item(), rel=0.01)
    assert gaussian_kl(mean, logvar).sum().item() == pytest.approx(
        kl_divergence(posterior, Normal(0.0, 1.0)).sum().item(), rel=1e-5
    )


def test_the_kl_from_the_posterior_itself_is_0_in_every_sample() -> None:
    """One pseudo-input that equals the image: the prior is the posterior."""
    generator = torch.Generator().manual_seed(0)
    mean, logvar = torch.randn(1, 5, generator=generator), torch.randn(1, 5, generator=generator)
    noise = torch.randn(50, 5, generator=generator)
    prior = Mixture(torch.zeros(1), mean, logvar)
    kl = sampled_kl(noise, logvar, prior.log_density(reparameterize(mean, logvar, noise)))
    torch.testing.assert_close(kl, torch.zeros(50), rtol=0, atol=1e-4)


def test_samples_of_a_mixture_have_its_moments_and_weights() -> None:
    prior = Mixture(
        torch.tensor([0.2, 0.5, 0.3]).log(),
        torch.tensor([[-99.0], [0.0], [99.0]]),
        torch.tensor([[0.0], [2.0], [-2.0]]),
    )
    generator = torch.Generator().manual_seed(0)
    z = mixture_sample(prior, torch.rand(60_000, generator=generator), torch.randn(60_000, 1, generator=generator))
    parts = [z[z < -50], z[(z > -50) & (z < 50)], z[z > 50]]
    assert [len(part) / len(z) for part in parts] == pytest.approx([0.2, 0.5, 0.3], abs=0.01)
    assert [part.mean().item() for part in parts] == pytest.approx([-99, 0, 99], abs=0.05)
    assert [part.var().log().item() for part in parts] == pytest.approx([0, 2, -2], abs=0.05)
    ends = mixture_sample(prior, torch.tensor([0.0, 1 - 2**-24]), torch.zeros(2, 1))
    assert ends.flatten().tolist() == [-99, 99]


def test_the_losses_take_the_kl_from_a_learnt_prior(batch: dict[str, torch.Tensor]) -> None:
    generator = torch.Generator().manual_seed(5)
    noise, prior = torch.randn(7, 6, generator=generator), mixture(4, 6)
    z = reparameterize(batch["mean"], batch["logvar"], noise)
    posterior = Independent(Normal(batch["mean"], (0.5 * batch["logvar"]).exp()), 1)
    kl = posterior.log_prob(z) - as_distribution(prior).log_prob(z.double()).float()
    sampled = sampled_kl(noise, batch["logvar"], prior.log_density(z))
    terms = negative_elbo(**batch, beta=0.25, sampled=sampled)
    reconstruction = bernoulli_nll(batch["logits"], batch["x"]).mean()
    torch.testing.assert_close(terms["kl"], kl.mean(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(terms["loss"], reconstruction + 0.25 * kl.mean(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(terms["negative_elbo"], reconstruction + kl.mean(), rtol=1e-4, atol=1e-4)
    # One sample of the importance-weighted bound is that ELBO; N(0, I) as a mixture is the bound without one.
    flat = batch["logits"].flatten(1)[:, None], batch["x"].flatten(1), z[:, None], noise[:, None], batch["logvar"]
    bound = negative_importance_bound(*flat, 0.25, log_prior=prior.log_density(z[:, None]))
    torch.testing.assert_close(bound["loss"], terms["loss"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(bound["negative_bound"], terms["negative_elbo"], rtol=1e-4, atol=1e-4)
    standard = Mixture(torch.zeros(1), torch.zeros(1, 6), torch.zeros(1, 6))
    torch.testing.assert_close(
        importance_log_weights(*flat, log_prior=standard.log_density(z[:, None])),
        importance_log_weights(*flat),
        rtol=1e-4,
        atol=1e-4,
    )
