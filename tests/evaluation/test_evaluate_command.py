"""`gentool evaluate` for every model, with the network blocked."""

import csv
import json
import math
import re
import shutil
import socket
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gentool.errors import OptionError
from gentool.evaluation.evaluate import evaluate
from gentool.latent.loading import load

SMALL = ("--samples", 200, "--half-samples", 2, "--device", "cpu")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def table(folder: Path, name: str = "evaluation.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("model", ["cae", "vae", "lstm-ae", "gan", "cgan"])
def test_what_an_evaluation_leaves(cli: Callable, runs: Path, tmp_path: Path, model: str) -> None:
    out = tmp_path / "evaluated"
    done = cli("evaluate", model, runs / model, *SMALL, "--features", "classifier,random", "--out", out)
    assert done.code == 0, done.err
    assert done.out.strip() == str(out)
    rows = {row["what"]: row for row in table(out)}
    sampled, real, low, high = (
        rows[name] for name in ("samples", "training images (floor)", "samples: 95 % CI low", "samples: 95 % CI high")
    )
    for network in ("classifier", "random"):
        for name in ("fid", "kid", "near_train", "nearer_train"):
            assert math.isfinite(float(sampled[f"{name}_{network}_200"]))
            assert math.isfinite(float(real[f"{name}_{network}_200"]))
        for name in ("precision", "recall", "density", "coverage"):  # against the 180 test images
            column = f"{name}_{network}_180"
            assert float(low[column]) <= float(sampled[column]) <= float(high[column])
        assert float(real[f"fid_{network}_200"]) < float(sampled[f"fid_{network}_200"])
        for picture in (f"nearest_{network}.png", f"distances_{network}.png", "samples.png"):
            with Image.open(out / picture) as image:
                assert image.convert("L").getextrema()[0] != image.convert("L").getextrema()[1]
    measures = "fid|kid|precision|recall|density|coverage"
    scored = [name for name in sampled if re.match(measures, name)]
    assert len(scored) == 12
    assert all(re.fullmatch(rf"({measures})_(classifier|random)_(180|200)", name) for name in scored)
    facts = json.loads((out / "evaluation.json").read_text())
    assert {name: len(known["hash"]) for name, known in facts["networks"].items()} == {"classifier": 16, "random": 16}
    assert facts["networks"]["classifier"]["accuracy"] > 0.9
    assert facts["parameters"] > 0
    assert facts["settings"] == {
        "samples": 200, "seed": 0, "seeds": 1, "half_samples": 2, "features": "classifier,random", "weights": None,
        "k": 200, "bound_images": None, "binarise": "means",
    }  # fmt: skip
    assert ("agreement_classifier_200" in sampled) == (model == "cgan") == (out / "agreement.csv").exists()
    assert ("class_entropy_classifier_200" in sampled) == (model != "cgan")
    assert ("test images" in rows) == (model not in ("gan", "cgan"))
    assert (out / "dimensions.csv").exists() == (model == "vae")


def test_a_model_of_binary_pixels_is_not_scored_on_grey_ones_without_a_word(cli: Callable) -> None:
    tiny = ("--arch", "mlp", "--hidden", 16, "--latent-dim", 4, "--device", "cpu")
    assert (
        cli("train", "vae", "--data", "digits", *tiny, "--binarise", "dynamic", "--steps", 2, "--out", "run").code == 0
    )
    judge = ("evaluate", "run", *SMALL, "--features", "random", "--k", 2, "--bound-images", 4)
    note = (
        "the model was trained with --binarise dynamic, but its likelihoods here are of grey values; give --binarise "
    )
    assert note + "static for those of pixels that are on or off\n" in cli(*judge).err
    assert note not in cli(*judge, "--binarise", "static").err


def test_the_means_of_held_out_images(cli: Callable, runs: Path, tmp_path: Path) -> None:
    cli("evaluate", "vae", runs / "vae", *SMALL, "--k", 20, "--bound-images", 50, "--binarise", "static",
        "--out", tmp_path / "evaluated")  # fmt: skip
    row = next(row for row in table(tmp_path / "evaluated") if row["what"] == "test images")
    numbers = {name: float(value) for name, value in row.items() if value and name != "what"}
    assert numbers["negative_elbo_static"] == pytest.approx(numbers["reconstruction_static"] + numbers["kl_static"])
    assert 0 < numbers["negative_bound_k20_static_50"] < numbers["negative_elbo_static"] + 2
    assert numbers["psnr"] == pytest.approx(-10 * math.log10(numbers["mse"]), abs=1)
    assert 0 < numbers["ssim_5x5"] < 1
    dimensions = table(tmp_path / "evaluated", "dimensions.csv")
    assert len(dimensions) == 4
    assert numbers["active_units"] == sum(one["active"] == "True" for one in dimensions)


def test_python_and_the_command_give_the_same_evaluation(cli: Callable, runs: Path, tmp_path: Path) -> None:
    assert cli("evaluate", "vae", runs / "vae", *SMALL, "--out", tmp_path / "command").code == 0
    found = evaluate(load(runs / "vae", device="cpu"), samples=200, half_samples=2)
    assert found.save(tmp_path / "python") == tmp_path / "python"
    assert {path.name: path.read_bytes() for path in (tmp_path / "python").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "command").iterdir()
    }
    assert found.scores["fid_classifier_200"] == float(table(tmp_path / "command")[0]["fid_classifier_200"])
    assert found.memorising is found.facts["memorising"] is False
    assert found.tables["dimensions"]["dimension"] == [0, 1, 2, 3]
    with pytest.raises(OptionError, match=r"--k: a gan has no likelihood \(models with one: vae and cvae\)"):
        evaluate(load(runs / "gan", device="cpu"), k=50)


