"""The decoder over a plane, traversals, and sampling from a fitted mixture, through the sample command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from gentool.data.load import load_data
from gentool.engine.randomness import indexed_noise
from gentool.errors import OptionError
from gentool.figures.grids import HEADING, labelled_rows, to_pixels
from gentool.latent.charts import normal_quantiles, plane_codes, traversal_codes
from gentool.latent.model import Model
from gentool.latent.reduction import principal_directions


def pixels(path: str) -> np.ndarray:
    """The pixels of a picture."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def height(path: str) -> int:
    """Its rows."""
    return len(pixels(path))


def test_quantiles_have_equal_probability_between_them() -> None:
    points = normal_quantiles(9, 0.1)
    shares = torch.distributions.Normal(0, 1).cdf(points)
    assert torch.allclose(shares, torch.linspace(0.1, 0.9, 9), atol=1e-6)


def test_the_plane_grows_to_the_right_and_upwards() -> None:
    directions = torch.eye(3)[[2, 0]]
    codes = plane_codes(torch.tensor([0.0, 5.0, 0.0]), directions, torch.tensor([1.0, 2.0]), 3).unflatten(0, (3, 3))
    edge = normal_quantiles(3)[2]
    assert torch.allclose(codes[0, 0], torch.tensor([2 * edge, 5, -edge]))
    assert torch.allclose(codes[2, 2], torch.tensor([-2 * edge, 5, edge]))
    assert torch.equal(codes[1, 1], torch.tensor([0.0, 5.0, 0.0]))


def test_a_traversal_changes_one_dimension() -> None:
    origin = torch.tensor([1.0, 2.0, 3.0])
    codes = traversal_codes(origin, [2, 0], 5, torch.zeros(3), torch.ones(3)).unflatten(0, (2, 5))
    assert torch.equal(codes[0, :, 2], normal_quantiles(5))
    assert torch.equal(codes[0, :, :2], origin[:2].expand(5, 2))
    assert torch.equal(codes[1, :, 1:], origin[1:].expand(5, 2))


def test_manifold_of_chosen_dimensions(cli: Callable, runs: Path) -> None:
    done = cli("sample", "vae", runs / "vae", "--manifold", "--dims", "3,1", "--along", 4, "--out", "m.png")
    assert done.code == 0, done.err
    z = plane_codes(torch.zeros(4), torch.eye(4)[[3, 1]], torch.ones(2), 4)
    expected = to_pixels(Model.load(runs / "vae", device="cpu").decode(z))[..., 0].reshape(4, 4, 8, 8)
    shown = pixels("m.png")[-256::8, -256::8].reshape(4, 8, 4, 8).swapaxes(1, 2)
    assert np.array_equal(shown, expected)


def test_manifold_of_the_principal_directions(cli: Callable, runs: Path) -> None:
    done = cli("sample", "cae", runs / "cae", "--manifold", "--along", 3, "--out", "m.png")
    assert done.code == 0, done.err
    cae = Model.load(runs / "cae", device="cpu")
    z = cae.encode(load_data("digits").train.images)
    middle = pixels("m.png")[-128:-64:8, -128:-64:8]
    assert np.array_equal(middle, to_pixels(cae.decode(z.mean(0)[None]))[0, :, :, 0])


def test_traversals_have_a_row_for_each_dimension(cli: Callable, runs: Path) -> None:
    assert cli("sample", "vae", runs / "vae", "--traverse", "--out", "all.png").code == 0
    assert height("all.png") == HEADING + 4 * 66 + 2
    assert (
        cli("sample", "cgan", runs / "cgan", "--traverse", "--labels", "2", "--dims", "7,1", "--out", "c.png").code == 0
    )
    assert height("c.png") == HEADING + 2 * 66 + 2


@pytest.mark.parametrize(
    ("words", "names", "corner"),
    [
        (["--manifold", "--dims", "3,1"], ["z 1 = 2.05", "z 1 = 0.00", "z 1 = -2.05"], "z 3 ="),
        (["--manifold"], [f"direction 2 / sd = {place}" for place in ("2.05", "0.00", "-2.05")], "direction 1 / sd ="),
        (["--traverse", "--dims", "3,1"], ["z 3", "z 1"], "z ="),
    ],
    ids=["dimensions", "directions", "traversal"],
)
def test_charts_say_the_values_along_their_sides(
    cli: Callable, runs: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], names: list[str], corner: str
) -> None:
    asked: dict[str, Any] = {}

    def drawn(images: torch.Tensor, names: list[str], **more: Any) -> np.ndarray:
        asked.update(more, names=names)
        return labelled_rows(images, names, **more)

    monkeypatch.setattr("gentool.cli.commands.sample.labelled_rows", drawn)
    done = cli("sample", "vae", runs / "vae", *words, "--along", 3, "--out", "m.png")
    assert done.code == 0, done.err
    assert (asked["names"], asked["corner"]) == (names, corner)
    assert asked["headings"] == {0: "-2.05", 1: "0.00", 2: "2.05"}


