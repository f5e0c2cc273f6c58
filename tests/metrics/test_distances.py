"""FID and KID on cases with a known answer, and against another implementation."""

import pytest
import torch

from gentool.metrics.distances import fid, kid


def gaussian(seed: int, count: int = 1000, dims: int = 16) -> torch.Tensor:
    return torch.randn(count, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_fid_of_a_shift_and_of_a_scale() -> None:
    x = gaussian(0)
    assert fid(x, x) == pytest.approx(0, abs=1e-6)
    assert fid(x, x + 3) == pytest.approx(9 * 16, rel=1e-6)  # |mean difference|^2
    assert fid(x, 2 * x - x.mean(0)) == pytest.approx(x.var(0).sum().item(), rel=1e-6)  # tr(C) (2 - 1)^2


def test_fid_and_kid_order_sets_by_their_distance() -> None:
    real = gaussian(0)
    near, far = gaussian(1) + 0.1, gaussian(1) + 0.5
    assert fid(real, gaussian(2)) < fid(real, near) < fid(real, far)
    same, some, more = (kid(real, fake, subsets=5) for fake in (gaussian(2), near, far))
    assert abs(same) < 0.2 * some < 0.1 * more


def test_kid_is_a_function_of_its_seed_and_leaves_the_global_randomness_alone() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    real, fake = gaussian(0), gaussian(1)
    assert kid(real, fake, seed=1, size=100) == kid(real, fake, seed=1, size=100) != kid(real, fake, seed=2, size=100)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_both_equal_those_of_torch_fidelity() -> None:
    metric_fid = pytest.importorskip("torch_fidelity.metric_fid", reason="torch-fidelity is not installed")
    from torch_fidelity.metric_kid import kid_features_to_metric

    real, fake = gaussian(0).float(), (gaussian(1) * gaussian(2).abs() + 0.2).float()
    statistics = [metric_fid.fid_features_to_statistics(part) for part in (real, fake)]
    theirs = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert fid(real, fake) == pytest.approx(theirs, rel=1e-3)
    # One subset of everything: with the usual hundred of a thousand, two draws differ by some percent.
    found = kid_features_to_metric(real, fake, kid_subsets=1, kid_subset_size=len(real), verbose=False)
    assert kid(real, fake, subsets=1, size=len(real)) == pytest.approx(
        found["kernel_inception_distance_mean"], rel=1e-3
    )
