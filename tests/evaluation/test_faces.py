"""The scores of faces: composed ones are valid with the right attributes, noise is not, and what is missing is seen."""

import numpy as np
import pytest
import torch
from torch import Tensor

from gentool.data.load import load_data
from gentool.data.sources import faces
from gentool.evaluation.faces import (
    FaceReference,
    Found,
    attribute_distance,
    composed,
    find,
    has_compositions,
    pair_coverage,
    shares,
)

NAMES = list(faces.attributes())
VISIBLE = ("background", "skin", "clothes-colour", "glasses", "glasses-colour", "hat", "hat-colour")
"""Attributes that nothing hides; hair may be under a hat."""


def drawn(count: int, seed: int = 7) -> Tensor:
    return torch.from_numpy(faces.draw_attributes(seed, count))


@pytest.mark.parametrize("side", [16, 24, 32])
def test_composed_faces_are_found(side: int) -> None:
    attributes = drawn(60)
    found = find(composed(attributes, side))
    assert found.valid.all()
    assert (found.off == 0).double().mean() > 0.98
    for name in VISIBLE:
        column = NAMES.index(name)
        assert (found.attributes[:, column] == attributes[:, column]).all(), name
    bare = (attributes[:, NAMES.index("hat")] == 0) & (attributes[:, NAMES.index("glasses")] == 0)
    for name in ("hair", "hair-colour", "mouth", "eyes"):
        column = NAMES.index(name)
        assert (found.attributes[bare, column] == attributes[bare, column]).double().mean() > 0.9, name


def test_the_nearest_composition_is_the_nearest_of_all_in_one_attribute() -> None:
    """No other value of any single attribute is nearer, by composing every one."""
    attributes = drawn(6)
    images = composed(attributes, 16).float() + 10 * torch.randn(
        6, 3, 16, 16, generator=torch.Generator().manual_seed(0)
    )
    images = images.round().clamp(0, 255).to(torch.uint8)
    found = find(images)
    error = (images.float() - composed(found.attributes, 16).float()).square().sum((1, 2, 3))
    for column, (name, values) in enumerate(faces.attributes().items()):
        if name == "hair-colour" or name.removesuffix("-colour") in faces.PERCENT:
            continue  # these change two parts, or stand for a part that may be missing
        for value in range(len(values)):
            other = found.attributes.clone()
            other[:, column] = value
            others = (images.float() - composed(other, 16).float()).square().sum((1, 2, 3))
            assert (error <= others + 300).all(), name  # compositions are rounded layer by layer


def test_noise_and_grey_are_no_faces() -> None:
    noise = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert not find(noise).valid.any()
    assert not find(torch.full((2, 3, 16, 16), 128, dtype=torch.uint8)).valid.any()


def test_a_face_without_one_eye_is_not_valid() -> None:
    attributes = drawn(400)
    plain = (attributes[:, NAMES.index("glasses")] == 0) & (attributes[:, NAMES.index("skin")] >= 2)
    short = attributes[:, NAMES.index("hair")] >= faces.attributes()["hair"].index("short01")
    images = composed(attributes[plain & short][:20], 16)
    assert find(images).valid.all()
    images[:, :, 4:8, 8:13] = images[:, :, 8:9, 7:8]  # skin over the right eye
    assert find(images).valid.double().mean() < 0.3


def test_a_missing_hat_and_a_tied_pair_are_seen() -> None:
    real, samples = drawn(2000, 1), drawn(2000, 2)
    column, colour = NAMES.index("hat"), NAMES.index("hat-colour")
    floor = attribute_distance(samples, real)
    hatless = samples.clone()
    hatless[:, [column, colour]] = 0
    assert shares(hatless, column)[0] == 1
    # Hats are on 15% of the faces, so each of the two attributes is off by .15.
    hats = (real[:, column] > 0).double().mean().item()
    before = sum((shares(samples, c) - shares(real, c)).abs().sum().item() / 2 for c in (column, colour))
    assert attribute_distance(hatless, real) == pytest.approx(floor + (2 * hats - before) / len(NAMES))
    assert pair_coverage(samples, real) > 0.95
    assert pair_coverage(hatless, real) < 0.95
    tied = samples.clone()
    tied[:, NAMES.index("skin")] = tied[:, NAMES.index("background")]
    assert attribute_distance(tied, real) < floor + 0.005
    assert pair_coverage(tied, real) < pair_coverage(samples, real)
    assert pair_coverage(real, real) == 1
    assert attribute_distance(real, real) == 0


def test_scores_stand_beside_a_floor() -> None:
    data = load_data("faces", count=300)
    reference = FaceReference.of(data, 100, 0)
    floor = reference.floor()
    assert floor["valid_faces_100"] > 0.97
    scores = reference.scores(data.train.images[:100])
    assert scores.scores.keys() == floor.keys()
    assert scores.intervals.keys() == {"valid_faces_100", "pixels_off_100"}
    rows = scores.tables["attributes"].rows
    assert len(rows) == sum(map(len, faces.attributes().values()))
    assert sum(row["samples"] for row in rows) == pytest.approx(len(NAMES))
    listed = scores.tables["faces"].rows
    assert [row["sample"] for row in listed] == list(range(100))
    numbers = data.factors()
    assert numbers is not None
    backgrounds = faces.attributes()["background"]
    assert [row["background"] for row in listed] == [backgrounds[int(number)] for number in numbers[:100, 0]]


def test_only_composed_faces_are_faces() -> None:
    assert has_compositions(load_data("faces", count=20))
    assert has_compositions(load_data("faces", count=20, size=48, label="glasses"))
    assert not has_compositions(load_data("faces", count=20, channels=1))
    assert not has_compositions(load_data("shapes", count=20, size=16))
    array = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
    assert not has_compositions(load_data(array))


def test_found_says_what_is_valid() -> None:
    assert Found(torch.zeros(2, 17).long(), torch.tensor([5 / 256, 6 / 256])).valid.tolist() == [True, False]
