"""Walks between codes, and the interpolate command."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentool.cli.commands.interpolate import WalkOptions, column_names
from gentool.data.load import load_data
from gentool.figures.grids import HEADING, to_pixels
from gentool.latent.code_files import read_codes, write_codes
from gentool.latent.interpolation import Method, linear, slerp, walk
from gentool.latent.model import Model

CELL = 66
"""An 8x8 image enlarged to 64 pixels, and the line of 2 pixels before it."""


def cells(path: Path | str, rows: int, columns: int, *, headed: bool = False) -> np.ndarray:
    """The 8x8 pictures of a grid with names at its left, and headings where it has some, (rows, columns, 8, 8)."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture)
    pixels = pixels[:, pixels.shape[1] - columns * CELL - 2 :]
    if headed:
        assert (pixels[:HEADING] < 128).any()
        pixels = pixels[HEADING:]
    assert len(pixels) == rows * CELL + 2
    return np.array([
        [pixels[2 + r * CELL : 66 + r * CELL : 8, 2 + c * CELL : 66 + c * CELL : 8] for c in range(columns)]
        for r in range(rows)
    ])  # fmt: skip


def test_slerp_keeps_the_sphere_and_the_speed() -> None:
    a, b = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    points = slerp(a, b, torch.linspace(0, 1, 4))
    angles = torch.tensor([0, 30, 60, 90]).deg2rad()
    assert torch.allclose(points, torch.stack([angles.cos(), angles.sin(), torch.zeros(4)], 1), atol=1e-6)
    assert torch.allclose(slerp(2 * a, 3 * b, torch.tensor([0.0, 1.0])), torch.stack([2 * a, 3 * b]), atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 2.5, -1.0, 0.0])
def test_slerp_is_the_line_where_there_is_no_arc(factor: float) -> None:
    a = torch.tensor([0.3, -2.0])
    share = torch.linspace(0, 1, 5)
    assert torch.allclose(slerp(a, factor * a, share), linear(a, factor * a, share))


@pytest.mark.parametrize("method", ["linear", "slerp"])
def test_a_walk_goes_through_its_keys_exactly(method: Method) -> None:
    keys = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    codes = walk(keys, 5, method)
    assert codes.shape == (13, 16)
    assert torch.equal(codes[::4], keys)
    steps = (codes[1:5] - codes[:4]).norm(dim=1)
    if method == "linear":
        assert torch.allclose(steps, steps[:1].expand(4), rtol=1e-4)
    else:
        assert codes[2].norm() > 0.9 * keys[:2].norm(dim=1).min() * math.cos(math.pi / 4) * math.sqrt(2)


def test_arcs_are_for_gaussian_noise_of_high_dimension(runs: Path) -> None:
    chosen = {name: Model.load(runs / name, device="cpu").interpolation_method() for name in ("gan", "vae", "cae")}
    assert chosen == {"gan": "slerp", "vae": "linear", "cae": "linear"}  # the VAE has 4 dimensions only


def test_rows_go_from_sample_to_sample(cli: Callable, runs: Path) -> None:
    done = cli("interpolate", "gan", runs / "gan", "--rows", 3, "--steps", 4, "--seed", 7, "--out", "w.png")
    assert done.code == 0, done.err
    assert done.out == "w.png\n"
    assert "w.png: 3 rows of 4 images, slerp" in done.err
    shown = cells("w.png", 3, 4)
    ends = to_pixels(Model.load(runs / "gan", device="cpu").sample(6, seed=7)).squeeze(-1)
    assert np.array_equal(shown[:, [0, 3]].reshape(6, 8, 8), ends)
    assert not np.array_equal(shown[:, 1], shown[:, 0])


