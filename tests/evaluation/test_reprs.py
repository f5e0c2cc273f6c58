"""What a prompt or a notebook shows of a result: words and numbers, no dataclass with all its tensors."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gentool
from gentool.data.images import ImageData, Split
from gentool.evaluation.evaluation import Evaluation
from gentool.latent.loading import load
from gentool.latent.model import Model
from gentool.latent.prior import MixturePrior

SMALL = {"samples": 40, "features": "random", "k": 2, "bound_images": 20}


@pytest.fixture
def vae(runs: Path) -> Model:
    return load(runs / "vae", device="cpu")


@pytest.fixture
def other() -> ImageData:
    """Images that no model was trained on."""
    return gentool.load_data(np.random.default_rng(0).integers(0, 256, (150, 8, 8), np.uint8))


@pytest.fixture
def evaluation(vae: Model, other: ImageData) -> Evaluation:
    return gentool.evaluate(vae, other, half_samples=2, **SMALL)


def test_an_evaluation_has_a_line_for_each_score_and_note(evaluation: Evaluation) -> None:
    title, *lines = repr(evaluation).splitlines()
    assert title == "<evaluation of a vae on array>"
    assert evaluation.notes[0].startswith("the model was trained on other images")
    said = [*evaluation.verdicts, *evaluation.notes]
    assert lines[-len(said) :] == said
    shown = dict(line.split()[:2] for line in lines[: -len(said)])
    assert shown.keys() == evaluation.scores.keys()
    for name, value in evaluation.scores.items():
        assert float(shown[name].replace(",", "")) == pytest.approx(value, rel=1e-3, abs=0.5), name
    (fid,) = [line for line in lines if line.startswith("fid_random_40 ")]
    assert re.fullmatch(
        r"fid_random_40 +[\d,]+ \(-?[\d.e+]+ to [\d.e+]+\)   floor [\d.e+]+ \([\d.e+]+ to [\d.e+]+\)", fid
    ), fid
    assert str(evaluation).splitlines() == lines[: -len(said)]


def test_a_notebook_shows_an_evaluation_as_a_table_above_its_notes(evaluation: Evaluation) -> None:
    text = evaluation._repr_markdown_()
    assert text.startswith(evaluation.table.to_markdown())
    assert text.splitlines()[-len(evaluation.notes) :] == list(evaluation.notes)
    head = text.splitlines()[0]
    for name in evaluation.scores:
        assert f"| {name} |" in head, name
    assert [line.split(" | ")[0] for line in text.splitlines()[2:4]] == ["| samples", "| samples: 95 % CI low"]


def test_a_comparison_is_its_table_above_its_notes(vae: Model, runs: Path, digits: ImageData) -> None:
    comparison = gentool.compare([vae, runs / "gan"], digits, **SMALL)
    text = repr(comparison)
    assert text + "\n" == comparison._repr_markdown_() == comparison.to_markdown()
    assert text.splitlines()[0] == "| | vae | gan | training images (floor) |"
    assert text.splitlines()[-3:] == list(comparison.notes)
    assert comparison.notes[0].startswith("Data: digits, 180 test images.")
    fid = {row["model"]: row["fid_random_40"] for row in comparison.table}
    (line,) = [line for line in text.splitlines() if line.startswith("| fid_random_40 |")]
    assert [float(cell.replace(",", "")) for cell in line.strip("| ").split(" | ")[1:]] == pytest.approx(
        list(fid.values()), rel=1e-3
    )


def one_line(value: Any) -> str:
    """The repr of a value that has to be short."""
    text = repr(value)
    assert "\n" not in text
    assert text.startswith("<")
    assert text.endswith(">")
    assert len(text) < 300
    assert not re.search(r"tensor|array\(|dtype|0x", text)
    return text


def test_images(digits: ImageData, other: ImageData) -> None:
    assert one_line(digits) == "<digits: images 8x8 grey, train 1,527, validation 90, test 180, 10 classes>"
    assert one_line(digits.train) == "<1,527 images with labels>"
    counts = f"train {len(other.train)}, validation {len(other.validation)}, test {len(other.test)}"
    assert one_line(other) == f"<array: images 8x8 grey, {counts}>"
    assert one_line(other.test) == f"<{len(other.test)} images>"
    colour = torch.zeros(5, 3, 24, 16, dtype=torch.uint8)
    set_ = ImageData("wide", ("a",), "", None, Split(colour), Split(colour[:0]), Split(colour[:2]))
    assert one_line(set_) == "<wide: images 16x24 colour, train 5, validation 0, test 2>"


def test_projections(vae: Model, digits: ImageData) -> None:
    found = vae.project(digits.test.images[:2], steps=2, restarts=1)
    assert one_line(found) == f"<projections of 2 images, mean squared error {found.mse.mean():.3g}>"
    alone = vae.project(digits.test.images[:1], steps=2, restarts=1)
    assert one_line(alone).startswith("<projections of 1 image, mean squared error 0.")


def test_mixtures() -> None:
    z = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert one_line(MixturePrior.fit(z, 3)) == "<mixture of 3 Gaussians in 4 dimensions>"
    assert one_line(MixturePrior.fit(z[:, :1], 1)) == "<mixture of 1 Gaussian in 1 dimension>"


def test_embeddings(vae: Model, digits: ImageData, other: ImageData) -> None:
    embedding = gentool.embed(vae, digits)
    text = one_line(embedding)
    assert text.startswith("<PCA of 1,797 codes of 4 dimensions: images 1,797, dimensions 4, variance ")
    assert f", knn_accuracy {embedding.card.summary['knn_accuracy']:.4g}, " in text
    assert "accuracy" not in one_line(gentool.embed(vae, other))


def test_models(vae: Model, runs: Path) -> None:
    assert one_line(vae) == f"<vae trained on digits: {vae.parameters:,} parameters, 1x8x8 images, 4 latents>"
    network = gentool.seq2seq.train("text2text", max_operand=9, hidden=8, embedding=8, steps=1, device="cpu")
    assert one_line(network) == f"<text2text: {network.parameters:,} parameters, operands up to 9, operators +->"
    assert one_line(gentool.seq2seq.evaluate(network)).startswith("<text2text on 20 held-out queries: ")
