"""Mutual information gap and DCI against closed forms and independent computations."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score
from torch import Tensor

from gentool.metrics.disentanglement import (
    code_bins,
    completeness,
    disentanglement,
    entropies,
    factor_bins,
    factor_targets,
    forest_scores,
    information_gaps,
    kind_of,
    most_informative,
    mutual_informations,
)


def importances_and_r2(z: Tensor, factors: Tensor) -> tuple[Tensor, list[float]]:
    """Importances (D, F) from the first half of codes, R^2 on the second one."""
    half, columns, scores = len(z) // 2, [], []
    for values in factors.T:
        y = factor_targets(values, kind_of(values))
        importance, r2 = forest_scores((z[:half], y[:half]), (z[half:], y[half:]))
        assert r2 is not None
        columns.append(importance)
        scores.append(r2)
    return torch.stack(columns, dim=1), scores


def gaps(z: Tensor, factors: Tensor) -> Tensor:
    """The information gap of each factor."""
    bins = torch.stack([factor_bins(values, kind_of(values)) for values in factors.T], dim=1)
    return information_gaps(mutual_informations(z, bins), entropies(bins))


@pytest.fixture(scope="module")
def factors() -> Tensor:
    """Every combination of 5, 4 and 3 values, ten times, in random order: independent to the last bit."""
    every = torch.cartesian_prod(torch.arange(5.0), torch.arange(4.0), torch.arange(3.0)).repeat(10, 1)
    return every[torch.randperm(len(every), generator=torch.Generator().manual_seed(0))]


def test_a_permutation_of_the_factors_is_perfect(factors: Tensor) -> None:
    z = torch.stack([-3 * factors[:, 2], factors[:, 0].sqrt(), factors[:, 1] + 7], dim=1)
    assert torch.allclose(gaps(z, factors), torch.ones(3, dtype=torch.float64))
    importances, r2 = importances_and_r2(z, factors)
    assert disentanglement(importances) == pytest.approx(1, abs=1e-6)
    assert completeness(importances).tolist() == pytest.approx([1, 1, 1], abs=1e-6)
    assert importances.argmax(0).tolist() == [1, 2, 0]
    assert r2 == pytest.approx([1, 1, 1], abs=1e-6)


def test_a_mixed_code_is_informative_and_not_disentangled() -> None:
    factors = torch.rand(4000, 2, generator=torch.Generator().manual_seed(1))
    mixed = torch.stack([factors.sum(1), factors[:, 0] - factors[:, 1]], dim=1)
    assert gaps(factors, factors).min() > 0.97
    assert gaps(mixed, factors).max() < 0.03
    importances, r2 = importances_and_r2(mixed, factors)
    assert disentanglement(importances) < 0.1
    assert completeness(importances).max() < 0.1
    assert min(r2) > 0.97


def test_a_code_twice_in_it_has_no_gap(factors: Tensor) -> None:
    assert torch.allclose(gaps(torch.cat([factors, factors], dim=1), factors), torch.zeros(3, dtype=torch.float64))


def test_random_codes_know_nothing(factors: Tensor) -> None:
    z = torch.randn(len(factors), 6, generator=torch.Generator().manual_seed(2))
    assert gaps(z, factors).max() < 0.05
    importances, r2 = importances_and_r2(z, factors)
    assert disentanglement(importances) < 0.05
    assert completeness(importances).max() < 0.05
    assert r2 == [0, 0, 0]


def test_mutual_information_is_that_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(500, 3, generator=generator)
    factors = torch.stack([torch.randint(4, (500,), generator=generator), (z[:, 1] > 0).long()], dim=1)
    found = mutual_informations(z, factors)
    for dimension, column in enumerate(z.double().numpy().T):
        bins = np.digitize(column, np.histogram(column, 20)[1][:-1])
        for number, values in enumerate(factors.numpy().T):
            assert found[dimension, number].item() == pytest.approx(mutual_info_score(bins, values), abs=1e-9)
    half = factors[:, 1].double().mean()
    assert entropies(factors)[1].item() == pytest.approx(-(half * half.log() + (1 - half) * (1 - half).log()).item())


def test_mutual_information_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(40, 7, generator=torch.Generator().manual_seed(4))
    factors = (z[:, :2] * 2).long() + 10
    whole = mutual_informations(z, factors)
    monkeypatch.setattr("gentool.metrics.disentanglement.COUNTED", 80)
    assert torch.equal(mutual_informations(z, factors), whole)


def test_the_gap_is_the_difference_of_the_two_largest() -> None:
    information = torch.tensor([[0.1, 0.9, 0.5], [0.7, 0.2, 0.5], [0.4, 0.1, 0.5]])
    assert information_gaps(information, torch.tensor([1.0, 2.0, 0.0])).tolist() == pytest.approx(
        [0.3, 0.35, math.nan], nan_ok=True
    )
    assert information_gaps(information[:1], torch.ones(3)).tolist() == pytest.approx([0.1, 0.9, 0.5])


def test_disentanglement_and_completeness_by_hand() -> None:
    assert disentanglement(torch.eye(3)) == pytest.approx(1)
    assert disentanglement(torch.ones(3, 3)) == pytest.approx(0)
    assert all(disentanglement(torch.full((2, count), 0.1)) >= 0 for count in range(2, 20)), "not even by rounding"
    # The first dimension has twice the weight of the second, which is important for both factors alike.
    importances = torch.tensor([[1.0, 0.0], [0.25, 0.25], [0.0, 0.0]])
    assert disentanglement(importances) == pytest.approx(2 / 3)
    first = (0.8 * math.log(0.8) + 0.2 * math.log(0.2)) / math.log(3)
    assert completeness(importances).tolist() == pytest.approx([1 + first, 1])


def test_what_nothing_is_known_of() -> None:
    nothing = torch.zeros(4, 2, dtype=torch.float64)
    assert disentanglement(nothing) == 0
    assert completeness(nothing).tolist() == [0, 0]
    constant, factors = torch.full((50, 4), 3.5), torch.arange(100.0).reshape(50, 2) % 5
    assert gaps(constant, factors).tolist() == [0, 0]
    importances, r2 = importances_and_r2(constant, factors)
    assert not importances.any()
    assert max(r2) < 0.02


def test_a_single_dimension_and_a_single_factor() -> None:
    assert completeness(torch.tensor([[1.0, 1.0]])).tolist() == [1, 1]
    assert disentanglement(torch.tensor([[1.0, 1.0]])) == pytest.approx(0, abs=1e-7)
    assert disentanglement(torch.tensor([[1.0], [1.0]])) == 1
    assert completeness(torch.tensor([[1.0], [1.0]])).tolist() == pytest.approx([0], abs=1e-7)


def test_kinds_of_factors() -> None:
    assert kind_of(torch.tensor([3.0, 1.0, 1.0])) == "classes"
    assert kind_of(torch.tensor([0.5, 1.0])) == "continuous"
    assert kind_of(torch.arange(101.0)) == "continuous"
    assert kind_of(torch.tensor([3.0, 1.0]), period=360.0) == "circular"
    assert factor_bins(torch.tensor([7.0, -1.0, 7.0]), "classes").tolist() == [1, 0, 1]
    assert factor_targets(torch.tensor([7.0, -1.0, 7.0]), "classes").tolist() == [[0, 1], [1, 0], [0, 1]]


def test_both_ends_of_a_period_are_the_same() -> None:
    turns = torch.tensor([0.0, 360.0, 17.9, 18.0, 359.9, -0.1, 400.0])
    assert factor_bins(turns, "circular", 360.0).tolist() == [0, 0, 0, 1, 19, 19, 2]
    near = factor_targets(torch.tensor([0.1, 359.9]), "circular", 360.0)
    assert (near[0] - near[1]).norm() < 0.01
    quarter = factor_targets(torch.tensor([0.25]), "circular", 1.0)
    assert quarter[0].tolist() == pytest.approx([0, 1], abs=1e-6)
    assert factor_bins(turns, "continuous").tolist() == [0, 18, 0, 0, 17, 0, 19]


def test_a_forest_sees_the_dimensions_that_know_most() -> None:
    information = torch.tensor([[0.0, 0.3], [0.5, 0.0], [0.0, 0.2], [0.1, 0.0], [9.0, 0.0]])
    assert most_informative(torch.tensor([1.0, 0.5]), information, 3).tolist() == [0, 1, 4]
    assert most_informative(torch.tensor([0.0, 0.5]), information, 2).tolist() == [0, 2]


def test_codes_of_the_largest_value_are_in_the_last_bin() -> None:
    z = torch.tensor([[0.0, 5.0], [1.0, 5.0], [0.5, 5.0], [0.0499, 5.0]])
    assert code_bins(z).tolist() == [[0, 0], [19, 0], [10, 0], [0, 0]]


def test_importances_are_those_of_an_independent_forest() -> None:
    """Of classes, by Gini's criterion; and R^2 against scikit-learn's own."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import r2_score

    generator = torch.Generator().manual_seed(5)
    z = torch.randn(400, 3, generator=generator)
    values = (z[:, 0] + 0.5 * torch.randn(400, generator=generator)).ge(0).float() + z[:, 2].ge(1).float()
    y = factor_targets(values, "classes")
    found, r2 = forest_scores((z[:300], y[:300]), (z[300:], y[300:]), seed=1)
    other = RandomForestClassifier(300, min_samples_leaf=5, max_features=None, random_state=1)
    other.fit(z[:300].numpy(), values[:300].numpy())
    assert found.numpy() == pytest.approx(other.feature_importances_, abs=0.05)
    assert found.sum().item() == pytest.approx(1)
    expected = r2_score(y[300:].numpy(), other.predict_proba(z[300:].numpy()), multioutput="variance_weighted")
    assert r2 == pytest.approx(expected, abs=0.08)