@pytest.mark.parametrize("model", ["cae", "vae", "lstm-ae"])
def test_ends_are_the_reconstructions_of_the_images(cli: Callable, runs: Path, model: str) -> None:
    command = ["interpolate", model, runs / model, "--data", "digits", "--index", "3,1700,9", "--steps", 5]
    done = cli(*command, "--out", "w.png", "--gif", "--frames", 4)
    assert done.code == 0, done.err
    shown = cells("w.png", 2, 7, headed=True)
    whole = load_data("digits").whole().images
    x = torch.stack([whole[index] for index in (3, 1700, 9)]).float() / 255
    rebuilt = to_pixels(Model.load(runs / model, device="cpu").reconstruct(x)).squeeze(-1)
    given = to_pixels(x).squeeze(-1)
    assert np.array_equal(shown[:, [0, 6]], np.stack([given[:2], given[1:]], 1))
    assert np.array_equal(shown[:, [1, 5]], np.stack([rebuilt[:2], rebuilt[1:]], 1))
    with Image.open("w.gif") as film:
        assert film.n_frames == 7  # two walks of four, which share the middle key frame


def test_between_picture_files(cli: Callable, runs: Path) -> None:
    whole = load_data("digits").whole().images
    for name, index in (("a", 0), ("b", 1)):
        Image.fromarray(whole[index, 0].numpy()).save(f"{name}.png")
    ends = cli("interpolate", "vae", runs / "vae", "--from", "a.png", "--to", "b.png", "--out", "w.png")
    listed = cli("interpolate", "vae", runs / "vae", "a.png", "b.png", "--out", "v.png")
    indexed = cli("interpolate", "vae", runs / "vae", "--index", "0,1", "--out", "u.png")
    assert ends.code == listed.code == indexed.code == 0, ends.err + listed.err + indexed.err
    assert Path("w.png").read_bytes() == Path("v.png").read_bytes()
    assert np.array_equal(cells("w.png", 1, 12, headed=True), cells("u.png", 1, 12, headed=True))
    Image.new("RGB", (20, 30), "red").save("c.png")
    odd = cli("interpolate", "vae", runs / "vae", "a.png", "c.png", "--out", "x.png")
    assert odd.code == 0
    assert "c.png: 20x30 colour, resized to the model's 8x8 grey" in odd.err


@pytest.mark.parametrize("model", ["gan", "cgan"])
def test_between_images_of_a_model_without_an_encoder(cli: Callable, runs: Path, model: str) -> None:
    own = Model.load(runs / model, device="cpu").sample(2, seed=5, labels=4 if model == "cgan" else None)
    for name, image in zip("ab", to_pixels(own), strict=True):
        Image.fromarray(image[..., 0]).save(f"{name}.png")
    done = cli("interpolate", model, runs / model, "a.png", "b.png", "--steps", 3, "--out", "w.png")
    assert done.code == 0, done.err
    assert f"a {model} has no encoder: searching for the code of each picture, as project does" in done.err
    shown = cells("w.png", 1, 5, headed=True)[0].astype(int)
    assert abs(shown[1] - shown[0]).mean() < 2
    assert abs(shown[3] - shown[4]).mean() < 2


def test_a_conditional_model_walks_within_a_class_or_through_classes(cli: Callable, runs: Path) -> None:
    inside = cli("interpolate", "cgan", runs / "cgan", "--labels", "3,8", "--rows", 3, "--steps", 3, "--out", "in.png")
    assert inside.code == 0, inside.err
    cgan = Model.load(runs / "cgan", device="cpu")
    ends = to_pixels(cgan.sample(6, labels=torch.tensor([3, 3, 8, 8, 3, 3]))).squeeze(-1)
    assert np.array_equal(cells("in.png", 3, 3)[:, [0, 2]].reshape(6, 8, 8), ends)
    through = cli("interpolate", "cgan", runs / "cgan", "--through-classes", "3,8,1", "--rows", 2, "--steps", 4,
                  "--out", "th.png")  # fmt: skip
    assert through.code == 0, through.err
    shown = cells("th.png", 2, 7, headed=True)
    for place, label in ((0, 3), (3, 8), (6, 1)):
        pictures = to_pixels(cgan.sample(2, labels=label)).squeeze(-1)
        assert np.array_equal(shown[:, place], pictures)
    names = column_names(cgan, WalkOptions(through_classes=("3", "8", "1"), steps=4), with_pictures=False)
    assert names == {0: "3", 3: "8", 6: "1"}
    assert column_names(cgan, WalkOptions(steps=4), with_pictures=False) == {}


