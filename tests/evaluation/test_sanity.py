"""Generators whose worth is known: real images, one constant image, copies of training images, noise."""

import pytest
import torch
from torch import Tensor

from gentool.data.images import ImageData, Split
from gentool.evaluation.evaluate import COPYING_SHARE
from gentool.evaluation.features import FeatureNetwork
from gentool.evaluation.fidelity import Reference
from gentool.evaluation.memorisation import Distances, copied_share

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
    assert copied_share(copies, shuffled) == 1
    some = torch.cat([copies[:120], shuffled[1000:1480]])
    assert scores(reference, some)["near_train"] > COPYING_SHARE  # a fifth of them is enough


def test_nearly_copied_images_are_called_copies(reference: Reference, shuffled: Tensor) -> None:
    noise = torch.randint(-4, 5, shuffled[:COUNT].shape, generator=torch.Generator().manual_seed(0))
    images = (shuffled[:COUNT] + noise).clamp(0, 255).to(torch.uint8)
    assert copied_share(images, shuffled) == 0
    assert scores(reference, images)["near_train"] > 0.5


def test_noise_is_far_from_everything(reference: Reference) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (COUNT, 1, 8, 8), generator=generator, dtype=torch.uint8)
    found = scores(reference, noise)
    assert found["fid"] > 10 * floor(reference)["fid"]
    assert found["kid"] > 10 * abs(floor(reference)["kid"])
    assert found["precision"] < 0.1
    assert found["density"] < 0.1
    assert found["coverage"] < 0.1
    assert found["nearer_train"] < 0.1
