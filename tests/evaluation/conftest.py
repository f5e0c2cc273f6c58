"""Real images and feature networks, once for all tests of evaluation."""

from pathlib import Path

import pytest
import torch

from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.evaluation.features import FeatureNetwork, feature_networks


@pytest.fixture(scope="session")
def digits(cache: Path) -> ImageData:
    """1,527 training and 180 test images of 8x8."""
    return load_data("digits")


@pytest.fixture(scope="session", params=["random", "classifier", "self-supervised"])
def network(request: pytest.FixtureRequest, digits: ImageData) -> FeatureNetwork:
    """Each feature network that needs nothing from outside."""
    return feature_networks((request.param,), digits, torch.device("cpu"))[0]