def test_through_codes_from_a_file(cli: Callable, runs: Path) -> None:
    gan = Model.load(runs / "gan", device="cpu")
    z = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    write_codes(Path("z.npz"), z)
    assert torch.equal(read_codes(Path("z.npz"), "gan", 8, 0)[0], z)
    done = cli("interpolate", "gan", runs / "gan", "--latents", "z.npz", "--steps", 3, "--out", "w.png")
    assert done.code == 0, done.err
    assert np.array_equal(cells("w.png", 2, 3)[0, [0, 2]], to_pixels(gan.decode(z[:2])).squeeze(-1))
    refused = cli("interpolate", "cgan", runs / "cgan", "--latents", "z.npz")
    assert refused.code == 3
    assert "z.npz: a cgan needs `labels` from 0 to 9, one for each z" in refused.err


@pytest.mark.parametrize("name", ["w.gif", "w.apng"])
def test_a_film_by_its_suffix(cli: Callable, runs: Path, name: str) -> None:
    done = cli("interpolate", "gan", runs / "gan", "--rows", 2, "--frames", 5, "--out", name)
    assert done.code == 0, done.err
    with Image.open(name) as film:
        assert film.n_frames == 5
        assert film.size == (2 * 66 + 2, 66 + 2)
    assert Path("w.png").is_file()
    assert cli("interpolate", "gan", runs / "gan", "--out", name).code == 2


def test_mp4_needs_its_extra(cli: Callable, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentool.figures.film.find_spec", lambda name: None)
    refused = cli("interpolate", "gan", runs / "gan", "--out", "w.mp4")
    assert refused.code == 1
    assert "pip install av" in refused.err
    assert not list(Path().iterdir())


def test_codes_do_not_depend_on_their_number(runs: Path) -> None:
    x = load_data("digits").train.images[:300]
    for name in ("cae", "vae", "lstm-ae"):
        model = Model.load(runs / name, device="cpu")
        z = model.encode(x)
        assert z.shape == (300, 4)
        assert torch.equal(model.encode(x[:7]), z[:7])
        assert torch.equal(model.encode(x.float() / 255), z)
        assert torch.equal(model.decode(z[:5]), model.decode(z)[:5])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["vae", "{runs}/vae", "--from", "a.png"], 2, "--from: only with --to"),
        (["vae", "{runs}/vae", "--from", "a.png", "--to", "none.png"], 3, "none.png: no such picture"),
        (["vae", "{runs}/vae", "--index", "3,99999"], 2, "--index: 99999 is out of range; digits has images 0 to 1796"),
        (["vae", "{runs}/vae", "--index", "3"], 2, "--index: a walk goes from one image to the next; give two or more"),
        (["gan", "{runs}/gan", "a.png"], 2, "pictures: a walk goes from one image to the next; give two or more"),
        (["vae", "{runs}/vae", "--index", "a,b"], 2, "expected comma-separated whole numbers or ranges"),
        (["vae", "{runs}/vae", "--index", "3,4", "a.png"], 2, "pictures and --index: give only one kind of key frames"),
        (["vae", "{runs}/vae", "--data", "digits"], 2, "--data: only with --index"),
        (["vae", "{runs}/vae", "--index", "3,4", "--rows", "2"], 2, "--rows: has no effect with --index"),
        (
            ["vae", "{runs}/vae", "--labels", "3"],
            2,
            "--labels: a vae is not conditional (conditional models: cvae, cgan and flow)",
        ),
        (["cgan", "{runs}/cgan", "--through-classes", "3"], 2, "a walk needs at least two classes"),
        (["vae", "{runs}/vae", "--latents", "a.png"], 3, "a.png: not a readable .npz file"),
        (
            ["vae", "{runs}/vae", "--frames", "9"],
            2,
            "--frames: only with a film; give --gif, or --out FILE.gif, .apng or .mp4",
        ),
        (["vae", "{runs}/vae", "--steps", "1"], 2, "--steps"),
    ],
)
def test_bad_input_is_one_clear_line(cli: Callable, runs: Path, arguments: list[str], code: int, message: str) -> None:
    Image.new("L", (8, 8)).save("a.png")
    refused = cli("interpolate", *[word.format(runs=runs) for word in arguments])
    assert refused.code == code, refused.err
    assert message in refused.err
    assert refused.err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["a.png"]
