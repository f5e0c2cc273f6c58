"""`evaluate`, `compare` and `embed` take a checkpoint's path in place of a model, and give the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gentool
from gentool.data.images import ImageData
from gentool.errors import CheckpointError, OptionError
from gentool.latent.loading import load

SMALL = {"samples": 40, "k": 2, "bound_images": 20, "features": "classifier"}
PATHS: list[Callable[[Path], Path | str]] = [lambda run: run, lambda run: run / "model.pt", lambda run: str(run)]


@pytest.mark.parametrize("as_path", PATHS, ids=["folder", "file", "text"])
def test_an_evaluation_of_a_path_is_that_of_its_model(runs: Path, digits: ImageData, as_path: Callable) -> None:
    found = gentool.evaluate(as_path(runs / "vae"), digits, half_samples=2, **SMALL)
    expected = gentool.evaluate(load(runs / "vae"), digits, half_samples=2, **SMALL)
    assert found.table.rows == expected.table.rows
    assert found.scores == expected.scores
    assert found.facts == expected.facts
    assert found.facts["checkpoint"] == str(runs / "vae" / "model.pt")
    assert torch.equal(found.samples, expected.samples)


def test_a_comparison_of_paths_and_models_is_that_of_models(runs: Path, digits: ImageData) -> None:
    names = ("vae", "gan", "cgan")
    expected = gentool.compare([load(runs / name) for name in names], digits, **SMALL)
    mixed = gentool.compare([runs / "vae", load(runs / "gan"), str(runs / "cgan" / "model.pt")], digits, **SMALL)
    assert mixed.table["model"] == [*names, "training images (floor)"]
    assert mixed.table.rows == expected.table.rows
    assert mixed.to_markdown() == expected.to_markdown()


@pytest.mark.parametrize("as_path", PATHS, ids=["folder", "file", "text"])
def test_an_embedding_of_a_path_is_that_of_its_model(runs: Path, digits: ImageData, as_path: Callable) -> None:
    found, expected = gentool.embed(as_path(runs / "cae"), digits), gentool.embed(load(runs / "cae"), digits)
    assert torch.equal(found.z, expected.z)
    assert found.card.summary == expected.card.summary
    assert found.table.rows == expected.table.rows


def test_the_data_of_the_training_are_the_default(runs: Path, digits: ImageData) -> None:
    found = gentool.embed(runs / "vae")
    assert found.data.fingerprint == digits.fingerprint
    assert torch.equal(found.z, gentool.embed(runs / "vae", digits).z)


@pytest.mark.parametrize("use", [gentool.evaluate, gentool.embed, lambda model: gentool.compare([model])])
def test_what_is_no_model_is_refused(runs: Path, tmp_path: Path, use: Callable[[Any], Any]) -> None:
    with pytest.raises(OptionError, match=r"^expected a model of images or its checkpoint, got int$"):
        use(3)
    with pytest.raises(CheckpointError, match=r"nowhere: no such checkpoint; "):
        use(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"has no model\.pt \(yet\)"):
        use(tmp_path)


@pytest.mark.parametrize("models", ["runs/vae", Path("runs/vae"), [], 3], ids=str)
def test_a_comparison_needs_a_list(models: Any) -> None:
    with pytest.raises(OptionError, match=r"^compare needs a list of models or checkpoints$"):
        gentool.compare(models)
