"""The self-supervised feature network: what it is for, its file in the cache, few images, other channels."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gentool.data.images import ImageData, Split
from gentool.engine import checkpoint
from gentool.engine.randomness import isolated
from gentool.evaluation import self_supervised
from gentool.evaluation.features import FeatureNetwork, feature_networks
from gentool.evaluation.fidelity import Reference
from gentool.evaluation.learnt import Convolution
from gentool.evaluation.memorisation import Distances
from gentool.evaluation.self_supervised import contrastive_loss, self_supervised_of, self_supervised_path
from gentool.networks.corruptions import blurred, clouds
from gentool.progress import Reporter

CPU = torch.device("cpu")


class Notices(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def notice(self, text: str) -> None:
        self.lines.append(text)


def made(data: ImageData, reporter: Reporter | None = None) -> FeatureNetwork:
    return feature_networks(("self-supervised",), data, CPU, reporter=reporter or Reporter())[0]


def without_labels(images: Tensor, name: str) -> ImageData:
    """A data set of uint8 images: nine tenths to train on, the others as test images."""
    count = len(images) // 10
    test = Split(images[:count])
    return ImageData(name, (), (name * 64)[:64], None, Split(images[count:]), test, test)


def test_blurred_images_and_clouds_are_far_and_the_floor_is_near(
    digits: ImageData, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_supervised, "UPDATES", 150)
    monkeypatch.setattr(self_supervised, "BATCH", 64)
    reference = Reference.of(made(digits), digits, 0)
    floor = reference.floor(180, 0)
    assert floor["precision_selfsupervised_180"] > 0.85
    real = digits.test.images.float() / 255
    with isolated(0):
        fakes = (blurred(real, 1.0), clouds(real))
    for fake in fakes:
        features = reference.network((fake * 255).round().to(torch.uint8))
        found = reference.scores(features, Distances.of(features, reference.train))
        assert found["fid_selfsupervised_180"] > 8 * floor["fid_selfsupervised_180"]
        assert found["precision_selfsupervised_180"] < 0.2


def test_it_is_trained_once_and_the_training_is_a_function_of_the_images(digits: ImageData) -> None:
    notices = Notices()
    path = self_supervised_path(digits)
    path.unlink(missing_ok=True)
    first = made(digits, notices)
    assert first.name == "selfsupervised"
    assert first(digits.test.images).shape == (180, 128)
    assert first(digits.train.images).var(0).mean().item() == pytest.approx(1, rel=0.05)
    assert re.fullmatch(
        r"self-supervised network of digits: tells corrupted test images from real ones with an AUC of 0\.\d{3} "
        rf"\({re.escape(str(path))}\)",
        notices.lines[0],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_supervised, "_train", lambda *_: pytest.fail("trained again"))
        again = made(digits)
    assert again.hash == first.hash
    assert again.facts == first.facts
    path.write_bytes(path.read_bytes()[:1000])
    notices = Notices()
    assert made(digits, notices).hash == first.hash
    assert notices.lines[0] == f"{path}: not a readable checkpoint (damaged, or another tool's); training it again"


@pytest.mark.parametrize(
    ("doctored", "message"),
    [
        ("constant", "has the same features for every image"),
        ("other images", "is the self-supervised network of other images"),
        ("too good", "states auc 2.500"),
        ("no number", "states auc nan"),
        ("NaN", "holds weights that are NaN or infinite"),
        ("another network", "its weights do not fit its options"),
    ],
)
def test_a_doctored_file_is_not_used(digits: ImageData, doctored: str, message: str) -> None:
    first = self_supervised_of(digits, CPU)
    path = self_supervised_path(digits)
    header, content = checkpoint.load(path, "self-supervised")
    kept = path.read_bytes()
    weights = content["weights"]
    if doctored == "constant":
        weights = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        content["auc"] = 0.5
    elif doctored == "other images":
        header = dataclasses.replace(header, fingerprint="0" * 64)
    elif doctored in ("too good", "no number"):
        content["auc"] = 2.5 if doctored == "too good" else float("nan")
    elif doctored == "NaN":
        weights = {name: weight.log() if weight.is_floating_point() else weight for name, weight in weights.items()}
    else:
        weights = dict(list(weights.items())[:-1])
    checkpoint.save(path, "self-supervised", header, content | {"weights": weights})
    notices = Notices()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_supervised, "_train", lambda *_: first.network)
        made(digits, notices)
    path.write_bytes(kept)
    assert message in notices.lines[0]
    assert notices.lines[0].endswith("training it again")


@pytest.mark.parametrize("shape", [(4, 9, 9), (1, 1, 1), (2, 5, 40), (1, 64, 2), (3, 70, 66)])
def test_images_of_any_channels_and_size_and_few_of_them(shape: tuple[int, int, int], own_cache: Path) -> None:
    images = torch.randint(0, 256, (30, *shape), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    if shape[0] == 4:
        images[:, :3] = torch.minimum(images[:, :3], images[:, 3:])
    data = without_labels(images, "few")
    notices = Notices()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_supervised, "UPDATES", 3)
        network = made(data, notices)
    features = network(images)
    assert features.shape == (30, 128)
    assert features.isfinite().all()
    assert notices.lines[-1] == (
        "self-supervised network of few: 27 training images are few, so it may have memorised them; compare its "
        "scores with their floor"
    )


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(1, 1), (6, 1), (32, 2), (1, 6), (5, 4)])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_convolutions_on_narrow_maps(stride: int, size: tuple[int, int], precision: torch.dtype) -> None:
    """Against PyTorch's in f32; those in bf16 are arbitrary numbers on some processors if nothing is done."""
    torch.manual_seed(0)
    layer, plain = Convolution(8, 16, stride), nn.Conv2d(8, 16, 3, stride, 1, bias=False)
    plain.load_state_dict(layer.state_dict())
    x = torch.rand(64, 8, *size, requires_grad=True)
    with torch.autocast("cpu", precision, enabled=precision is not torch.float32):
        found = layer(x.contiguous(memory_format=torch.channels_last))
    expected = plain(x)
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)
    for gradient, wanted in zip(
        torch.autograd.grad(found.float().sum(), (layer.weight, x)),
        torch.autograd.grad(expected.sum(), (plain.weight, x)),
        strict=True,
    ):
        torch.testing.assert_close(gradient, wanted, rtol=0.02, atol=0.01 * wanted.abs().max().item())


