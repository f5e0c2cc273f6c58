"""Gaussian mixtures on codes: matching, naming, scoring, and the density to sample from."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gentool.errors import DataError, OptionError
from gentool.latent.mixture import bayes_classifier, classify, fit_mixture, majority, matched, score
from gentool.latent.prior import ClassMixturePrior, MixturePrior

CLUSTERS = np.array([0, 0, 0, 1, 1, 2, 2, 2])
LABELS = np.array([1, 1, 0, 0, 0, 1, 1, 1])


def three_blobs(count: int = 900) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (count, 2) around three centres, and which centre."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    centres = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 8.0]])
    deviations = torch.tensor([[1.0, 0.3], [0.5, 1.0], [0.2, 0.7]])
    return centres[labels] + deviations[labels] * torch.randn(count, 2, generator=generator), labels


def test_one_to_one_and_majority_names() -> None:
    assert matched(CLUSTERS, LABELS, 3, 2).tolist() == [-1, 0, 1]
    assert majority(CLUSTERS, LABELS, 4, 2).tolist() == [1, 0, 1, -1]


def test_scores_by_hand() -> None:
    predicted = np.array([1, 0, -1])[CLUSTERS]  # the third cluster has no class: all of it is wrong
    scores = score(LABELS, predicted, CLUSTERS)
    assert scores.accuracy == pytest.approx(4 / 8)
    assert scores.precision == pytest.approx((2 / 2 + 2 / 3) / 2)
    assert scores.recall == pytest.approx((2 / 3 + 2 / 5) / 2)
    assert scores.f1 == pytest.approx((0.8 + 0.5) / 2)
    perfect = score(LABELS, LABELS, LABELS)
    assert (perfect.accuracy, perfect.nmi, perfect.ari) == (1, pytest.approx(1), 1)


def test_blobs_are_found_and_told_apart() -> None:
    z, labels = three_blobs()
    known = labels.numpy()
    clusters = fit_mixture(z, 3, seed=0).predict(z.double().numpy())
    assert (matched(clusters, known, 3, 3)[clusters] == known).mean() > 0.99
    assert (classify(bayes_classifier(z, known, 2, seed=0), z) == known).mean() > 0.99


def test_narrow_clusters_in_the_plane_are_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(1600) % 16
    centres = torch.stack([labels % 4, labels // 4], dim=1)
    z = centres + torch.tensor([0.12, 0.25]) * torch.randn(1600, 2, generator=generator)
    mixture = fit_mixture(z, 16, seed=0)
    clusters = mixture.predict(z.double().numpy())
    assert (matched(clusters, labels.numpy(), 16, 16)[clusters] == labels.numpy()).mean() > 0.9
    assert np.sqrt(mixture.covariances_[:, 0, 0]).max() < 0.25


def test_more_components_than_codes() -> None:
    with pytest.raises(OptionError, match="a mixture of 11 components needs at least as many images; there are 10"):
        fit_mixture(torch.randn(10, 2), 11, seed=0)


def test_the_prior_has_the_moments_of_the_codes() -> None:
    z, _ = three_blobs(3000)
    prior = MixturePrior.fit(z, 3)
    drawn = prior.draw(0, 0, 6000)
    assert torch.allclose(drawn.mean(0), z.mean(0), atol=0.15)
    assert torch.allclose(drawn.T.cov(), z.T.cov(), rtol=0.06, atol=0.15)
    assert torch.equal(prior.draw(0, 40, 10), drawn[40:50])
    assert not torch.equal(prior.draw(1, 40, 10), drawn[40:50])


def test_each_class_has_the_moments_of_its_own_codes() -> None:
    z, labels = three_blobs(3000)
    prior = ClassMixturePrior.fit(z, labels, 3, 2)
    assert (prior.components, repr(prior)) == (2, "<mixture of 2 Gaussians in 2 dimensions for each of 3 classes>")
    asked = torch.arange(6000) % 3
    drawn = prior.draw(0, 0, asked)
    for number in range(3):
        own, real = drawn[asked == number], z[labels == number]
        assert torch.allclose(own.mean(0), real.mean(0), atol=0.08)
        assert torch.allclose(own.T.cov(), real.T.cov(), rtol=0.12, atol=0.05)
        assert torch.allclose(prior.center[number], real.mean(0), atol=1e-4)
    assert torch.equal(prior.draw(0, 40, asked[40:50]), drawn[40:50])
    assert not torch.equal(prior.draw(1, 40, asked[40:50]), drawn[40:50])
    with pytest.raises(OptionError, match="a mixture of 4 components needs at least as many images; there are 3"):
        ClassMixturePrior.fit(z[:9], labels[:9], 3, 4)


def test_mixtures_of_classes_are_kept_for_what_they_were_fitted_to(tmp_path: Path) -> None:
    z, labels = three_blobs()
    prior, path = ClassMixturePrior.fit(z, labels, 3, 2), tmp_path / "prior.npz"
    prior.save(path, "this")
    again = ClassMixturePrior.load(path, "this", (3, 2, 2))
    assert again is not None
    assert torch.equal(again.draw(0, 0, labels[:5]), prior.draw(0, 0, labels[:5]))
    assert ClassMixturePrior.load(path, "another", (3, 2, 2)) is None
    for load in (
        lambda: ClassMixturePrior.load(path, "this", (3, 4, 2)),
        lambda: MixturePrior.load(path, "this", (2, 2)),
    ):
        with pytest.raises(DataError, match=r"prior\.npz: damaged, or a mixture of another size; remove it"):
            load()


def test_the_prior_is_kept_for_what_it_was_fitted_to(tmp_path: Path) -> None:
    z, _ = three_blobs()
    prior = MixturePrior.fit(z, 2)
    path = tmp_path / "prior.npz"
    assert MixturePrior.load(path, "this", (2, 2)) is None
    prior.save(path, "this")
    again = MixturePrior.load(path, "this", (2, 2))
    assert again is not None
    assert torch.equal(again.draw(0, 0, 5), prior.draw(0, 0, 5))
    assert MixturePrior.load(path, "another", (2, 2)) is None
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"prior\.npz: not a readable"):
        MixturePrior.load(path, "this", (2, 2))
