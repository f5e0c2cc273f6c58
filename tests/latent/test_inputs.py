"""Images, codes, classes and weights that are given from Python: what is accepted, and what a refusal says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gentool.data.load import load_data
from gentool.errors import DataError, OptionError
from gentool.latent.inputs import TOLERANCE, as_codes, as_images, as_weights, class_numbers
from gentool.latent.loading import load
from gentool.latent.model import Model

NAN = float("nan")
IMAGES = "expected images (N, 1, 8, 8), uint8 or float in [0, 1], got "
CODES = "expected codes (N, 4), got "


@pytest.fixture
def vae(runs: Path) -> Model:
    return load(runs / "vae", device="cpu")


@pytest.fixture
def cgan(runs: Path) -> Model:
    return load(runs / "cgan", device="cpu")


def spoilt(value: float) -> Tensor:
    """Grey images, one pixel of the last one excepted."""
    images = torch.full((3, 1, 8, 8), 0.5)
    images[2, 0, 7, 7] = value
    return images


@pytest.mark.parametrize(
    ("x", "got"),
    [
        (torch.zeros(2, 3, 8, 8), "shape (2, 3, 8, 8)"),
        (torch.zeros(2, 1, 8, 9), "shape (2, 1, 8, 9)"),
        (torch.zeros(1, 8, 8), "shape (1, 8, 8)"),
        (np.zeros((2, 8, 8, 1)), "shape (2, 8, 8, 1)"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.int64), "torch.int64"),
        (np.zeros((2, 1, 8, 8), bool), "torch.bool"),
        (spoilt(NAN), "values from nan to nan"),
        (spoilt(float("inf")), "values from 0.5 to inf"),
        (spoilt(255.0), "values from 0.5 to 255"),
        (spoilt(-0.25), "values from -0.25 to 0.5"),
        (spoilt(1 + 2 * TOLERANCE), "values from 0.5 to 1.002"),
        ([[0.5]], "list"),
        ("runs/v", "str"),
    ],
    ids=str,
)
def test_what_is_no_image_is_refused_with_what_was_expected(x: Any, got: str) -> None:
    with pytest.raises(DataError) as refused:
        as_images(x, (1, 8, 8))
    assert str(refused.value) == IMAGES + got


@pytest.mark.parametrize("method", ["encode", "reconstruct", "posterior", "project"])
@pytest.mark.parametrize("x", [torch.zeros(2, 3, 8, 8), spoilt(NAN), spoilt(7)], ids=["channels", "nan", "range"])
def test_every_method_that_takes_images_checks_them(vae: Model, method: str, x: Tensor) -> None:
    with pytest.raises(DataError) as refused:
        getattr(vae, method)(x)
    assert str(refused.value).startswith(IMAGES)


def test_an_image_at_an_end_of_a_walk_is_checked(vae: Model) -> None:
    with pytest.raises(DataError, match=r"^expected images \(N, 1, 8, 8\)"):
        vae.interpolate(spoilt(NAN)[2], torch.zeros(1, 8, 8))
    with pytest.raises(DataError, match=r"^expected a code \(4,\) or an image \(1, 8, 8\), got shape "):
        vae.interpolate(torch.zeros(8, 8), torch.zeros(8, 8))
    with pytest.raises(DataError, match=r"^expected codes \(N, 4\), got shape \(1, 5\)$"):
        vae.interpolate(torch.zeros(5), torch.zeros(5))


def test_a_wrong_image_behind_many_right_ones_is_found(vae: Model) -> None:
    x = torch.zeros(300, 1, 8, 8)
    x[299, 0, 0, 0] = NAN
    with pytest.raises(DataError, match="got values from nan to nan"):
        vae.encode(x)


def test_rounding_outside_of_the_range_is_let_through() -> None:
    x = spoilt(-TOLERANCE / 2)
    assert torch.equal(as_images(x, (1, 8, 8)), x)


@pytest.mark.parametrize("method", ["encode", "reconstruct", "posterior"])
def test_bytes_floats_and_arrays_of_the_same_images_are_the_same(vae: Model, method: str) -> None:
    pixels = load_data("digits").test.images[:5]
    same = (pixels, pixels.numpy(), pixels.float() / 255, pixels.numpy() / np.float64(255))
    results = [torch.as_tensor(np.stack(getattr(vae, method)(x))) for x in same]
    for other in results[1:]:
        assert torch.allclose(results[0], other, atol=1e-6)


def test_project_takes_bytes(vae: Model) -> None:
    pixels = load_data("digits").test.images[:2]
    found, again = (vae.project(x, steps=3, restarts=1) for x in (pixels, pixels.float() / 255))
    assert torch.equal(found.z, again.z)
    assert torch.equal(found.mse, again.mse)
    assert found.mse.max() < 1, "the error is that of pixels in [0, 1]"


def test_nothing_in_gives_nothing_out(vae: Model) -> None:
    assert vae.encode(torch.zeros(0, 1, 8, 8)).shape == (0, 4)
    assert vae.encode(np.zeros((0, 1, 8, 8), np.uint8)).shape == (0, 4)
    assert vae.decode(torch.zeros(0, 4)).shape == (0, 1, 8, 8)
    assert vae.reconstruct(torch.zeros(0, 1, 8, 8)).shape == (0, 1, 8, 8)
    with pytest.raises(DataError, match=r"^there are no images to project$"):
        vae.project(torch.zeros(0, 1, 8, 8))


@pytest.mark.parametrize(
    ("z", "got"),
    [
        (torch.zeros(2, 5), "shape (2, 5)"),
        (torch.zeros(4), "shape (4,)"),
        (np.zeros((2, 1, 4)), "shape (2, 1, 4)"),
        ([[0.0] * 4], "list"),
        (torch.full((1, 4), NAN), "NaN or infinity"),
        (np.full((2, 4), np.inf), "NaN or infinity"),
        (torch.zeros(1, 4, dtype=torch.complex64), "complex values"),
    ],
    ids=str,
)
def test_what_is_no_code_is_refused_with_what_was_expected(vae: Model, z: Any, got: str) -> None:
    for take in (vae.decode, vae.logits, lambda z: as_codes(z, 4)):
        with pytest.raises(DataError) as refused:
            take(z)
        assert str(refused.value) == CODES + got


def test_codes_of_any_number_type_are_taken(vae: Model) -> None:
    z = torch.tensor([[1.0, -2.0, 0.0, 3.0]])
    for same in (z.numpy(), z.double(), z.long(), z.numpy().astype(np.int16)):
        assert torch.equal(vae.decode(same), vae.decode(z))


CLASSES = ("cat", "dog", "1")


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        ("dog", [1]),
        (0, [0]),
        ("all", [0, 1, 2]),
        (["dog", 0, "all"], [1, 0, 0, 1, 2]),
        (1, [2]),  # a name before a number
        (torch.tensor([1, 2]), [1, 2]),  # but numbers in a tensor are numbers
        (np.array([[2], [0]]), [2, 0]),
        (torch.tensor(2), [2]),
    ],
    ids=str,
)
def test_classes_by_name_and_by_number(labels: Any, numbers: list[int]) -> None:
    found = class_numbers(labels, CLASSES)
    assert found.tolist() == numbers
    assert found.dtype == torch.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("cow", "--labels: no class 'cow'; there are cat, dog, 1"),
        (["dog", 3], "--labels: no class 3; there are cat, dog, 1"),
        (-1, "--labels: no class -1; there are cat, dog, 1"),
        (torch.tensor([0, 3]), "--labels: no class 3; there are 0 to 2"),
        (np.array([-1]), "--labels: no class -1; there are 0 to 2"),
        (torch.tensor([1.0]), "--labels: classes are whole numbers, not torch.float32"),
        (np.array([True]), "--labels: classes are whole numbers, not torch.bool"),
        ([], "--labels: name at least one class"),
    ],
    ids=str,
)
def test_classes_that_do_not_exist_are_refused_with_those_that_do(labels: Any, message: str) -> None:
    with pytest.raises(OptionError) as refused:
        class_numbers(labels, CLASSES)
    assert str(refused.value) == message


def test_there_is_a_class_for_each_code(cgan: Model) -> None:
    z = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    by_number = cgan.decode(z, torch.tensor([3, 8, 0]))
    assert torch.equal(cgan.decode(z, ["3", "8", "0"]), by_number)
    assert torch.equal(cgan.decode(z, np.array([3, 8, 0])), by_number)
    assert not torch.equal(cgan.decode(z, [8, 3, 0]), by_number)
    for labels in ([3, 8], torch.tensor([3, 8, 0, 1])):
        with pytest.raises(OptionError, match=f"^labels: {len(labels)} classes for 3 codes$"):
            cgan.decode(z, labels)
    with pytest.raises(OptionError, match=r"^a cgan needs labels, a class for each code$"):
        cgan.decode(z)


def test_weights_mix_classes(cgan: Model) -> None:
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    alone = torch.eye(10)[[3, 8]]
    assert torch.allclose(cgan.decode(z, alone), cgan.decode(z, [3, 8]), atol=1e-6)
    assert torch.equal(cgan.decode(z, alone.double().numpy()), cgan.decode(z, alone))
    for wrong in (torch.full((2, 9), 1 / 9), torch.full((1, 10), 0.1), torch.full((2,), 0.5)):
        with pytest.raises(OptionError) as refused:
            cgan.decode(z, wrong)
        assert str(refused.value) == f"labels: expected weights (2, 10), got shape {tuple(wrong.shape)}"


@pytest.mark.parametrize("weights", [[0.5, 0.4], [NAN, 1.0], [0.0, 0.0]], ids=str)
def test_weights_sum_to_one(weights: list[float]) -> None:
    with pytest.raises(OptionError, match=r"^labels: the weights of the classes of each code must sum to 1$"):
        as_weights(torch.tensor([weights]), 1, ("a", "b"))


def test_numbers_of_numpy_are_numbers(cgan: Model) -> None:
    expected = cgan.sample(3, seed=2, labels=4)
    assert torch.equal(cgan.sample(np.int64(3), seed=np.int32(2), labels=np.int64(4)), expected)  # type: ignore[arg-type]


def test_weights_are_floats_and_classes_are_whole_numbers() -> None:
    assert as_weights(np.array([[0.25, 0.75]]), 1, ("a", "b")).dtype == torch.float32
    assert as_weights(np.array([1], np.int32), 1, ("a", "b")).dtype == torch.int64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "--count: expected a whole number of at least 1, got 0"),
        ({"count": 2.0}, "--count: expected a whole number of at least 1, got 2.0"),
        ({"seed": -1}, "--seed: expected a whole number of at least 0, got -1"),
        ({"count": True}, "--count: expected a whole number of at least 1, got True"),
        ({"first": -3}, "--first: expected a whole number of at least 0, got -3"),
        ({"numbers": 5}, "--numbers: expected several whole numbers, such as [3, 17], got 5"),
        ({"numbers": []}, "--numbers: expected at least one number"),
        ({"numbers": [1.5]}, "--numbers: expected a whole number of at least 0, got 1.5"),
        ({"truncation": "0.5"}, "--truncation: expected a number from 0 to 1, got '0.5'"),
        ({"truncation": None}, "--truncation: expected a number from 0 to 1, got None"),
        ({"prior": "gmm"}, "prior: expected a density, such as `model.fit_prior(data)` returns, got 'gmm'"),
    ],
    ids=str,
)
def test_counts_and_seeds_of_samples_are_checked(vae: Model, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as refused:
        vae.sample(**settings)
    assert str(refused.value) == message


def test_numbers_of_samples_may_be_a_tensor(vae: Model) -> None:
    assert torch.equal(vae.sample(numbers=torch.tensor([3, 1])), vae.sample(numbers=[3, 1]))


@pytest.mark.parametrize(
    "use",
    [
        lambda vae: vae.sample(2, labels=1),
        lambda vae: vae.decode(torch.zeros(1, 4), [1]),
        lambda vae: vae.interpolate(torch.zeros(4), torch.ones(4), 3, labels=1),
        lambda vae: vae.traverse((0,), label=1),
        lambda vae: vae.manifold(2, dims=(0, 1), label="1"),
        lambda vae: vae.project(torch.zeros(1, 1, 8, 8), labels="1"),
    ],
)
def test_classes_for_a_model_without_any_are_refused(vae: Model, use: Callable[[Model], Any]) -> None:
    with pytest.raises(OptionError, match=r"^a vae is not conditional \(conditional models: cvae, cgan and flow\)$"):
        use(vae)