def test_the_contrastive_loss_is_that_of_its_equation() -> None:
    codes = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    unit = codes / codes.norm(dim=1, keepdim=True)
    losses = []
    for view, other in ((0, 2), (1, 3), (2, 0), (3, 1)):  # two images in two views, and three others
        shares = torch.exp(unit @ unit[view] / self_supervised.TEMPERATURE)
        losses.append(-torch.log(shares[other] / (shares.sum() - shares[view])))
    torch.testing.assert_close(contrastive_loss(codes, 2), torch.stack(losses).mean())


def test_evaluate_and_compare_use_it(cli: Callable, runs: Path) -> None:
    few = ("--samples", 60, "--device", "cpu", "--features", "self-supervised")
    done = cli("evaluate", runs / "gan", *few, "--half-samples", 2, "--out", "scores")
    assert done.code == 0, done.err
    assert "random network" not in done.err
    facts = json.loads(Path("scores/evaluation.json").read_text())
    assert facts["networks"]["selfsupervised"].keys() == {"hash", "auc"}
    rows = {row["what"]: row for row in facts["rows"]}
    assert rows["samples"]["fid_selfsupervised_60"] > rows["training images (floor)"]["fid_selfsupervised_60"]
    with Image.open("scores/nearest_selfsupervised.png") as image:
        assert image.convert("L").getextrema()[0] != image.convert("L").getextrema()[1]
    done = cli("compare", runs / "gan", runs / "vae", *few, "--k", 2, "--bound-images", 10, "--out", "both")
    assert done.code == 0, done.err
    assert "fid_selfsupervised_60" in Path("both/comparison.md").read_text()


def test_scores_of_the_random_network_alone_come_with_a_word(cli: Callable, runs: Path) -> None:
    few = ("--samples", 40, "--half-samples", 0, "--device", "cpu")
    word = "random network: blurred or noisy images can score well in it"
    alone = cli("evaluate", runs / "gan", *few, "--features", "random", "--out", "alone")
    assert alone.err.count(word) == 1
    beside = cli("evaluate", runs / "gan", *few, "--features", "random,classifier", "--out", "beside")
    assert word not in beside.err
    both = cli("compare", runs / "gan", runs / "cgan", *few[:2], "--features", "random", "--out", "both")
    assert both.err.count(word) == 1, both.err
    assert word in Path("both/comparison.md").read_text()
