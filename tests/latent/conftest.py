"""Tiny trained models, made once for all tests of what is done with a trained model."""

from pathlib import Path

import pytest

TINY = {
    "cae": ["--channels", "4,8", "--latent-dim", "4"],
    "vae": ["--arch", "mlp", "--hidden", "16", "--latent-dim", "4"],
    "lstm-ae": ["--hidden", "8", "--latent-dim", "4"],
    "gan": ["--width", "16", "--latent-dim", "8"],
    "cgan": ["--width", "16", "--latent-dim", "8"],
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A tiny trained model of each kind."""
    from gentool.cli.app import run

    folder = tmp_path_factory.mktemp("runs")
    for model, options in TINY.items():
        common = ["--data", "digits", "--epochs", "1", "--batch-size", "256", "--quiet", "--out", str(folder / model)]
        assert run(["train", model, *common, *options]) == 0
    return folder
