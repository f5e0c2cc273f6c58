"""stacked-mnist: three digits in three channels, and the modes that samples of it show."""

import csv
import json
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.data.sources import stacked_mnist
from gentool.errors import DataError
from gentool.evaluation.modes import ModeReference, digits_of
from gentool.metrics.classes import mode_divergence

CPU = torch.device("cpu")


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as MNIST's, with a pattern for each digit. Two pixels have the image's number and 20 times its digit."""
    folder = tmp_path_factory.mktemp("mnist")
    patterns = np.random.default_rng(0).integers(0, 2, (10, 4, 4)).repeat(7, axis=1).repeat(7, axis=2) * 255
    for name, count in {"train": 120, "t10k": 40}.items():
        labels = np.arange(count) % 10
        images = patterns[labels].astype(np.uint8)
        images[:, 0, 0] = np.arange(count) + (0 if name == "train" else 200)
        images[:, 0, 1] = 20 * labels
        write_idx(folder / f"{name}-images-idx3-ubyte", images)
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels)
    return folder


@pytest.fixture(scope="module", autouse=True)
def hurry() -> Iterator[None]:
    """Patterns are learnt in fewer updates than digits, by a classifier that is for nobody else."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"EPOCHS": 1, "UPDATES": 50, "VERSION": "patterns"}.items():
            patch.setattr(f"gentool.evaluation.classifier.{name}", value)
        yield


@pytest.fixture(scope="module")
def stacked(source: Path) -> ImageData:
    return load_data("stacked-mnist", source=source, count=2000)


def test_each_channel_is_a_digit_of_its_own_split(stacked: ImageData) -> None:
    assert stacked.shape == (3, 28, 28)
    assert [len(split) for split in stacked.splits.values()] == [1425, 75, 500]
    assert not stacked.labelled
    factors = stacked.factors()
    assert factors is not None
    assert stacked.info["factors"] == ["red", "green", "blue"]
    whole = stacked.whole().images
    assert torch.equal(whole[:, :, 0, 1].long(), 20 * factors.long())
    corner = whole[:, :, 0, 0]
    assert (corner[:1500] < 120).all()
    assert (corner[1500:] >= 200).all()
    assert len(corner.unique(dim=0)) > 1900  # not the same triples again and again
    shares = torch.bincount(factors.long().flatten(), minlength=10) / factors.numel()
    assert (shares - 0.1).abs().max() < 0.02


def test_images_depend_on_seed_and_number_alone(source: Path) -> None:
    few, many = stacked_mnist.choose(3, 5, 60_000), stacked_mnist.choose(3, 50, 60_000)
    assert (many[:5] == few).all()
    assert (stacked_mnist.choose(4, 5, 60_000) != few).any()
    assert few.tolist()[0] == [56056, 4749, 22969]  # another value changes every model trained on them
    assert few.min() >= 0
    assert few.max() < 60_000
    fingerprints = {load_data("stacked-mnist", source=source, count=60, split_seed=seed).fingerprint for seed in (0, 1)}
    assert len(fingerprints) == 2


def test_labels_are_needed(source: Path, tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes((source / "train-images-idx3-ubyte").read_bytes())
    with pytest.raises(DataError, match="stacked-mnist: the labels of the digits are missing"):
        load_data("stacked-mnist", source=tmp_path)


def test_training_images_alone_will_do(source: Path, tmp_path: Path) -> None:
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    data = load_data("stacked-mnist", source=tmp_path, count=200)
    assert sum(map(len, data.splits.values())) == 200
    assert len(data.test) == 20


def test_modes_are_counted(stacked: ImageData) -> None:
    reference = ModeReference.of(stacked, 1000, 0, CPU)
    assert reference is not None
    assert reference.expected.sum().item() == pytest.approx(1)
    factors = stacked.factors()
    assert factors is not None
    images = stacked.train.images[:300]
    scores = reference.scores(images)
    assert scores.keys() == {"modes_300", "mode_kl_300"}
    assert scores["modes_300"] == len(factors[:300].unique(dim=0))
    repeated = reference.scores(images[:1].expand(300, -1, -1, -1))
    one = (factors[0].long() * torch.tensor([100, 10, 1])).sum()
    assert repeated["modes_300"] == 1
    assert repeated["mode_kl_300"] == pytest.approx(-math.log(reference.expected[one].item()))
    assert reference.floor()["modes_1000"] > 500


def test_the_divergence_is_that_of_shares() -> None:
    expected = torch.tensor([0.5, 0.25, 0.25])
    assert mode_divergence(torch.tensor([2, 1, 1]), expected) == pytest.approx(0, abs=1e-7)
    assert mode_divergence(torch.tensor([5, 0, 0]), expected) == pytest.approx(math.log(2))
    assert mode_divergence(torch.tensor([0, 1, 1]), expected) == pytest.approx(math.log(2))


def test_other_images_have_no_modes(digits: ImageData, source: Path) -> None:
    assert ModeReference.of(digits, 100, 0, CPU) is None
    assert ModeReference.of(load_data("stacked-mnist", source=source, count=60, channels=1), 20, 0, CPU) is None


def test_digits_of_a_folder_without_factors(stacked: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageData, "factors", lambda self: None)
    with pytest.raises(DataError, match=r"has no factors\.npy"):
        digits_of(stacked)


def test_evaluate_counts_them(cli: Callable, source: Path) -> None:
    assert cli("prepare", "stacked-mnist", "--source", source, "--count", 400, "--out", "stacked").code == 0
    done = cli("train", "gan", "--data", "stacked", "--steps", 2, "--width", 8, "--batch-size", 8, "--out", "run")
    assert done.code == 0, done.err
    few = ("--samples", 100, "--half-samples", 0, "--seeds", 2, "--features", "random")
    done = cli("evaluate", "gan", "run", *few, "--out", "scores")
    assert done.code == 0, done.err
    with Path("scores/evaluation.csv").open(newline="") as file:
        rows = {row["what"]: row for row in csv.DictReader(file)}
    assert 1 <= float(rows["samples"]["modes_100"]) <= 100
    assert float(rows["training images (floor)"]["modes_100"]) > 80
    assert "samples, 2 seeds: mean" in rows
    assert json.loads(Path("scores/evaluation.json").read_text())["digit_classifier"].keys() == {"hash", "accuracy"}
    assert any(line.startswith("modes_100") and "floor" in line for line in done.err.splitlines())


def test_the_number_of_images_is_an_option_of_it(cli: Callable, source: Path) -> None:
    assert cli("prepare", "stacked-mnist", "--source", source, "--count", 60).code == 0
    refused = cli("prepare", "mnist", "--source", source, "--count", 60)
    assert refused.code == 2
    assert "--count: the number of images is fixed in mnist" in refused.err
