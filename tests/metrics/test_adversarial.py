"""The adversarial losses against their closed forms."""

import math

import pytest
import torch
from torch import Tensor

from gentool.metrics.adversarial import accuracy, discriminator_loss, generator_loss, gradient_penalty, squared_gradient


def test_bce_is_cross_entropy_and_log_4_for_an_undecided_discriminator() -> None:
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    expected = -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
    torch.testing.assert_close(discriminator_loss("bce", real, fake), expected)
    torch.testing.assert_close(generator_loss("bce", real, fake), -fake.sigmoid().log().mean())
    assert discriminator_loss("bce", torch.zeros(4), torch.zeros(4)).item() == pytest.approx(math.log(4))


def test_hinge_is_flat_beyond_the_margin() -> None:
    assert discriminator_loss("hinge", torch.tensor([1.5]), torch.tensor([-2.0])).item() == 0
    assert discriminator_loss("hinge", torch.tensor([0.25]), torch.tensor([0.5])).item() == pytest.approx(0.75 + 1.5)
    assert generator_loss("hinge", torch.zeros(2), torch.tensor([0.5, 1.5])).item() == pytest.approx(-1)


def test_relativistic_compares_pairs_and_nothing_else() -> None:
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    expected = -torch.log((real - fake).sigmoid()).mean()
    torch.testing.assert_close(discriminator_loss("relativistic", real, fake), expected)
    torch.testing.assert_close(generator_loss("relativistic", fake, real), expected)  # the mirror image
    torch.testing.assert_close(discriminator_loss("relativistic", real + 7, fake + 7), expected)
    assert discriminator_loss("relativistic", real, real).item() == pytest.approx(math.log(2))


def test_how_often_the_discriminator_is_right() -> None:
    real, fake = torch.tensor([1.0, -2.0, 5.0, 3.0]), torch.tensor([0.5, -3.0, -1.0, 4.0])
    assert accuracy("bce", real, fake) == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert accuracy("relativistic", real, fake) == pytest.approx(3 / 4)
    assert accuracy("wgan-gp", real, fake) is None


def test_wasserstein_is_a_difference_of_means() -> None:
    assert discriminator_loss("wgan-gp", torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0])).item() == pytest.approx(
        -1.5
    )


def linear(weights: Tensor):  # type: ignore[no-untyped-def]
    return lambda x: (x * weights).flatten(1).sum(1)


def test_squared_gradient_of_a_linear_discriminator_is_its_weights_norm() -> None:
    weights = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    values = squared_gradient(linear(weights), torch.rand(5, 3, 4, 4))
    torch.testing.assert_close(values, weights.square().sum().expand(5))
    values.mean().backward()
    torch.testing.assert_close(weights.grad, 2 * weights.detach())


def test_gradient_penalty_vanishes_at_norm_1() -> None:
    weights = torch.zeros(1, 2, 2)
    weights[0, 0, 0] = 1
    real, fake, share = torch.rand(6, 1, 2, 2), torch.rand(6, 1, 2, 2), torch.rand(6, 1, 1, 1)
    assert gradient_penalty(linear(weights), real, fake, share).item() == pytest.approx(0, abs=1e-9)
    assert gradient_penalty(linear(3 * weights), real, fake, share).item() == pytest.approx(4, rel=1e-5)
