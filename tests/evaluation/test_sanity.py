"""Generators whose worth is known: real images, one constant image, copies of training images, noise."""

import pytest
import torch
from torch import Tensor

from gentool.data.images import ImageData, Split
from gentool.evaluation.features import FeatureNetwork
from gentool.evaluation.fidelity import Reference
from gentool.evaluation.memorisation import COPYING_SHARE, ERROR_RATE, Copies, Distances, chance_of_nearness

COUNT = 600


@pytest.fixture(scope="module")
def shuffled(digits: ImageData) -> Tensor:
    """The training images in another order: theirs goes from writer to writer."""
    return digits.train.images[torch.randperm(len(digits.train), generator=torch.Generator().manual_seed(0))]


@pytest.fixture(scope="module")
def reference(network: FeatureNetwork, digits: ImageData, shuffled: Tensor) -> Reference:
    """The test images of the digits as one network sees them; memorising is measured against 1,000 training images."""
    known = ImageData("half", digits.classes, "", None, Split(shuffled[:1000]), digits.validation, digits.test)
    return Reference.of(network, known, 0)


def scores(reference: Reference, images: Tensor) -> dict[str, float]:
    """The scores of images in place of samples, by the names without network and count."""
    fake = reference.network(images)
    found = reference.scores(fake, Distances.of(fake, reference.train))
    return {name.split(f"_{reference.network.name}_")[0]: value for name, value in found.items()}


def floor(reference: Reference) -> dict[str, float]:
    return {name.split(f"_{reference.network.name}_")[0]: value for name, value in reference.floor(COUNT, 0).items()}


def test_unseen_real_images_sit_at_the_floor(reference: Reference, shuffled: Tensor) -> None:
    found, real = scores(reference, shuffled[1000:]), floor(reference)
    assert found["fid"] == pytest.approx(real["fid"], rel=0.5)
    for name in ("precision", "recall", "density", "coverage"):
        assert found[name] == pytest.approx(real[name], abs=0.15), name
    assert found["near_train"] < COPYING_SHARE
    assert found["nearer_train"] == pytest.approx(0.5, abs=0.1)


def test_a_constant_image_has_no_recall_and_no_coverage(reference: Reference, shuffled: Tensor) -> None:
    found = scores(reference, shuffled[1200:1201].repeat(COUNT, 1, 1, 1))
    assert found["recall"] < 0.02
    assert found["coverage"] < 0.1
    assert found["fid"] > 5 * floor(reference)["fid"]


def test_copied_training_images_are_called_copies(reference: Reference, shuffled: Tensor) -> None:
    copies = shuffled[:COUNT]
    found = scores(reference, copies)
    assert found["near_train"] > 0.99
    assert found["nearer_train"] > 0.99
    assert found["precision"] > 0.8  # which the usual scores take for excellent
    assert Copies.of(copies, shuffled).exact == COUNT
    some = torch.cat([copies[:120], shuffled[1000:1480]])
    assert scores(reference, some)["near_train"] > COPYING_SHARE  # a fifth of them is enough


def test_nearly_copied_images_are_called_copies(reference: Reference, shuffled: Tensor) -> None:
    noise = torch.randint(-4, 5, shuffled[:COUNT].shape, generator=torch.Generator().manual_seed(0))
    images = (shuffled[:COUNT] + noise).clamp(0, 255).to(torch.uint8)
    assert Copies.of(images, shuffled).exact == 0
    assert scores(reference, images)["near_train"] > 0.5


def test_noise_is_far_from_everything(reference: Reference) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (COUNT, 1, 8, 8), generator=generator, dtype=torch.uint8)
    found, real = scores(reference, noise), floor(reference)
    assert found["fid"] > 10 * real["fid"]
    assert found["kid"] > 10 * abs(real["kid"])
    for name in ("precision", "density", "coverage", "nearer_train"):  # the networks of other processors differ
        assert found[name] < real[name] / 4, name


@pytest.mark.parametrize("held_out", [12, 24, 40, 500])
def test_how_often_an_honest_model_is_called_memorising(held_out: int) -> None:
    generator = torch.Generator().manual_seed(0)
    called = 0
    for _ in range(1000):
        distances = torch.rand(200 + held_out, generator=generator)
        samples, real = distances[:200], distances[200:]
        share = (samples < real.quantile(0.01, interpolation="lower")).double().mean()
        called += bool(share > COPYING_SHARE and chance_of_nearness(samples, real) < ERROR_RATE)
    assert called <= 20  # of 10 expected at most; the share alone calls more than half of them with 12 held-out images


def test_the_chance_of_nearness_is_exact() -> None:
    # Two of three points before all of two held-out images: (3 / 5) (2 / 4).
    points, held_out = torch.tensor([0.1, 0.2, 0.9]), torch.tensor([0.5, 0.7])
    assert chance_of_nearness(points, held_out) == pytest.approx(0.3)


def test_copies_and_mirrored_copies_are_counted_by_themselves(shuffled: Tensor) -> None:
    train, new = shuffled[:500], shuffled[500:690]
    copies = Copies.of(torch.cat([train[:8], train[8:13].flip(-1), new[:187]]), train)
    assert (copies.exact, copies.mirrored, copies.count) == (8, 5, 200)
    assert copies.shares() == {"copied": 0.04, "copied_mirrored": 0.025}
    assert copies.chance_beside(Copies.of(new, train)) < ERROR_RATE / 2
    assert Copies.of(new, train).chance_beside(copies) > 0.99
