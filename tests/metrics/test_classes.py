"""The reader of classes on images that it must tell apart, and entropies against their closed forms."""

import math

import pytest
import torch
from sklearn.datasets import load_digits

from gentool.metrics.classes import LinearClassifier, class_entropy, class_entropy_ratio


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (1797, 1, 8, 8) in [0, 1] and their digits."""
    pixels, labels = load_digits(return_X_y=True)
    return torch.from_numpy(pixels / 16).float().view(-1, 1, 8, 8), torch.from_numpy(labels).long()


def test_entropy_is_that_of_the_shares() -> None:
    expected = -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25))
    assert class_entropy(torch.tensor([2, 2, 0, 1]), 5).item() == pytest.approx(expected)
    assert class_entropy(torch.arange(5), 5).item() == pytest.approx(math.log(5))
    assert class_entropy(torch.tensor([3, 3, 3]), 5).item() == 0


def test_what_the_reader_learnt_it_reads_on_other_images_of_any_size(
    digits: tuple[torch.Tensor, torch.Tensor],
) -> None:
    images, labels = digits
    reader = LinearClassifier(images[:1200], labels[:1200], 10)
    assert (reader(images[1200:]) == labels[1200:]).float().mean() > 0.85
    large = torch.nn.functional.interpolate(images, size=(40, 24))
    reader = LinearClassifier(large[:1200], labels[:1200], 10)
    assert (reader(large[1200:]) == labels[1200:]).float().mean() > 0.8


def test_the_ratio_is_1_for_all_classes_and_near_0_for_one(digits: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, labels = digits
    reader = LinearClassifier(images, labels, 10)

    def ratio(shown: torch.Tensor) -> float:
        return class_entropy_ratio(reader, shown, images[:64]).item()

    assert ratio(images[900:964]) == pytest.approx(1, abs=0.1)
    assert ratio(images[labels == 3]) < 0.2  # different images, but all of one class
    assert 0.3 < ratio(images[(labels == 3) | (labels == 6)]) < 0.5  # .34, but for a few that are read wrong
    assert ratio(images[:1].repeat(64, 1, 1, 1)) == pytest.approx(0.1 / (math.log(10) + 0.1), abs=0.01)
    assert class_entropy_ratio(reader, images[labels == 3][:1], images[labels == 3][:1]).item() == 1  # not 0 / 0
