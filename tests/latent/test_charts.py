"""The decoder over a plane, traversals, and sampling from a fitted mixture, through the sample command."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentool.data.load import load_data
from gentool.figures.grids import to_pixels
from gentool.latent.charts import normal_quantiles, plane_codes, traversal_codes
from gentool.latent.model import Model


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
    codes = traversal_codes(origin, [2, 0], 5).unflatten(0, (2, 5))
    assert torch.equal(codes[0, :, 2], normal_quantiles(5))
    assert torch.equal(codes[0, :, :2], origin[:2].expand(5, 2))
    assert torch.equal(codes[1, :, 1:], origin[1:].expand(5, 2))


def test_manifold_of_chosen_dimensions(cli: Callable, runs: Path) -> None:
    done = cli("sample", "vae", runs / "vae", "--manifold", "--dims", "3,1", "--along", 4, "--out", "m.png")
    assert done.code == 0, done.err
    z = plane_codes(torch.zeros(4), torch.eye(4)[[3, 1]], torch.ones(2), 4)
    expected = to_pixels(Model.load(runs / "vae", device="cpu").decode(z))[..., 0].reshape(4, 4, 8, 8)
    shown = pixels("m.png")[::8, ::8].reshape(4, 8, 4, 8).swapaxes(1, 2)
    assert np.array_equal(shown, expected)


def test_manifold_of_the_principal_directions(cli: Callable, runs: Path) -> None:
    done = cli("sample", "cae", runs / "cae", "--manifold", "--along", 3, "--out", "m.png")
    assert done.code == 0, done.err
    cae = Model.load(runs / "cae", device="cpu")
    z = cae.encode(load_data("digits").train.images)
    middle = pixels("m.png")[64:128:8, 64:128:8]
    assert np.array_equal(middle, to_pixels(cae.decode(z.mean(0)[None]))[0, :, :, 0])


def test_traversals_have_a_row_for_each_dimension(cli: Callable, runs: Path) -> None:
    assert cli("sample", "vae", runs / "vae", "--traverse", "--out", "all.png").code == 0
    assert height("all.png") == 4 * 66 + 2
    assert (
        cli("sample", "cgan", runs / "cgan", "--traverse", "--labels", "2", "--dims", "7,1", "--out", "c.png").code == 0
    )
    assert height("c.png") == 2 * 66 + 2


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
