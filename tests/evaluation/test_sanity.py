"""Generators whose worth is known: real images, one constant image, copies of training images, noise."""

import pytest
import torch
from torch import Tensor

from gentool.data.images import ImageData, Split
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.evaluation.evaluate import MEMORISING
from gentool.evaluation.features import FeatureNetwork
from gentool.evaluation.fidelity import Judge
from gentool.evaluation.memorisation import Distances, copied_share

COUNT = 600


@pytest.fixture(scope="module")
def shuffled(digits: ImageData) -> Tensor:
    """The training images in another order: theirs goes from writer to writer."""
    return digits.train.images[torch.randperm(len(digits.train), generator=torch.Generator().manual_seed(0))]


@pytest.fixture(scope="module")
def judge(network: FeatureNetwork, digits: ImageData, shuffled: Tensor) -> Judge:
    """The test images of the digits as one network sees them; memorising is measured against 1,000 training images."""
    known = ImageData("half", digits.classes, "", None, Split(shuffled[:1000]), digits.validation, digits.test)
    return Judge.of(network, known, 0, Terminal(TerminalOptions(quiet=True)))


def scores(judge: Judge, images: Tensor) -> dict[str, float]:
    """The scores of images in place of samples, by the names without network and count."""
    fake = judge.network(images)
    found = judge.samples(fake, Distances.of(fake, judge.train))
    return {name.split(f"_{judge.network.name}_")[0]: value for name, value in found.items()}


def floor(judge: Judge) -> dict[str, float]:
    return {name.split(f"_{judge.network.name}_")[0]: value for name, value in judge.floor(COUNT, 0).items()}


def test_unseen_real_images_sit_at_the_floor(judge: Judge, shuffled: Tensor) -> None:
    found, real = scores(judge, shuffled[1000:]), floor(judge)
    assert found["fid"] == pytest.approx(real["fid"], rel=0.5)
    for name in ("precision", "recall", "density", "coverage"):
        assert found[name] == pytest.approx(real[name], abs=0.15), name
    assert found["near_train"] < MEMORISING
    assert found["nearer_train"] == pytest.approx(0.5, abs=0.1)


def test_a_constant_image_has_no_recall_and_no_coverage(judge: Judge, shuffled: Tensor) -> None:
    found = scores(judge, shuffled[1200:1201].repeat(COUNT, 1, 1, 1))
    assert found["recall"] < 0.02
    assert found["coverage"] < 0.1
    assert found["fid"] > 5 * floor(judge)["fid"]


def test_copied_training_images_are_called_copies(judge: Judge, shuffled: Tensor) -> None:
    copies = shuffled[:COUNT]
    found = scores(judge, copies)
    assert found["near_train"] > 0.99
    assert found["nearer_train"] > 0.99
    assert found["precision"] > 0.8  # which the usual scores take for excellent
    assert copied_share(copies, shuffled) == 1
    some = torch.cat([copies[:120], shuffled[1000:1480]])
    assert scores(judge, some)["near_train"] > MEMORISING  # a fifth of them is enough


def test_nearly_copied_images_are_called_copies(judge: Judge, shuffled: Tensor) -> None:
    noise = torch.randint(-4, 5, shuffled[:COUNT].shape, generator=torch.Generator().manual_seed(0))
    images = (shuffled[:COUNT] + noise).clamp(0, 255).to(torch.uint8)
    assert copied_share(images, shuffled) == 0
    assert scores(judge, images)["near_train"] > 0.5


def test_noise_is_far_from_everything(judge: Judge) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (COUNT, 1, 8, 8), generator=generator, dtype=torch.uint8)
    found = scores(judge, noise)
    assert found["fid"] > 10 * floor(judge)["fid"]
    assert found["kid"] > 10 * abs(floor(judge)["kid"])
    assert found["precision"] < 0.1
    assert found["density"] < 0.1
    assert found["coverage"] < 0.1
    assert found["nearer_train"] < 0.1
