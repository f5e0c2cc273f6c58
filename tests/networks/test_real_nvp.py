"""RealNVP against the definition of a density that is carried along."""

import math

import pytest
import torch
from torch import Tensor

from gentool.networks.real_nvp import RealNVP


def spread(dim: int, by: float = 0.15, classes: int = 0) -> RealNVP:
    """A network whose couplings change something."""
    random = torch.Generator().manual_seed(dim)
    flow = RealNVP(dim, classes)
    with torch.no_grad():
        for weights in flow.parameters():
            weights += by * torch.randn(weights.shape, generator=random)
    return flow.double()


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.double)


@pytest.mark.parametrize("dim", [2, 3, 8])
def test_the_inverse_undoes_every_coupling(dim: int) -> None:
    flow, z = spread(dim), noise(50, 4, dim)
    there = flow(z)
    torch.testing.assert_close(flow.inverse(there), z)
    assert ((there - z).abs().mean((0, 1)) > 0.1).all()  # no dimension stays as it is


@pytest.mark.parametrize("dim", [2, 3, 8])
def test_the_density_is_that_of_the_noise_times_the_volume(dim: int) -> None:
    flow, z = spread(dim), noise(20, dim)
    derivatives = torch.func.vmap(torch.func.jacrev(flow))(z)
    normal = -0.5 * (flow(z).square().sum(1) + dim * math.log(2 * math.pi))
    expected = normal + torch.linalg.slogdet(derivatives).logabsdet
    torch.testing.assert_close(flow.log_density(z), expected)
    torch.testing.assert_close(flow.log_density(z[None, :, :]), expected[None])


def test_the_density_has_an_integral_of_one() -> None:
    side = torch.linspace(-12, 12, 600, dtype=torch.double)
    points = torch.cartesian_prod(side, side)
    with torch.no_grad():
        total = spread(2, 0.08).log_density(points).exp().sum() * (side[1] - side[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-3)


def test_it_begins_as_standard_noise() -> None:
    z = noise(10, 5).float()
    assert torch.equal(RealNVP(5)(z), z)


def test_each_class_has_a_density_of_its_own() -> None:
    flow, z = spread(3, classes=2), noise(6, 5, 3)
    labels = torch.tensor([0, 1, 1, 0, 1, 0])
    weights = torch.nn.functional.one_hot(labels, 2).double()
    torch.testing.assert_close(flow.log_density(z, labels), flow.log_density(z, weights))
    for row, label in enumerate(labels):
        alone = flow.log_density(z[row], label.expand(5))
        torch.testing.assert_close(flow.log_density(z, labels)[row], alone)
    torch.testing.assert_close(flow.inverse(flow(z, labels), labels), z)
    assert (flow(z, labels) - flow(z, 1 - labels)).abs().max() > 0.1
    with pytest.raises(ValueError, match="needs labels"):
        flow(z)
