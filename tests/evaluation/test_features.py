"""Feature networks: their hashes, the cached classifier, weights that must be brought."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gentool.data.images import ImageData, Split
from gentool.engine import checkpoint
from gentool.errors import DataError, OptionError
from gentool.evaluation import classifier
from gentool.evaluation.features import FeatureNetwork, default_names, feature_networks
from gentool.evaluation.inception import load_inception
from gentool.progress import Reporter

CPU = torch.device("cpu")


def made(name: str, data: ImageData) -> FeatureNetwork:
    return feature_networks((name,), data, CPU)[0]


def test_the_classifier_is_trained_once_and_reads_its_images(
    digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made("classifier", digits)
    assert first.facts["accuracy"] > 0.9
    monkeypatch.setattr(classifier, "_train", lambda *_: pytest.fail("trained again"))
    again = made("classifier", digits)
    assert again.hash == first.hash
    assert again.facts == first.facts
    torch.testing.assert_close(again(digits.test.images), first(digits.test.images))


class Notices(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def notice(self, text: str) -> None:
        self.lines.append(text)


def test_a_damaged_classifier_is_trained_again(digits: ImageData) -> None:
    notices = Notices()
    path = classifier.classifier_path(digits)
    path.unlink(missing_ok=True)  # one of an earlier test may be rounded otherwise, by the libraries loaded since
    first = made("classifier", digits)
    path.write_bytes(path.read_bytes()[:1000])
    again = feature_networks(("classifier",), digits, CPU, reporter=notices)[0]
    assert again.hash == first.hash  # training is a function of the images
    assert notices.lines == [
        f"{path}: not a readable checkpoint (damaged, or another tool's); training it again",
        f"classifier of digits: {first.facts['accuracy']:.2%} right on 180 test images ({path})",
    ]


def test_features_are_of_one_scale_and_of_many_sizes(digits: ImageData) -> None:
    seen = made("classifier", digits)(digits.train.images)
    assert seen.shape == (1527, 64)
    assert seen.var(0).mean().item() == pytest.approx(1, rel=0.05)
    for shape in ((2, 3, 5, 7), (2, 1, 1, 1), (2, 3, 100, 64)):
        images = torch.zeros(shape, dtype=torch.uint8)
        assert made("random", digits)(images).shape == (2, 128)
        assert classifier.Classifier(shape[1:], 4)(images.float()).shape == (2, 4)  # type: ignore[arg-type]


def test_hashes_tell_networks_apart(digits: ImageData) -> None:
    known = made("classifier", digits)
    assert made("random", digits).hash == made("random", digits).hash != known.hash
    few = digits.train
    assert few.labels is not None
    other = dataclasses.replace(digits, fingerprint="other", train=Split(few.images[:500], few.labels[:500]))
    assert made("classifier", other).hash != known.hash


@pytest.mark.parametrize(
    ("doctored", "message"),
    [
        ("constant", "has the same features for every image"),
        ("other images", "is the classifier network of other images"),
        ("too good", "states accuracy 2.500"),
        ("no number", "states accuracy nan"),
        ("NaN", "holds weights that are NaN or infinite"),
    ],
)
def test_a_doctored_classifier_is_trained_again(digits: ImageData, doctored: str, message: str) -> None:
    first = made("classifier", digits)
    path = classifier.classifier_path(digits)
    header, content = checkpoint.load(path, "classifier")
    kept = path.read_bytes()
    weights = content["weights"]
    if doctored == "constant":
        weights = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        content["accuracy"] = (digits.test.labels == 0).double().mean().item()
    elif doctored == "other images":
        header = dataclasses.replace(header, fingerprint="0" * 64)
    elif doctored in ("too good", "no number"):
        content["accuracy"] = 2.5 if doctored == "too good" else float("nan")
    else:
        weights = {name: weight.log() if weight.is_floating_point() else weight for name, weight in weights.items()}
    checkpoint.save(path, "classifier", header, content | {"weights": weights})
    notices = Notices()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "_train", lambda *_: first.classifier)
        feature_networks(("classifier",), digits, CPU, reporter=notices)
    path.write_bytes(kept)
    assert message in notices.lines[0]
    assert notices.lines[0].endswith("training it again")


def test_images_without_labels_have_no_classifier(digits: ImageData) -> None:
    bare = dataclasses.replace(digits, train=Split(digits.train.images), classes=())
    with pytest.raises(DataError, match="--features self-supervised"):
        made("classifier", bare)
    assert default_names(bare) == ("self-supervised",)


def test_inception_without_weights_says_where_to_put_them(cli: Callable, runs: Path, cache: Path) -> None:
    done = cli("evaluate", "gan", runs / "gan", "--features", "inception")
    assert done.code == 2
    line = done.err.strip().splitlines()[-1]
    assert str(cache / "features" / "inception.pth") in line
    assert "--weights" in line


@pytest.mark.parametrize("content", [b"no weights", b""])
def test_wrong_weights_are_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(OptionError, match="Inception v3"):
        load_inception(path)
    torch.save({"fc.bias": torch.zeros(1000)}, path)
    with pytest.raises(OptionError, match="some weights of torchvision's inception_v3 are missing"):
        load_inception(path)


@pytest.mark.slow
def test_inception_from_torchvision_weights(tmp_path: Path, digits: ImageData) -> None:
    from torchvision.models import inception_v3

    torch.manual_seed(0)
    network = inception_v3(weights=None, init_weights=False)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    found = feature_networks(("inception",), digits, CPU, tmp_path / "weights.pth")[0]
    assert found(digits.test.images[:2]).shape == (2, 2048)
    assert found.facts == {"weights": "torchvision"}


@pytest.mark.slow
def test_inception_from_torch_fidelity_weights(tmp_path: Path, digits: ImageData) -> None:
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason="no torch-fidelity")
    with pytest.MonkeyPatch.context() as patch:  # its network with weights as they are made, for there are no others
        patch.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        (tmp_path / "empty.pth").write_bytes(b"")
        patch.setattr(torch, "load", lambda *_, **__: {})
        network = theirs.FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path="empty")
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    found = feature_networks(("inception",), digits, CPU, tmp_path / "weights.pth")[0]
    assert found(digits.test.images[:2]).shape == (2, 2048)
    assert found.facts == {"weights": "torch-fidelity"}
