"""The flow model: its loss and its paths against closed forms, and what it does beyond other models."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import gentool
from gentool.errors import OptionError
from gentool.explorer.content import covariance_directions
from gentool.explorer.server import Explorer
from gentool.latent.likeliest import likeliest_class
from gentool.models.flow import Flow, Options, SamplingOptions, build, pixels

SHAPE = (1, 6, 5)


def flow(classes: int = 0) -> Flow:
    torch.manual_seed(0)
    return build(Options(width=8), SHAPE, classes)


def noise(count: int) -> Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1))


def test_everything_is_computed_where_the_network_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device a tensor that was made elsewhere is an error, as on a GPU."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)  # which knows no meta device
    model, x = flow(classes=2).to("meta"), noise(3).to("meta")
    options, weights = SamplingOptions(sample_steps=2, guidance=2.0), torch.full((3, 2), 0.5, device="meta")
    assert model.decode(x.flatten(1), weights, options).device.type == "meta"
    assert model.invert(x, weights, x.flatten(1), options).device.type == "meta"
    assert model.error(x, weights, x, torch.rand(3, device="meta")).device.type == "meta"
    assert next(iter(model.trajectory(x.flatten(1), weights, options))).device.type == "meta"


class Predicts(nn.Module):
    """In place of the U-Net: a function of x in units of its standard deviation, the time, and the classes."""

    def __init__(self, image: Callable[..., Tensor]) -> None:
        super().__init__()
        self.image = image

    def forward(self, x: Tensor, t: Tensor, weights: Tensor | None = None) -> Tensor:
        return self.image(x, t, weights)


def test_the_loss_of_a_network_that_knows_nothing() -> None:
    x, t = torch.rand(3, *SHAPE), torch.tensor([0.0, 0.5, 0.9])
    expected = (2 * x - 1).square().mean((1, 2, 3)) / (1 - t).square()
    assert torch.allclose(flow().error(x, None, noise(3), t), expected)
    at_the_end = flow().error(x, None, noise(3), torch.ones(3))
    assert torch.allclose(at_the_end, (2 * x - 1).square().mean((1, 2, 3)) / 0.05**2)


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun"])
@pytest.mark.parametrize("steps", [1, 3, 10])
def test_noise_becomes_the_only_image_that_there_is(solver: str, steps: int) -> None:
    image = torch.rand(SHAPE)
    model = flow()
    model.unet = Predicts(lambda x, t, weights: (2 * image - 1).expand_as(x))
    decoded = model.decode(noise(4).flatten(1), None, SamplingOptions(solver=solver, sample_steps=steps))
    assert torch.allclose(decoded, image.expand_as(decoded), atol=1e-4)


def test_noise_becomes_gaussian_data_on_the_known_path() -> None:
    # For data N(0, s^2), E[x | x_t] = t s^2 / (t^2 s^2 + (1 - t)^2) x_t, and z ends at s z.
    s = 0.25
    model = flow()

    def mean(x: Tensor, t: Tensor, weights: Tensor | None) -> Tensor:
        time = t.view(-1, 1, 1, 1)
        own, assumed = ((time * sd).square() + (1 - time).square() for sd in (s, 0.5))
        return time * s**2 / own * x * assumed.sqrt()

    model.unet = Predicts(mean)
    options = SamplingOptions(sample_steps=200)
    z = noise(5).flatten(1)
    assert torch.allclose(model.decode(z, None, options), pixels(s * z.unflatten(1, SHAPE)), atol=2e-3)
    # The way back begins at 0.95 x + 0.05 noise, where it is at sqrt(0.95^2 s^2 + 0.05^2) times the code.
    x, more = torch.rand(5, *SHAPE), torch.randn(5, 30)
    begun = 0.95 * (2 * x - 1).flatten(1) + 0.05 * more
    expected = begun / math.sqrt((0.95 * s) ** 2 + 0.05**2)
    assert torch.allclose(model.invert(x, None, more, options), expected, atol=1e-2)


def test_guidance_goes_from_any_class_through_the_class_and_beyond() -> None:
    model = flow(classes=2)

    def image(x: Tensor, t: Tensor, weights: Tensor | None) -> Tensor:
        value = torch.zeros(len(x)) if weights is None else weights @ torch.tensor([0.2, -0.4])
        return value.view(-1, 1, 1, 1).expand_as(x)

    model.unet = Predicts(image)
    z, labels = noise(2).flatten(1), torch.tensor([0, 1])
    for guidance in (0.0, 0.5, 1.0, 2.0):
        decoded = model.decode(z, labels, SamplingOptions(guidance=guidance))
        assert decoded.mean((1, 2, 3)).tolist() == pytest.approx([0.5 + 0.1 * guidance, 0.5 - 0.2 * guidance], abs=1e-4)
    mixed = model.decode(z[:1], torch.tensor([[0.5, 0.5]]))
    assert mixed.mean().item() == pytest.approx(0.45, abs=1e-4)


def pixels_of(path: str) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"), np.int16)


def test_a_film_of_samples_begins_with_noise_and_ends_with_them(cli: Callable, runs: Path) -> None:
    done = cli("sample", "flow", runs / "flow", "-n", 20, "--sample-steps", 4, "--gif", "--out", "s.png", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["film"] == "s.gif"
    with Image.open("s.gif") as film:
        assert film.n_frames == 5
        film.seek(4)
        last = np.asarray(film.convert("L"), np.int16)
        film.seek(0)
        first = np.asarray(film.convert("L"), np.int16)
    assert abs(last - pixels_of("s.png")).mean() < 4  # the film has 256 colours
    assert abs(first - pixels_of("s.png")).mean() > 20
    refused = cli("sample", "gan", runs / "gan", "--gif", "--out", "g.png")
    assert refused.code == 2
    assert refused.err == "gentool: a gan makes images in one step, not along a path (models that do: flow)\n"
    assert not Path("g.png").exists()


def test_samples_by_number_and_in_films_are_those_of_a_full_grid() -> None:
    model = gentool.train("flow", "digits", width=8, steps=3, device="cpu")
    every = model.sample(70, seed=3)
    assert torch.equal(model.sample(numbers=[69, 2], seed=3), every[[69, 2]])
    assert torch.allclose(model.sample_trajectory([69, 2], seed=3)[-1], every[[69, 2]], atol=1e-5)
    one_class = model.sample(3, labels=7)
    assert torch.equal(one_class, model.sample(numbers=[0, 1, 2], labels=7))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flow") / "run"
    gentool.train("flow", "digits", width=16, epochs=34, device="cpu", amp="off", out=folder)
    return folder


def test_pictures_are_found_again_from_their_noise(cli: Callable, trained: Path) -> None:
    done = cli("project", "flow", trained, "--index", "1600,1601,1602,1603", "--gif", "--out", "p.png")
    assert done.code == 0, done.err
    with Path("p.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert min(float(row["psnr"]) for row in found) > 25
    model, data = gentool.load(trained, device="cpu"), gentool.load_data("digits").whole()
    right = [row["label"] == str(int(data.labels[1600 + i])) for i, row in enumerate(found)]
    assert sum(right) >= 3
    z = np.load("p.npz")["z"]
    assert z.shape == (4, 64)
    assert 0.85 < z.std() < 1.15
    walk = model.interpolate(data.images[1600], data.images[1601], steps=5)
    assert (walk[0] - data.images[1600] / 255).square().mean() < 0.01
    assert (walk[-1] - data.images[1601] / 255).square().mean() < 0.01
    for option in ("--steps", "--restarts"):
        refused = cli("project", "flow", trained, "--index", 1600, option, 7)
        assert refused.code == 2
        assert refused.err == f"gentool: {option}: has no effect on a flow, whose path is followed backwards\n"


def test_the_class_of_an_image_is_the_one_that_predicts_it_best(trained: Path) -> None:
    model = gentool.load(trained, device="cpu")
    test = gentool.load_data("digits").test
    images, labels = test.images[:60].float() / 255, test.labels[:60]
    found = likeliest_class(model, images, range(10))
    assert found.eq(labels).float().mean() > 0.85
    assert set(likeliest_class(model, images, [3, 8]).tolist()) == {3, 8}
    assert likeliest_class(model, images[:2], [7]).tolist() == [7, 7]


def test_a_healthy_run_learns_and_raises_no_alarm(trained: Path) -> None:
    with (trained / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert not [name for name in rows[-1] if name.startswith("alarm_")]
    assert float(rows[-1]["validation_loss"]) < 0.6 * float(rows[0]["validation_loss"])
    assert 0.8 < float(rows[-1]["diversity"]) < 1.2


def test_images_without_labels_and_labels_that_are_not_learned(cli: Callable) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    np.save("plain.npy", images)
    np.savez("labelled.npz", images=images, labels=np.arange(40) % 2)
    tiny = ["--width", 8, "--epochs", 1, "--batch-size", 8, "--device", "cpu"]
    for data, more in (("plain.npy", []), ("labelled.npz", ["--no-conditional"])):
        done = cli("train", "flow", "--data", data, *tiny, *more, "--out", "run", "--overwrite")
        assert done.code == 0, done.err
        assert cli("sample", "flow", "run", "-n", 4, "--out", f"{data}.png").code == 0
        refused = cli("sample", "flow", "run", "--labels", "1")
        assert refused.code == 2
        assert refused.err == "gentool: --labels: this flow was trained without classes\n"
        refused = cli("sample", "flow", "run", "--guidance", 2)
        assert (refused.code, refused.err) == (2, "gentool: --guidance: only for a flow trained with classes\n")


def test_images_that_are_all_the_same(cli: Callable) -> None:
    """Copies are not torn apart, so there are no validation and no test images."""
    np.save("same.npy", np.full((40, 8, 8), 77, np.uint8))
    done = cli("train", "flow", "--data", "same.npy", "--width", 8, "--steps", 3, "--out", "run")
    assert done.code == 0, done.err


def test_the_pictures_of_a_training_show_the_first_classes(cli: Callable) -> None:
    images = np.random.default_rng(0).integers(0, 256, (120, 8, 8), np.uint8)
    np.savez("many.npz", images=images, labels=np.arange(120) % 40)
    done = cli("train", "flow", "--data", "many.npz", "--width", 8, "--epochs", 1, "--out", "run")
    assert done.code == 0, done.err
    with Image.open("run/samples/epoch-0001.png") as picture:
        assert 1.5 < picture.height / picture.width < 2.1  # 16 rows of 8
    assert cli("sample", "run", "--labels", "39", "-n", 2, "--out", "s.png").code == 0


def test_a_collapse_is_called(cli: Callable) -> None:
    """After 300 updates at the latest; on some processors earlier."""
    fast = ["--lr", 0.15, "--schedule", "constant", "--amp", "off", "--stop-on-collapse", "--epochs", 30]
    done = cli("train", "flow", "--data", "digits", "--width", 16, *fast, "--out", "run")
    assert done.code == 5
    assert "mode collapse: samples vary" in done.err


def test_explore_draws_directions_and_takes_a_picture(runs: Path) -> None:
    model = gentool.load(runs / "flow", device="cpu", sample_steps=1)
    with Explorer(model, None, 0, 0) as server:
        body = json.dumps({"z": [0.0] * 64, "labels": [0.0] * 3 + [1.0] + [0.0] * 6})
        assert len(server.image_of(body)) == 64
        picture = io.BytesIO()
        Image.fromarray(np.full((8, 8), 90, np.uint8)).save(picture, "PNG")
        assert len(server.code_of(picture.getvalue(), 3)["z"]) == 64
        assert len(server.code_of(picture.getvalue(), None)["z"]) == 64


def test_directions_of_many_dimensions_are_those_of_the_covariance() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(300, 500, generator=generator, dtype=torch.double)
    images = z[:, :3] @ torch.randn(3, 40, generator=generator, dtype=torch.double) * torch.tensor(5.0)
    found = covariance_directions(z, images)
    left, _, _ = torch.linalg.svd(z.T @ images, full_matrices=False)
    assert found.shape == (500, 10)
    assert torch.allclose(found.T @ found, torch.eye(10, dtype=torch.double), atol=1e-8)
    assert (found[:, :3] * left[:, :3]).sum(0).abs().min() > 0.999


def test_python_says_what_needs_a_path() -> None:
    model = gentool.train("flow", "digits", width=8, steps=1, device="cpu")
    z = torch.zeros(2, 64)
    assert model.trajectory(z, labels=[1, 2]).shape == (11, 2, 1, 8, 8)
    assert model.invert(torch.zeros(2, 1, 8, 8), labels=[1, 2]).shape == (2, 64)
    with pytest.raises(OptionError, match="a flow needs labels"):
        model.invert(torch.zeros(2, 1, 8, 8))
    cae = gentool.train("cae", "digits", channels="4", steps=1, device="cpu")
    assert model.invert(torch.zeros(0, 1, 8, 8), labels=[]).shape == (0, 64)
    assert model.trajectory(torch.zeros(0, 64), labels=[]).shape == (11, 0, 1, 8, 8)
    for numbers, how in (([], {}), ([-1], {}), ([1.5], {}), ([1], {"truncation": 5.0}), ([1], {"seed": -1})):
        with pytest.raises(OptionError, match=r"--(numbers|truncation|seed): expected"):
            model.sample_trajectory(numbers, **how)
    with pytest.raises(OptionError, match="--seed: expected a whole number"):
        model.invert(torch.zeros(1, 1, 8, 8), labels=[1], seed=-1)
    with pytest.raises(OptionError, match="a cae makes images in one step"):
        cae.trajectory(torch.zeros(1, 32))
