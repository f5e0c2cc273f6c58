"""Verdicts on generators with known faults: missing classes, repeated samples, leaked test images."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gentool.data.images import ImageData, Split
from gentool.evaluation.agreement import missing_classes
from gentool.evaluation.features import FeatureNetwork
from gentool.evaluation.fidelity import Reference
from gentool.evaluation.memorisation import ERROR_RATE, Distances
from gentool.evaluation.verdicts import COLLAPSED, below_floor, verdict_lines

NAMES = ("a", "b", "c", "d")
HEALTHY = {"memorising": False, "copying": False, "collapsed": False, "missing_classes": [], "below_floor": []}


def classes(*counts: int) -> Tensor:
    """As many of each class."""
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))


def test_a_class_that_is_hardly_there_is_missing() -> None:
    real = classes(50, 50, 50, 50)
    assert missing_classes(classes(67, 67, 66, 0), real, NAMES) == ("d",)
    assert missing_classes(classes(98, 98, 2, 2), real, NAMES) == ("c", "d")
    assert missing_classes(classes(80, 60, 40, 20), real, NAMES) == ()
    assert missing_classes(classes(50, 50, 50, 0), classes(60, 60, 60, 3), NAMES) == (), "rare in real images too"
    assert missing_classes(classes(4, 4, 4, 0), classes(4, 4, 4, 4), NAMES) == (), "too few to say"


def test_how_often_an_honest_model_is_said_to_miss_a_class() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = torch.tensor([0.7, 0.2, 0.07, 0.03])
    called = 0
    for _ in range(1000):
        samples, real = (shares.multinomial(count, True, generator=generator) for count in (100, 60))
        called += bool(missing_classes(samples, real, NAMES))
    assert called <= 1000 * ERROR_RATE


@pytest.fixture(scope="module")
def reference(network: FeatureNetwork, digits: ImageData) -> Reference:
    return Reference.of(network, digits, 0)


def test_repetition_is_seen_in_the_spacing(reference: Reference, digits: ImageData) -> None:
    def spacing(images: Tensor) -> float:
        return reference.spacing(reference.network(images), 0)

    generator = torch.Generator().manual_seed(0)
    train = digits.train.images
    chosen = train[torch.randperm(len(train), generator=generator)[:400]]
    assert spacing(chosen) == pytest.approx(1, abs=0.1)
    assert spacing(torch.nn.functional.avg_pool2d(chosen.float(), 3, 1, 1).to(torch.uint8)) > COLLAPSED
    for different in (1, 10, 100):
        repeated = chosen[torch.arange(400) % different]
        assert spacing(repeated) == 0
        noise = torch.randint(-5, 6, repeated.shape, generator=generator)
        assert 0 < spacing((repeated + noise).clamp(0, 255).to(torch.uint8)) < COLLAPSED


def test_a_set_of_duplicates_has_no_spacing_to_compare_with(network: FeatureNetwork, digits: ImageData) -> None:
    same = Split(digits.train.images[:1].repeat(50, 1, 1, 1))
    alike = Reference.of(network, ImageData("same", digits.classes, "", None, same, digits.validation, digits.test), 0)
    assert alike.spacing(alike.network(digits.test.images[:50]), 0) == 1


def test_test_images_lie_below_the_floor_unlike_training_images(reference: Reference, digits: ImageData) -> None:
    floor = reference.floor_intervals(180, 10, 0)
    for name, (low, high) in floor.items():
        assert low < reference.floor(180, 0)[name] < high, name

    def below(images: Tensor) -> list[str]:
        fake = reference.network(images)
        distances = Distances.of(fake, reference.train)
        scores = reference.scores(fake, distances)
        ends = reference.intervals(fake, distances, scores, 10, 0)
        return below_floor(scores, reference.floor(180, 0), ends, floor)

    leaked = digits.test.images.clone()
    leaked[:, :, 0, 0] ^= 1  # not the very same features
    assert f"fid_{reference.network.name}_180" in below(leaked)
    generator = torch.Generator().manual_seed(1)
    assert below(digits.train.images[torch.randperm(len(digits.train), generator=generator)[:180]]) == []


def test_verdicts_in_words() -> None:
    assert verdict_lines(HEALTHY, {}) == []
    facts = HEALTHY | {
        "copying": True, "collapsed": True, "spacing": {"random": 0.1, "classifier": 0.2},
        "missing_classes": ["3", "7"], "below_floor": ["fid_random_180"],
    }  # fmt: skip
    assert verdict_lines(facts, {"copied": 0.08, "copied_mirrored": 0}) == [
        "copying: 8.0% of the samples equal a training image, and 0.0% its mirror image; test images do so less often",
        "collapsed: samples repeat one another; their median distance to the nearest other sample is 20% of that of "
        "real images",
        "missing: classes 3 and 7, which the classifier sees less than a tenth as often as in real images",
        "below the floor: fid_random_180 is lower than that of real training images by more than their intervals "
        "explain; were test images among the training images?",
    ]
    (line,) = verdict_lines(HEALTHY | {"missing_classes": ["3"]}, {})
    assert line.startswith("missing: class 3, which")


def test_the_command_says_that_a_model_of_one_epoch_repeats_itself(cli: Callable, runs: Path, tmp_path: Path) -> None:
    done = cli("evaluate", "vae", runs / "vae", "--samples", 200, "--half-samples", 3, "--bound-images", 10,
               "--out", tmp_path / "evaluated")  # fmt: skip
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "evaluated" / "evaluation.json").read_text())
    assert facts["collapsed"] is True
    assert facts["missing_classes"]
    lines = done.err.splitlines()
    assert [line for line in lines if line.startswith(("collapsed: ", "missing: class"))] == [
        line for line in facts["verdicts"] if line.startswith(("collapsed: ", "missing: class"))
    ]
    assert any(line.startswith("missing: class") for line in lines)
    with (tmp_path / "evaluated" / "evaluation.csv").open(newline="") as file:
        rows = {row["what"]: row for row in csv.DictReader(file)}
    low, value, high = (
        float(rows[f"training images (floor){end}"]["fid_classifier_200"])
        for end in (": 95 % CI low", "", ": 95 % CI high")
    )
    assert low < value < high
    (shown,) = [line for line in lines if line.startswith("fid_classifier_200")]
    assert shown.endswith(f"floor {value:.4g} ({low:.4g} to {high:.4g})")
