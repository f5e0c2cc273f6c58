"""What cae and lstm-ae share: the loss, the units of the codes, and what --clip and the default length do."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gentool.data.load import load_data
from gentool.engine import checkpoint
from gentool.latent.loading import load
from gentool.models import model_module
from gentool.models.reconstruction import reconstruction_loss

TINY = {
    "cae": ["--channels", "4,8", "--latent-dim", 4],
    "lstm-ae": ["--hidden", 8, "--latent-dim", 4],
}


def train(model: str, *arguments: object) -> list[object]:
    common = ["--data", "digits", "--batch-size", 256, "--device", "cpu", "--out", "run", "--overwrite"]
    return ["train", model, *common, *TINY[model], *arguments]


def test_the_loss_by_hand() -> None:
    logits, x = torch.tensor([[0.0, math.log(3)]]), torch.tensor([[1.0, 0.25]])  # pixels 0.5 and 0.75
    mse = (0.5**2 + 0.5**2) / 2
    assert reconstruction_loss("mse", logits, x)["loss"].item() == pytest.approx(mse)
    both = reconstruction_loss("bce", logits, x)
    assert both["mse"].item() == pytest.approx(mse)
    entropy = -(math.log(0.5) + 0.25 * math.log(0.75) + 0.75 * math.log(0.25)) / 2
    assert both["loss"].item() == pytest.approx(entropy)


@pytest.mark.parametrize("model", TINY)
def test_codes_are_in_units_of_the_training_codes_and_errors_those_of_the_result(cli: Callable, model: str) -> None:
    assert cli(*train(model, "--epochs", 2, "--amp", "off")).code == 0
    network = load("run", device="cpu").network
    data = load_data("digits")
    with torch.no_grad():
        z = network.encode(data.train.images.float() / 255)
        assert z.shape == (len(data.train), network.latent_dim)
        torch.testing.assert_close(z.mean(0), torch.zeros(4), atol=1e-3, rtol=0)
        torch.testing.assert_close(z.std(0, correction=0), torch.ones(4), atol=1e-3, rtol=0)
        x = data.test.images.float() / 255
        pixels = network.decode(network.encode(x))
        assert torch.equal(pixels, network.decode(network.encode(x)))
    assert pixels.shape == x.shape
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    result = json.loads(Path("run/result.json").read_text())
    assert result["test_loss"] == pytest.approx((pixels - x).square().mean().item(), rel=1e-4)


def test_clipping_by_a_norm_that_is_never_reached_changes_nothing(cli: Callable) -> None:
    weights = {}
    for clip in (0, 1e3, 1e-3):
        assert cli(*train("lstm-ae", "--epochs", 2, "--amp", "off", "--clip", clip)).code == 0
        weights[clip] = checkpoint.digest(checkpoint.load(Path("run/model.pt"), "model")[1])
    assert weights[0] == weights[1e3] != weights[1e-3]


def test_an_lstm_autoencoder_is_trained_for_longer() -> None:
    assert model_module("lstm-ae").Options().default_updates == 10_000
    assert model_module("cae").Options().default_updates == 5_000