EDGE = normal_quantiles(3)[2].item()
"""Charts end here, at 2.05."""


@pytest.mark.parametrize("name", ["cae", "vae", "lstm-ae"])
def test_traverse_goes_from_edge_to_edge_of_each_dimension(runs: Path, name: str) -> None:
    model = Model.load(runs / name, device="cpu")
    images = model.traverse(along=5)
    assert images.shape == (4 * 5, 1, 8, 8)
    assert images.dtype == torch.float32
    assert 0 <= images.min() < images.max() <= 1
    rows = images.unflatten(0, (4, 5))
    ends = torch.eye(4) * EDGE
    assert torch.allclose(rows[:, 0], model.decode(-ends), atol=1e-6)
    assert torch.allclose(rows[:, -1], model.decode(ends), atol=1e-6)
    assert torch.allclose(rows[:, 2], model.decode(torch.zeros(4, 4)), atol=1e-6)
    assert torch.equal(model.traverse((2, 0), 5), rows[[2, 0]].flatten(0, 1))
    assert pytest.approx(EDGE, abs=1e-4) == 2.0537


@pytest.mark.parametrize("name", ["cae", "vae", "lstm-ae"])
def test_manifold_begins_at_the_top_left(runs: Path, name: str) -> None:
    model = Model.load(runs / name, device="cpu")
    images = model.manifold(3, dims=(2, 0))
    assert images.shape == (9, 1, 8, 8)
    assert 0 <= images.min() < images.max() <= 1
    z = torch.tensor([[EDGE, 0, -EDGE, 0], [EDGE, 0, EDGE, 0], [0, 0, 0, 0], [-EDGE, 0, -EDGE, 0], [-EDGE, 0, EDGE, 0]])
    assert torch.allclose(images[[0, 2, 4, 6, 8]], model.decode(z), atol=1e-6)


def test_manifold_of_the_codes_of_images(runs: Path) -> None:
    vae, data = Model.load(runs / "vae", device="cpu"), load_data("digits")
    images = vae.manifold(3, data=data)
    assert images.shape == (9, 1, 8, 8)
    mean, directions, deviations = principal_directions(vae.encode(data.train.images))
    corner = mean - EDGE * deviations[0] * directions[0] + EDGE * deviations[1] * directions[1]
    assert torch.allclose(images[0], vae.decode(corner[None])[0], atol=1e-6)
    assert torch.allclose(images[4], vae.decode(mean[None])[0], atol=1e-6)
    assert torch.allclose(images[8], vae.decode((2 * mean - corner)[None])[0], atol=1e-6)
    assert torch.equal(vae.manifold(3), images), "the images of the training are the default"


def test_charts_of_a_generator_are_drawn_around_a_sample(runs: Path) -> None:
    gan, cgan = (Model.load(runs / name, device="cpu") for name in ("gan", "cgan"))
    origin = indexed_noise(3, 0, 1, 8)
    assert torch.allclose(gan.decode(origin), gan.sample(1, seed=3), atol=1e-6)
    first = origin.clone()
    first[0, 5] = -EDGE
    assert torch.allclose(gan.traverse((5,), 3, seed=3)[:1], gan.decode(first), atol=1e-6)
    corner = origin.clone()
    corner[0, 1], corner[0, 4] = -EDGE, EDGE
    assert torch.allclose(gan.manifold(2, dims=(1, 4), seed=3)[:1], gan.decode(corner), atol=1e-6)
    assert torch.allclose(cgan.manifold(2, dims=(1, 4), seed=3, label=7)[:1], cgan.decode(corner, ["7"]), atol=1e-6)
    assert torch.allclose(cgan.traverse((5,), 3, seed=3, label="7")[:1], cgan.decode(first, [7]), atol=1e-6)
    assert cgan.traverse(along=2, label=0).shape == (16, 1, 8, 8)


@pytest.mark.parametrize("along", [-1, 0, 1, 201, 2.0])
def test_charts_have_two_images_along_a_side_at_least(runs: Path, along: int) -> None:
    vae = Model.load(runs / "vae", device="cpu")
    for draw in (lambda: vae.manifold(along, dims=(0, 1)), lambda: vae.traverse((0,), along)):
        with pytest.raises(OptionError, match=rf"^--along: expected a whole number from 2 to 200, got {along}$"):
            draw()


def test_dimensions_are_several_numbers(runs: Path) -> None:
    vae = Model.load(runs / "vae", device="cpu")
    for wrong in (1, (), "01"):
        with pytest.raises(OptionError, match=r"^--dims: expected dimensions such as \(0, 5\), got "):
            vae.traverse(wrong)  # type: ignore[arg-type]