def test_per_class_agreement_is_beside_that_of_real_images(cli: Callable, runs: Path, tmp_path: Path) -> None:
    cli("evaluate", "cgan", runs / "cgan", *SMALL, "--out", tmp_path / "evaluated")
    rows = table(tmp_path / "evaluated", "agreement.csv")
    assert [row["class"] for row in rows] == [str(digit) for digit in range(10)]
    assert sum(int(row["samples"]) for row in rows) == 200
    assert sum(int(row["real_images"]) for row in rows) == 180
    sampled = table(tmp_path / "evaluated")[0]
    together = sum(int(row["samples"]) * float(row["agreement"]) for row in rows) / 200
    assert float(sampled["agreement_classifier_200"]) == pytest.approx(together)


def test_samples_of_a_fitted_mixture_are_those_that_sample_draws(cli: Callable, runs: Path, tmp_path: Path) -> None:
    fitted = ("--prior", "gmm", "--components", 4)
    out = runs / "cae" / "model-evaluation-digits-gmm"
    done = cli("evaluate", "cae", runs / "cae", *SMALL, *fitted, "--features", "random")
    assert done.code == 0, done.err
    assert done.out.strip() == str(out)
    assert "a mixture of 4 components, fitted to 1,527 codes of digits" in done.err
    facts = json.loads((out / "evaluation.json").read_text())
    assert (facts["prior"], facts["components"]) == ("gmm", 4)
    assert cli("sample", "cae", runs / "cae", *fitted, "-n", 25, "--out", "drawn.png").code == 0
    assert (out / "samples.png").read_bytes() == Path("drawn.png").read_bytes()
    plain = tmp_path / "plain"
    assert cli("evaluate", "cae", runs / "cae", *SMALL, "--features", "random", "--out", plain).code == 0
    assert json.loads((plain / "evaluation.json").read_text())["prior"] == "normal"
    assert (plain / "samples.png").read_bytes() != (out / "samples.png").read_bytes()
    shutil.rmtree(out)
    (runs / "cae" / "model-gmm-4.npz").unlink()


def test_seeds_give_a_mean_and_a_standard_deviation(cli: Callable, runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "evaluated"
    done = cli("evaluate", "gan", runs / "gan", "--samples", 150, "--bootstrap", 0, "--seeds", 3, "--out", out)
    assert done.code == 0, done.err
    rows = table(out)
    assert [(row["what"], row["seed"]) for row in rows[:3]] == [("samples", str(seed)) for seed in range(3)]
    values = [float(row["fid_classifier_150"]) for row in rows[:3]]
    assert len(set(values)) == 3
    assert rows[3]["what"] == "samples, 3 seeds: mean"
    assert float(rows[3]["fid_classifier_150"]) == pytest.approx(sum(values) / 3)
    assert rows[4]["what"] == "samples, 3 seeds: sd"
    assert float(rows[4]["fid_classifier_150"]) == pytest.approx(statistics.stdev(values))
    assert re.search(r"fid_classifier_150 +[\d.]+ ± [\d.]+ sd   floor ", done.err)


def test_the_same_command_gives_the_same_numbers(cli: Callable, runs: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        cli("evaluate", "cgan", runs / "cgan", *SMALL, "--features", "random", "--out", tmp_path / name)
    assert table(tmp_path / "one") == table(tmp_path / "two")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gan", "gan", "--k", 50], 2, "--k: a gan has no likelihood (models with one: vae and cvae)"),
        (
            ["cae", "cae", "--binarise", "static"],
            2,
            "--binarise: a cae has no likelihood (models with one: vae and cvae)",
        ),
        (["gan", "gan", "--features", "vgg"], 2, "choose from classifier, self-supervised, random"),
        (["gan", "gan", "--weights", "w.pth"], 2, "--weights: only with --features inception"),
        (["gan", "gan", "--half-samples", 1], 2, "--half-samples: needs at least 2"),
        (["gan", "gan", "--bootstrap", 1], 2, "--half-samples: needs at least 2"),
        (["gan", "gan", "--prior", "gmm"], 2, "a gan has no encoder and cannot have a prior fitted to its codes"),
        (["cae", "cae", "--components", 5], 2, "--components: only with --prior gmm"),
        (["gan", "vae"], 4, "holds a vae"),
        (["gan", "nowhere"], 4, "no such checkpoint"),
    ],
    ids=str,
)
def test_bad_input_is_one_line(cli: Callable, runs: Path, arguments: list[object], code: int, words: str) -> None:
    model, run, *more = arguments
    done = cli("evaluate", model, runs / str(run), *more)
    assert done.code == code
    assert words in done.err.strip().splitlines()[-1]
    assert not (runs / str(run) / "model-evaluation-digits").exists()


def test_too_few_held_out_images(cli: Callable, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    for i in range(40):
        folder.mkdir(exist_ok=True)
        Image.new("L", (8, 8), 6 * i).save(folder / f"{i}.png")
    done = cli("evaluate", "gan", runs / "gan", "--data", folder)
    assert done.code == 3
    assert "4 test images, and evaluating needs at least 12; prepare the images with --test 0.3" in done.err
