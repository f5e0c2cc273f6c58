"""Real images, and feature networks with a short training, once for all tests of evaluation."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.evaluation import classifier, self_supervised
from gentool.evaluation.features import FeatureNetwork, feature_networks


@pytest.fixture(scope="session", autouse=True)
def quick_networks() -> Iterator[None]:
    """A tenth of the usual training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "UPDATES", 200)
        patch.setattr(self_supervised, "UPDATES", 40)
        yield


@pytest.fixture(scope="session")
def digits(cache: Path) -> ImageData:
    """1,527 training and 180 test images of 8x8."""
    return load_data("digits")


@pytest.fixture(scope="session", params=["random", "classifier", "self-supervised"])
def network(request: pytest.FixtureRequest, digits: ImageData) -> FeatureNetwork:
    """Each feature network that needs nothing from outside."""
    return feature_networks((request.param,), digits, torch.device("cpu"))[0]