def test_charts_say_what_they_need(runs: Path) -> None:
    vae, gan, cgan = (Model.load(runs / name, device="cpu") for name in ("vae", "gan", "cgan"))
    for wrong in (vae.traverse, lambda dims: vae.manifold(3, dims=dims)):
        with pytest.raises(OptionError, match=r"^--dims: this vae has the dimensions 0 to 3$"):
            wrong((0, 4))
        with pytest.raises(OptionError, match=r"^--dims: this vae has the dimensions 0 to 3$"):
            wrong((-1, 1))
    with pytest.raises(OptionError, match=r"^--dims: --manifold needs two different dimensions, such as 0,5$"):
        vae.manifold(3, dims=(0, 1, 2))
    with pytest.raises(
        OptionError, match=r"^a gan has no encoder and cannot find its principal directions; choose two"
    ):
        gan.manifold(3)
    for unlabelled in (cgan.traverse, lambda: cgan.manifold(3, dims=(0, 1))):
        with pytest.raises(OptionError, match=r"^a cgan needs a label, the class of the images$"):
            unlabelled()


@pytest.mark.parametrize("model", ["cae", "vae", "lstm-ae"])
def test_a_fitted_mixture_is_sampled_and_kept(cli: Callable, runs: Path, model: str) -> None:
    kept = runs / model / "model-gmm-3.npz"
    first = cli("sample", model, runs / model, "--prior", "gmm", "--components", 3, "--out", "a.png", "-n", 9)
    assert first.code == 0, first.err
    assert f"{kept}: a mixture of 3 components, fitted to 1,527 codes of digits" in first.err
    again = cli("sample", model, runs / model, "--prior", "gmm", "--components", 3, "--out", "b.png", "-n", 9)
    assert "fitted to" not in again.err
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert cli("sample", model, runs / model, "--out", "c.png", "-n", 9).code == 0
    assert Path("a.png").read_bytes() != Path("c.png").read_bytes()
    kept.unlink()


def test_a_conditional_model_has_a_mixture_for_each_class(cli: Callable, runs: Path, tmp_path: Path) -> None:
    kept = runs / "cvae" / "model-gmm-2-each.npz"
    words = ("sample", "cvae", runs / "cvae", "--prior", "gmm", "--components", 2)
    first = cli(*words, "--out", "a.png")
    assert first.code == 0, first.err
    assert f"{kept}: a mixture of 2 components for each class, fitted to 1,527 codes of digits" in first.err
    assert "fitted to" not in cli(*words, "--out", "b.png").err
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    model, data = Model.load(runs / "cvae"), load_data("digits")
    prior = model.fit_prior(data, components=2)
    samples = model.sample(40, prior=prior)
    assert torch.equal(model.sample(numbers=[7, 33], prior=prior), samples[[7, 33]])
    threes = prior.draw(0, 0, torch.full((20,), 3))
    shown = model.sample(20, labels=[3], prior=prior, truncation=0.5)
    nearer = prior.center[3] + 0.5 * (threes - prior.center[3])
    assert torch.allclose(shown, model.decode(nearer, torch.full((20,), 3)), atol=1e-6)
    with pytest.raises(OptionError, match="prior: is one of classes, and a vae has none"):
        Model.load(runs / "vae").sample(4, prior=prior)
    np.savez(tmp_path / "two.npz", images=np.uint8(load_digits().images[:60] * 15), labels=np.arange(60) % 2)
    assert cli("prepare", tmp_path / "two.npz", "--out", tmp_path / "two").code == 0
    other = cli(*words, "--data", tmp_path / "two", "--out", "c.png")
    assert other.code == 3
    assert "does not have the classes of the model, which --prior gmm needs" in other.err
    kept.unlink()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gan", "{runs}/gan", "--prior", "gmm"], 2, "has no encoder and cannot have a prior fitted to its codes ("),
        (
            ["gan", "{runs}/gan", "--manifold"],
            2,
            "a gan has no encoder and cannot find its principal directions; choose two ",
        ),
        (["vae", "{runs}/vae", "--manifold", "--dims", "1"], 2, "--dims: --manifold needs two"),
        (["vae", "{runs}/vae", "--manifold", "--dims", "1,4"], 2, "--dims: this vae has the dimensions 0 to 3"),
        (["vae", "{runs}/vae", "--manifold", "--traverse"], 2, "--manifold: has no effect with --traverse"),
        (["vae", "{runs}/vae", "--dims", "1,2"], 2, "--dims: only with --manifold or --traverse"),
        (["vae", "{runs}/vae", "--traverse", "--each"], 2, "--each: has no effect with --traverse"),
        (["cgan", "{runs}/cgan", "--traverse"], 2, "choose one class of a conditional model with --labels"),
        (["vae", "{runs}/vae", "--prior", "gmm", "--components", "9999"], 2, "a mixture of 9999 components needs"),
        (["vae", "{runs}/vae", "--manifold", "-n", "9"], 2, "--count: has no effect with --manifold"),
        (["vae", "{runs}/vae", "--components", "5"], 2, "--components: only with --prior gmm"),
    ],
)
def test_bad_input_is_one_clear_line(cli: Callable, runs: Path, arguments: list[str], code: int, message: str) -> None:
    refused = cli("sample", *[word.format(runs=runs) for word in arguments])
    assert refused.code == code, refused.err
    assert message in refused.err
    assert not list(Path().iterdir())
