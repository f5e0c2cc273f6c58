"""Sampling and reconstruction through the command line."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gentool
from gentool.engine.randomness import indexed_noise
from gentool.errors import OptionError
from gentool.figures.grids import grid, labelled_rows, to_picture
from gentool.latent import palette
from gentool.latent.inputs import class_numbers
from gentool.latent.model import Model
from gentool.latent.palette import commonest_colours, snap
from gentool.latent.prior import MixturePrior
from gentool.options import words

TINY = ("cae", "vae", "lstm-ae", "gan", "cgan")


@pytest.mark.parametrize("model", TINY)
def test_sample_i_depends_on_seed_and_i_alone(runs: Path, model: str) -> None:
    trained = Model.load(runs / model, device="cpu")
    labels = 3 if model == "cgan" else None
    many = trained.sample(200, seed=5, labels=labels)
    for count in (1, 25, 64, 130):
        assert torch.equal(trained.sample(count, seed=5, labels=labels), many[:count])
    assert torch.equal(trained.sample(3, seed=5, labels=labels, first=70), many[70:73])
    assert not torch.equal(trained.sample(25, seed=6, labels=labels), many[:25])
    assert many.shape == (200, 1, 8, 8)
    assert many.min() >= 0
    assert many.max() <= 1


def test_classes_are_sampled_in_turn(runs: Path) -> None:
    cgan = Model.load(runs / "cgan", device="cpu")
    labels = torch.arange(25) % 10
    assert torch.equal(cgan.sample(25, seed=5), cgan.sample(25, seed=5, labels=labels))
    assert torch.equal(cgan.sample(8, seed=5, first=17), cgan.sample(25, seed=5, labels=labels)[17:])
    assert torch.equal(cgan.sample(3, labels=["7", 2]), cgan.sample(3, labels=torch.tensor([7, 2, 7])))


def test_grid_and_each(cli: Callable, runs: Path) -> None:
    done = cli("sample", "gan", runs / "gan", "-n", 12, "--rows", 3, "--seed", 1, "--out", "s.png", "--each")
    assert done.code == 0, done.err
    assert done.out == "s.png\n"
    with Image.open("s.png") as picture:
        assert picture.size == (4 * 66 + 2, 3 * 66 + 2)
        pixels = np.asarray(picture)
    singles = sorted(Path("s").glob("*.png"))
    assert [path.name for path in singles] == [f"{i:05d}.png" for i in range(12)]
    with Image.open(singles[5]) as single:
        assert single.size == (8, 8)
        assert np.array_equal(np.asarray(single).repeat(8, 0).repeat(8, 1), pixels[68:132, 68:132])
    again = cli("sample", "gan", runs / "gan", "--out", "s.png")
    assert again.code == 2
    assert "--out s.png: exists; give --overwrite" in again.err


def test_default_place_is_beside_the_checkpoint(cli: Callable, runs: Path) -> None:
    done = cli("sample", "vae", runs / "vae" / "model.pt", "--json")
    assert json.loads(done.out)["picture"] == str(runs / "vae" / "model-samples-0.png")
    assert (runs / "vae" / "model-samples-0.png").is_file()


def test_conditional_grids_have_a_row_for_each_label(cli: Callable, runs: Path) -> None:
    model = gentool.load(runs / "cgan")
    assert cli("sample", "cgan", runs / "cgan", "--out", "all.png").code == 0
    some = cli("sample", "cgan", runs / "cgan", "-n", 6, "--labels", "7,2", "--out", "some.png")
    assert some.code == 0
    assert some.err.endswith("some.png: 6 samples\n")
    expected = model.sample(6, labels=["7", "2"])
    by_class = torch.cat([expected[::2], expected[1::2]])  # the classes in turn, a row each
    with Image.open("all.png") as first, Image.open("some.png") as second:
        assert first.size[1] == 10 * 66 + 2
        assert np.array_equal(np.asarray(second), labelled_rows(by_class, ["7", "2"]))


def test_a_count_is_that_of_all_classes_together(cli: Callable, runs: Path) -> None:
    model = gentool.load(runs / "cgan")
    done = cli("sample", "cgan", runs / "cgan", "-n", 25, "--each", "--out", "some.png")
    assert done.code == 0
    assert len(list(Path("some").glob("*.png"))) == 25
    with Image.open("some.png") as picture, Image.open("some/00013.png") as single:
        assert np.array_equal(np.asarray(picture), grid(model.sample(25)))
        assert np.array_equal(np.asarray(single), to_picture(model.sample(14)[13]))  # of class 3
    assert cli("sample", "cgan", runs / "cgan", "-n", 20, "--rows", 4, "--out", "rows.png").code == 0
    with Image.open("rows.png") as picture:
        assert np.array_equal(np.asarray(picture), grid(model.sample(20), 5))


def test_classes_that_are_not_there(cli: Callable, runs: Path) -> None:
    assert "no class '12'; there are 0, 1, 2" in cli("sample", "cgan", runs / "cgan", "--labels", "12").err
    refused = cli("sample", "gan", runs / "gan", "--labels", "1")
    assert refused.code == 2
    assert "--labels: a gan is not conditional (conditional models: cvae, cgan and flow)" in refused.err


@pytest.mark.parametrize("model", ["vae", "cgan"])
def test_samples_by_number_are_those_of_a_full_grid(model: str, cli: Callable, runs: Path, tmp_path: Path) -> None:
    trained = gentool.load(runs / model, device="cpu")
    everything = trained.sample(300, seed=3)
    assert trained.sample(numbers=[280, 3, 40], seed=3).equal(everything[[280, 3, 40]])
    done = cli("sample", model, runs / model, "--seed", 3, "--numbers", "280,3,40-42", "--each", "--out", "few.png")
    assert done.code == 0, done.err
    assert sorted(path.name for path in Path("few").glob("*.png")) == [
        f"{number:05d}.png" for number in (3, 40, 41, 42, 280)
    ]
    for number in (3, 42, 280):
        pixels = np.asarray(Image.open(Path("few") / f"{number:05d}.png"))
        assert (pixels == to_picture(everything[number]).squeeze()).all(), number
    assert "few.png: 5 samples" in done.err
    done = cli("sample", model, runs / model, "--numbers", "3,100000", "--each", "--out", "other.png")
    assert (done.code, done.err) == (
        2, "gentool: --numbers: --each names files by the number of a sample, at most 99,999\n"
    )  # fmt: skip
    done = cli("sample", model, runs / model, "--numbers", "3", "-n", 5)
    assert (done.code, done.err) == (2, "gentool: --numbers: has no effect with --count\n")
    for wrong in ("5-3", "1-", "-4", "a"):
        assert cli("sample", model, runs / model, f"--numbers={wrong}").code == 2
    with pytest.raises(OptionError, match="--numbers: expected at least one number"):
        trained.sample(numbers=[])
    assert "expected at most 100,000 numbers" in cli("sample", model, runs / model, "--numbers", "0-100000").err


def test_truncation_draws_codes_towards_their_mean(cli: Callable, runs: Path, tmp_path: Path) -> None:
    trained = gentool.load(runs / "vae", device="cpu")
    z = indexed_noise(4, 0, 6, trained.latent_dim)
    assert trained.sample(6, seed=4, truncation=0.5).allclose(trained.decode(0.5 * z), atol=1e-6)
    assert trained.sample(6, seed=4, truncation=1).equal(trained.sample(6, seed=4))
    prior = MixturePrior(torch.tensor([0.25, 0.75]), torch.tensor([[4.0] * 4, [0.0] * 4]), torch.eye(4).repeat(2, 1, 1))
    assert prior.center.tolist() == [1.0] * 4
    found = trained.sample(6, seed=4, truncation=0, prior=prior)
    assert found.allclose(trained.decode(torch.ones(6, 4)), atol=1e-6)
    done = cli("sample", "vae", runs / "vae", "-n", 6, "--seed", 4, "--truncation", 0.5, "--each", "--out", "few.png")
    assert done.code == 0, done.err
    pixels = np.asarray(Image.open("few/00003.png"))
    assert (pixels == to_picture(trained.sample(6, seed=4, truncation=0.5)[3]).squeeze()).all()
    for more, message in (
        (["--truncation", 1.5], "--truncation: must be at most 1"),
        (["--truncation", 0.5, "--manifold"], "--truncation: has no effect with --manifold"),
    ):
        done = cli("sample", "vae", runs / "vae", *more)
        assert done.code == 2
        assert message in done.err
    with pytest.raises(OptionError, match="--truncation: expected a number from 0 to 1, got 2"):
        trained.sample(truncation=2)


def test_palette(cli: Callable, runs: Path) -> None:
    done = cli("sample", "gan", runs / "gan", "--palette", 3, "--out", "p.png", "--each", "-n", 6)
    assert done.code == 0, done.err
    values = {value for path in Path("p").glob("*.png") for value in np.asarray(Image.open(path)).flatten().tolist()}
    assert len(values) <= 3
    assert cli("sample", "gan", runs / "gan", "--data", "digits", "--out", "q.png").code == 2


def test_commonest_colours_and_snap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(palette, "AT_ONCE", 1)  # counts of several parts are added up
    images = torch.zeros(2, 3, 2, 2, dtype=torch.uint8)
    images[0, :, 0, 0] = torch.tensor([250, 0, 1])
    images[1, :, 0, :] = torch.tensor([[9, 9], [8, 8], [7, 7]])
    assert commonest_colours(images, 2).tolist() == [[0, 0, 0], [9, 8, 7]]
    assert commonest_colours(images, 10).tolist()[2] == [250, 0, 1]
    snapped = snap(torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1), commonest_colours(images, 3))
    assert (snapped.flatten() * 255).round().tolist() == [250, 0, 1]


def test_labels_by_name_or_number() -> None:
    classes = ("cat", "dog")
    assert class_numbers("all", classes).tolist() == [0, 1]
    assert class_numbers(words("dog, 0"), classes).tolist() == class_numbers(["dog", 0], classes).tolist() == [1, 0]
    assert class_numbers("dog", classes).tolist() == class_numbers(1, classes).tolist() == [1]
    with pytest.raises(OptionError, match="--labels: no class 'cow'; there are cat, dog"):
        class_numbers("cow", classes)


@pytest.mark.parametrize("model", ["cae", "vae", "lstm-ae"])
def test_reconstruct(cli: Callable, runs: Path, model: str) -> None:
    done = cli("reconstruct", model, runs / model, "-n", 5, "--untrained", "--out", "r.png")
    assert done.code == 0, done.err
    with Image.open("r.png") as picture:
        assert picture.size[1] == 3 * 66 + 2
    with Path("r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 180
    assert list(rows[0]) == ["index", "label", "mse", "psnr"]
    mean = sum(float(row["mse"]) for row in rows) / 180
    assert f"mean squared error {mean:.5f}" in done.err
    if model == "cae":
        result = json.loads((runs / "cae" / "result.json").read_text())
        assert mean == pytest.approx(result["test_loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sample", "vae", "{runs}/gan"], 4, "holds a gan, not a vae; give `gan` as the model"),
        (
            ["sample", "vea", "."],
            2,
            "no model 'vea'; there are cae, vae, cvae, lstm-ae, gan, cgan, flow. Did you mean 'vae'?",
        ),
        (
            ["sample", "vae", "absent.pt"],
            4,
            "absent.pt: no such checkpoint; give a run folder, such as runs/vae-digits, or its model.pt",
        ),
        (["sample", "vae", "."], 4, "has no model.pt (yet)"),
        (["sample", "vae", "cut.pt"], 4, "cut.pt: not a readable checkpoint"),
        (["sample", "vae", "{runs}/vae", "-n", "0"], 2, "--count: must be at least 1"),
        (["sample", "vae", "{runs}/vae", "--seeds", "1"], 2, "no such option: --seeds"),
        (["sample", "vae"], 2, "missing argument"),
        (["sample", "vae", "{runs}/vae", "--device", "cuda"], 2, "--device cuda: not available on this machine"),
        (["reconstruct", "gan", "{runs}/gan"], 2, "a gan has no encoder and cannot reconstruct images (models with"),
        (["reconstruct", "vae", "{runs}/vae", "--data", "mnits"], 3, "Did you mean 'mnist'?"),
        (["train", "vae", "--data", "no/such/folder"], 3, "no/such/folder: no such file or folder"),
        (["train", "vae", "--loss", "mse"], 2, "no such option: --loss"),
        (["train", "cae", "--loss", "mze"], 2, "'mze' is not one of 'mse', 'bce'"),
        (["train", "cae", "--channels", "3,x"], 2, "expected comma-separated positive whole numbers"),
        (["train", "gan", "--augment", "blur"], 2, "expected auto, none, or some of flip,color,translation,cutout"),
        (["train", "vae", "--epochs", "2", "--steps", "9"], 2, "--epochs: has no effect with --steps"),
        (
            ["train", "gan", "--loss", "wgan-gp", "--norm", "batch"],
            2,
            "--norm batch: not with --loss wgan-gp, whose penalty is",
        ),
    ],
)
def test_bad_input_is_one_clear_line(cli: Callable, runs: Path, arguments: list[str], code: int, message: str) -> None:
    if torch.cuda.is_available() and "cuda" in arguments:
        pytest.skip("there is a CUDA device here")
    whole = (runs / "vae" / "model.pt").read_bytes()
    Path("cut.pt").write_bytes(whole[: len(whole) // 2])
    refused = cli(*[word.format(runs=runs) for word in arguments])
    assert refused.code == code, refused.err
    assert message in refused.err
    assert refused.err.count("\n") == 1
    assert refused.out == ""
    assert [path.name for path in Path().iterdir()] == ["cut.pt"]


def test_images_of_another_shape_are_resized_with_a_notice(cli: Callable, runs: Path) -> None:
    np.save("big.npy", np.random.default_rng(0).integers(0, 255, (40, 16, 24, 3), np.uint8))
    done = cli("reconstruct", "vae", runs / "vae", "--data", "big.npy", "--out", "x.png")
    assert done.code == 0, done.err
    assert "big: 24x16 colour, resized to the model's 8x8 grey" in done.err
    assert cli("prepare", "big.npy", "--out", "prepared").code == 0
    refused = cli("reconstruct", "vae", runs / "vae", "--data", "prepared")
    assert refused.code == 3
    assert "prepare them again with --size 8x8 --channels 1" in refused.err


def test_a_raw_source_is_found_again_through_the_cache(own_cache: Path, cli: Callable) -> None:
    np.save("mine.npy", np.random.default_rng(0).integers(0, 255, (60, 8, 8), np.uint8))
    train = ["train", "cae", "--data", "mine.npy", "--epochs", 1, "--channels", "4", "--out", "run"]
    assert cli(*train).code == 0
    Path("mine.npy").unlink()
    done = cli("reconstruct", "cae", "run", "--out", "r.png")
    assert done.code == 0, done.err
    assert "6 test images of mine" in done.err
    for name in ("model.pt", "options.json"):  # they are passed on
        assert str(Path.cwd()).encode() not in Path("run", name).read_bytes()
    shutil.rmtree(own_cache)
    lost = cli("reconstruct", "cae", "run", "--out", "r2.png")
    assert lost.code == 3
    assert "mine: the training images were not found; give --data" in lost.err


def test_a_damaged_folder_of_a_named_set_is_not_needed(own_cache: Path, cli: Callable) -> None:
    assert cli("prepare", "digits", "--out", "set").code == 0
    assert cli("train", "cae", "--data", "set", "--epochs", 1, "--channels", "4", "--out", "run").code == 0
    Path("set", "labels.npy").write_bytes(b"")
    done = cli("reconstruct", "cae", "run")
    assert done.code == 0, done.err
    assert "labels.npy cannot be read" in done.err
    assert "Using digits by name instead" in done.err


@pytest.mark.parametrize(
    ("command", "model", "options", "columns"),
    [
        ("sample", "gan", ["-n", 9], 3),
        ("reconstruct", "vae", ["-n", 4], 4),
        ("interpolate", "vae", ["--steps", 6], 6),
        ("project", "gan", ["--index", "0,1", "--steps", 2, "--restarts", 1], 2),
    ],
)
def test_a_scale_is_a_whole_number_of_pixels(
    cli: Callable, runs: Path, command: str, model: str, options: list[object], columns: int
) -> None:
    pictures = {}
    for scale in (1, 3, 8):
        done = cli(command, runs / model, *options, "--scale", scale, "--out", f"{scale}.png")
        assert done.code == 0, done.err
        with Image.open(f"{scale}.png") as picture:
            pictures[scale] = np.asarray(picture)
    cells = {}
    for scale, picture in pictures.items():  # the last image of the first row
        side = 8 * scale
        left = picture.shape[1] - side - 2
        cells[scale] = picture[2 : 2 + side, left : left + side]
    for scale in (3, 8):
        assert np.array_equal(cells[scale], cells[1].repeat(scale, 0).repeat(scale, 1))
    cli(command, runs / model, *options, "--out", "default.png")
    with Image.open("default.png") as picture:
        assert np.array_equal(np.asarray(picture), pictures[8])
