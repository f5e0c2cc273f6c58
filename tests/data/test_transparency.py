"""RGBA from end to end: prepared, trained, sampled, shown and written with its transparency."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

import gentool
from gentool.data.conform import conform, with_channels
from gentool.data.load import load_data
from gentool.errors import OptionError
from gentool.evaluation.features import GREY, OnGrey, feature_networks
from gentool.figures.grids import SQUARE, grid, to_picture
from gentool.networks.augment import DiffAugment
from gentool.transparency import CHEQUERS, chequers, over, premultiplied, straight
from tests.conftest import TINY, Outcome

Pixels = NDArray[np.uint8]
RGBA = arrays(np.uint8, (3, 5, 4))


@settings(deadline=None)
@given(RGBA)
def test_premultiplied_colours_are_rounded_products(pixels: Pixels) -> None:
    exact = pixels[..., :3] * (pixels[..., 3:] / 255)
    result = premultiplied(pixels)
    assert np.abs(result[..., :3] - exact).max() <= 0.5
    assert (result[..., :3] <= result[..., 3:]).all()
    assert (result[..., 3] == pixels[..., 3]).all()


@settings(deadline=None)
@given(RGBA)
def test_straight_colours_survive_as_far_as_their_alpha_allows(pixels: Pixels) -> None:
    again = straight(premultiplied(pixels))
    opaque, clear = pixels[..., 3] == 255, pixels[..., 3] == 0
    assert (again[opaque] == pixels[opaque]).all()
    assert (again[clear] == 0).all()
    assert (premultiplied(again) == premultiplied(pixels)).all()


@settings(deadline=None)
@given(RGBA, st.tuples(*[st.integers(0, 255)] * 3))
def test_a_ground_shows_through_as_pillow_composes_it(pixels: Pixels, ground: tuple[int, int, int]) -> None:
    canvas = Image.new("RGBA", (5, 3), (*ground, 255))
    expected = np.asarray(Image.alpha_composite(canvas, Image.fromarray(pixels)))[..., :3].astype(int)
    assert np.abs(over(premultiplied(pixels), np.array(ground, np.uint8)) - expected).max() <= 2


def test_colours_above_the_alpha_are_cut() -> None:
    pixels = np.array([[[255, 40, 0, 100], [9, 9, 9, 0]]], np.uint8)
    assert straight(pixels).tolist() == [[[255, 102, 0, 100], [0, 0, 0, 0]]]
    assert over(pixels, np.uint8(255)).tolist() == [[[255, 195, 155], [255, 255, 255]]]


@pytest.mark.parametrize("resample", ["lanczos", "bilinear", "area", "nearest"])
@pytest.mark.parametrize("crop", ["center", "pad", "stretch"])
def test_what_is_hidden_does_not_bleed_into_resized_images(crop: str, resample: str) -> None:
    """A red square on transparent green: no green appears, wherever pixels are averaged."""
    pixels = np.zeros((24, 32, 4), np.uint8)
    pixels[...] = 0, 255, 0, 0
    pixels[5:15, 8:20] = 255, 0, 0, 255
    result = conform(premultiplied(pixels), (12, 12), crop, resample, (0, 0, 255), False)  # type: ignore[arg-type]
    assert result.shape == (12, 12, 4)
    assert result[..., 1].max() == 0
    assert result[..., 2].max() == 0
    assert (result[..., 0] <= result[..., 3]).all()
    assert result[..., 3].max() == 255
    if crop == "pad":
        assert not result[0].any()
        assert not result[-1].any()


def test_channels_come_and_go() -> None:
    grey = np.array([[[7], [200]]], np.uint8)
    assert with_channels(grey, 4).tolist() == [[[7, 7, 7, 255], [200, 200, 200, 255]]]
    half = np.array([[[64, 0, 0, 128]]], np.uint8)
    assert with_channels(half, 3).tolist() == [[[191, 127, 127]]]
    assert with_channels(half, 1).shape == (1, 1, 1)


def sprites(folder: Path, count: int = 40) -> dict[str, Pixels]:
    """Discs and squares, half transparent, on a transparent ground of a colour that nobody is to see."""
    random = np.random.default_rng(0)
    written = {}
    for kind in ("disc", "square"):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            top, left = random.integers(0, 4, 2)
            pixels = np.full((10, 10, 4), (0, 255, 0, 0), np.uint8)
            pixels[top : top + 6, left : left + 6] = 250, 20 * number % 250, 10, 255 if kind == "disc" else 130
            Image.fromarray(pixels).save(folder / kind / f"{number:02}.png")
            written[f"{kind}/{number:02}.png"] = pixels
    return written


def test_files_are_prepared_premultiplied(tmp_path: Path) -> None:
    written = sprites(tmp_path / "s")
    data = load_data(tmp_path / "s", channels=4)
    assert data.shape == (4, 10, 10)
    assert data.classes == ("disc", "square")
    positions = data.source_positions()
    assert positions is not None
    names = sorted(written)
    for row, position in zip(data.whole().images.numpy(), positions.tolist(), strict=True):
        assert np.array_equal(row.transpose(1, 2, 0), premultiplied(written[names[position]]))


def test_without_it_the_loss_is_said(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    sprites(tmp_path / "s")
    done = cli("prepare", "s", "--check")
    assert (
        "80 images with transparent parts, which become white; give `gentool prepare` another --background, or "
        "--channels 4 to keep them" in done.err + done.out
    )
    assert "transparent parts" not in cli("prepare", "s", "--check", "--background", "red").out
    assert "transparent parts" not in cli("prepare", "s", "--check", "--channels", "4").out


def test_opaque_images_are_said_to_be_opaque(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for number in range(20):
        Image.new("RGB", (8, 8), (number, 0, 200)).save(tmp_path / f"s/{number}.png")
    done = cli("prepare", "s", "--channels", "4", "--check")
    assert "no image has transparent parts" in done.out + done.err
    data = load_data(tmp_path / "s", channels=4)
    assert (data.train.images[:, 3] == 255).all()


def test_a_background_that_nothing_shows_is_refused(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    sprites(tmp_path / "s")
    done = cli("prepare", "s", "--channels", "4", "--background", "red")
    assert done.code == 2
    assert "--background: has no effect with --channels 4" in done.err


@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
def test_arrays_keep_their_alpha(order: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 8, 9, 4)).astype(np.uint8)
    given = pixels if order == "NHWC" else pixels.transpose(0, 3, 1, 2)
    data = load_data(given, channels=4, validation=0, test=0)
    rows = data.train.images.permute(0, 2, 3, 1).numpy()
    assert np.array_equal(rows, premultiplied(pixels))
    assert any("transparent parts, which become white" in note for note in load_data(given).info["notes"])


def test_an_array_of_zeros_and_ones_becomes_white_not_its_alpha() -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (30, 8, 8, 1)).astype(np.uint8)
    images = load_data(pixels, channels=4, validation=0, test=0).train.images
    assert images[:, :3].unique().tolist() == [0, 255]
    assert (images[:, 3] == 255).all()


def test_tiles_keep_their_alpha(tmp_path: Path) -> None:
    sheet = np.zeros((16, 32, 4), np.uint8)
    for number in range(7):
        row, column = divmod(number, 4)
        sheet[row * 8 + 2 : row * 8 + 6, column * 8 + 1 : column * 8 + 7] = 30 * number, 90, 200, 128 + number
    Image.fromarray(sheet).save(tmp_path / "sheet.png")
    data = load_data(tmp_path / "sheet.png", tile=(8, 8), channels=4, validation=0, test=0)
    assert data.info["skipped"] == [{"name": "tile 7", "reason": "wholly transparent"}]
    first = data.train.images[0].permute(1, 2, 0).numpy()
    assert np.array_equal(first, premultiplied(sheet[:8, :8]))


def test_a_grid_stands_on_chequers() -> None:
    images = torch.zeros(2, 4, 8, 8)
    images[1] = torch.tensor([1.0, 0, 0, 1])[:, None, None]
    picture = grid(images, 2, scale=2, padding=0)
    assert picture.shape == (16, 32, 3)
    assert np.array_equal(picture[:, :16], chequers(16, 16, SQUARE))
    assert (picture[:, 16:] == (255, 0, 0)).all()
    assert [picture[0, 0, 0], picture[0, SQUARE, 0], picture[SQUARE, SQUARE, 0]] == [*CHEQUERS, CHEQUERS[0]]


def test_a_picture_of_its_own_is_straight() -> None:
    image = torch.tensor([0.5, 0.25, 0, 0.5])[:, None, None].expand(4, 3, 3)
    assert to_picture(image)[1, 1].tolist() == [255, 128, 0, 128]
    assert to_picture(torch.zeros(1, 3, 2)).shape == (3, 2)
    assert to_picture(torch.zeros(3, 3, 2)).shape == (3, 2, 3)


def test_colour_is_augmented_and_alpha_is_not() -> None:
    x = torch.rand(16, 4, 8, 8) * 2 - 1
    augment = DiffAugment(("color",))
    numbers = augment.draw(x.shape, torch.Generator().manual_seed(0), x.device)
    changed = augment(x, numbers)
    assert torch.equal(changed[:, 3], x[:, 3])
    assert torch.equal(changed[:, :3], augment(x[:, :3], numbers))
    assert not torch.allclose(changed[:, :3], x[:, :3])


def test_the_random_network_sees_the_alpha(tmp_path: Path) -> None:
    sprites(tmp_path / "s")
    data = load_data(tmp_path / "s", channels=4)
    (network,) = feature_networks(("random",), data, torch.device("cpu"))
    images = data.test.images.clone()
    before = network(images)
    images[:, 3] = images[:, 3] // 2 + images[:, :3].amax(1) // 2
    assert not torch.allclose(network(images), before)
    (of_colour,) = feature_networks(("random",), load_data(tmp_path / "s"), torch.device("cpu"))
    assert of_colour.hash != network.hash


def test_networks_of_three_channels_see_a_grey_ground() -> None:
    seen = OnGrey(torch.nn.Identity())(
        torch.tensor([[0, 0, 0, 0], [90, 0, 20, 255]], dtype=torch.uint8)[..., None, None]
    )
    assert seen.flatten(1).tolist() == [[GREY] * 3, [90, 0, 20]]


@pytest.mark.parametrize("model", ["vae", "gan", "cae", "lstm-ae", "cgan"])
def test_every_model_trains_samples_and_is_judged(model: str, cli: Callable[..., Outcome], tmp_path: Path) -> None:
    sprites(tmp_path / "s")
    assert cli("prepare", "s", "--channels", "4", "--test", 0.25, "--out", "p").code == 0
    with Image.open(tmp_path / "p/preview.png") as preview:
        assert preview.mode == "RGB"
    assert cli("train", model, "--data", "p", "--epochs", 1, "--out", "run", *TINY[model]).code == 0
    assert gentool.load(tmp_path / "run").shape == (4, 10, 10)
    assert cli("sample", model, "run", "--count", 4, "--each", "--out", "x.png").code == 0
    with Image.open(tmp_path / "x/00000.png") as single:
        assert (single.mode, single.size) == ("RGBA", (10, 10))
        sample = gentool.load(tmp_path / "run").sample(4)[0] if model != "cgan" else None
        if sample is not None:
            assert np.array_equal(np.asarray(single), to_picture(sample))
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.mode == "RGB"
    assert cli("interpolate", model, "run", "--gif", "--out", "i.gif").code == 0
    if model in ("vae", "gan", "cgan"):
        assert cli("evaluate", model, "run", "--samples", 20, "--features", "random", "--out", "e").code == 0
        assert json.loads((tmp_path / "e/evaluation.json").read_text())
    assert cli("sample", model, "run", "--palette", 4, "--out", "y.png").code == 0
    assert cli("report", "run").code == 0


def test_pictures_are_read_with_their_alpha(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    written = sprites(tmp_path / "s")
    cli("prepare", "s", "--channels", "4", "--out", "p")
    cli("train", "vae", "--data", "p", "--epochs", 1, "--out", "run", *TINY["vae"])
    done = cli("project", "vae", "run", "s/disc/03.png", "--steps", 1, "--out", "q.png")
    assert done.code == 0
    assert "become white" not in done.err
    Image.new("RGB", (10, 10), "red").save(tmp_path / "red.png")
    assert cli("interpolate", "vae", "run", "--from", "s/disc/03.png", "--to", "red.png").code == 0
    from gentool.latent.images import read_pictures

    clear, red = read_pictures([tmp_path / "s/disc/03.png", tmp_path / "red.png"], (4, 10, 10))
    expected = premultiplied(written["disc/03.png"]).transpose(2, 0, 1)
    assert np.array_equal((clear * 255).round().byte().numpy(), expected)
    assert red.mean((1, 2)).tolist() == [1, 0, 0, 1]


def test_a_set_is_prepared_again_with_the_transparency_that_a_model_has(
    cli: Callable[..., Outcome], tmp_path: Path
) -> None:
    sprites(tmp_path / "s")
    cli("prepare", "s", "--channels", "4", "--out", "p")
    cli("train", "vae", "--data", "p", "--epochs", 1, "--out", "run", *TINY["vae"])
    done = cli("reconstruct", "vae", "run", "--data", "s", "--out", "r.png")
    assert done.code == 0
    assert "s: 10x10 colour, resized to the model's 10x10 RGBA" in done.err
    cli("prepare", "s", "--out", "flat")
    refused = cli("reconstruct", "vae", "run", "--data", "flat", "--out", "r2.png")
    assert refused.code == 3
    assert "--size 10x10 --channels 4" in refused.err


def test_seven_channels_are_none(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="channels"):
        load_data(np.zeros((20, 8, 8, 4), np.uint8), channels=2)
