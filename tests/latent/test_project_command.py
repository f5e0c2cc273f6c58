"""`gentool project` through the command line."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentool.data.load import load_data
from gentool.latent.model import Model

FAST = ["--steps", 40, "--restarts", 2]


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_own_samples_come_back(cli: Callable, runs: Path) -> None:
    assert cli("sample", "gan", runs / "gan", "-n", 3, "--seed", 4, "--each", "--out", "s.png").code == 0
    files = sorted(Path("s").glob("*.png"))
    done = cli("project", "gan", runs / "gan", *files, *FAST, "--gif", "--out", "p.png")
    assert done.code == 0, done.err
    assert done.out == "p.png\n"
    assert "p.png (p.csv, p.npz, p.gif): 3 projections, PSNR " in done.err
    rows = table("p.csv")
    assert list(rows[0]) == ["picture", "mse", "psnr", "restart", "seconds"]
    assert [row["picture"] for row in rows] == [str(file) for file in files]
    assert all(float(row["psnr"]) > 35 for row in rows)
    assert all(float(row["psnr"]) == pytest.approx(min(100, -10 * np.log10(float(row["mse"])))) for row in rows)
    with np.load("p.npz") as latents:
        assert list(latents) == ["z", "weights"]
        z = torch.from_numpy(latents["z"])
    x = Model.load(runs / "gan", device="cpu").decode(z)
    with Image.open("p.png") as picture, Image.open("p.gif") as film:
        pixels = np.asarray(picture)
        assert film.size == picture.size
        assert film.n_frames > 10  # type: ignore[attr-defined]
    assert pixels.shape[0] == 2 * 66 + 2
    shown = pixels[68:132:8, -200 + 2 : -200 + 66 : 8]
    assert np.array_equal(shown, (x[0, 0] * 255).round().numpy().astype(np.uint8))
    assert np.abs(pixels[2:66].astype(int) - pixels[68:132])[:, -200:].max() <= 12
    assert cli("project", "gan", runs / "gan", *files, *FAST, "--out", "q.png").code == 0
    assert Path("q.npz").read_bytes() == Path("p.npz").read_bytes()
    walked = cli("interpolate", "gan", runs / "gan", "--latents", "p.npz", "--out", "walk.png")
    assert walked.code == 0, walked.err


def test_images_of_a_set_and_labels(cli: Callable, runs: Path) -> None:
    arguments = ["--index", "0,1796,0", *FAST, "--out", "p.png", "--json"]
    done = cli("project", "cgan", runs / "cgan", *arguments)
    assert done.code == 0, done.err
    assert "10 classes are tried for 10 steps; the best 3 of each image go on for 40" in done.err
    record = json.loads(done.out)
    assert (record["images"], record["table"], record["latents"]) == (3, "p.csv", "p.npz")
    rows = table("p.csv")
    assert [row["picture"] for row in rows] == ["digits 0", "digits 1796", "digits 0"]
    with np.load("p.npz") as latents:
        assert latents["labels"].tolist() == [int(row["label"]) for row in rows]
        assert latents["z"].shape == (3, 8)
        assert np.allclose(latents["z"][0], latents["z"][2], atol=1e-3)
    target = np.asarray(Image.open("p.png"))[2:66:8, -200 + 2 : -200 + 66 : 8]
    assert np.array_equal(target, load_data("digits").train.images[0, 0].numpy())
    few = cli("project", "cgan", runs / "cgan", "--index", "5", "--labels", "7,2", *FAST, "--out", "f.png")
    assert "searching the classes 2, 7" in few.err
    assert table("f.csv")[0]["label"] in ("2", "7")


def test_the_earlier_name_of_the_weight_is_accepted(cli: Callable, runs: Path) -> None:
    project = ["project", "gan", runs / "gan", "--index", "5", *FAST]
    for name, arguments in {"new": ["--prior-weight", 0.1], "old": ["--prior", 0.1], "none": []}.items():
        assert cli(*project, *arguments, "--out", f"{name}.png").code == 0
    assert Path("old.npz").read_bytes() == Path("new.npz").read_bytes() != Path("none.npz").read_bytes()


def test_many_pictures_go_on_below(cli: Callable, runs: Path) -> None:
    index = ",".join(map(str, range(13)))
    done = cli("project", "vae", runs / "vae", "--index", index, "--steps", 1, "--restarts", 1)
    assert done.code == 0, done.err
    assert done.out.strip() == str(runs / "vae" / "model-projections.png")
    with Image.open(done.out.strip()) as picture:
        assert picture.size[1] == 4 * 66 + 2
    assert len(table(str(runs / "vae" / "model-projections.csv"))) == 13


def test_another_shape_is_fitted_with_a_notice(cli: Callable, runs: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)).save("ä b.png")
    done = cli("project", "cae", runs / "cae", "ä b.png", *FAST, "--out", "p.png")
    assert done.code == 0, done.err
    assert "ä b.png: 30x20 colour, resized to the model's 8x8 grey" in done.err
    assert table("p.csv")[0]["picture"] == "ä b.png"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gan", "{runs}/gan"], 2, "nothing to project: give picture files, or --index 3,17 with --data"),
        (["gan", "{runs}/gan", "--data", "digits"], 2, "nothing to project"),
        (["gan", "{runs}/gan", "a.png", "--index", "1"], 2, "give picture files, or --index with --data; not both"),
        (["gan", "{runs}/gan", "absent.png"], 3, "absent.png: no such picture"),
        (["gan", "{runs}/gan", "text.png"], 3, "text.png: not a readable picture"),
        (["gan", "{runs}/gan", "--index", "1797"], 2, "--index: 1797 is out of range; digits has images 0 to 1796"),
        (
            ["gan", "{runs}/gan", "--index", "1,x"],
            2,
            "expected comma-separated whole numbers or ranges, such as 3,17,40-49",
        ),
        (
            ["gan", "{runs}/gan", "--index", "1", "--labels", "1"],
            2,
            "a gan is not conditional (conditional models: cvae, cgan and flow)",
        ),
        (["cgan", "{runs}/cgan", "--index", "1", "--labels", "11"], 2, "no class '11'"),
        (["gan", "{runs}/gan", "--index", "1", "--steps", "0"], 2, "--steps"),
        (["gan", "{runs}/gan", "--index", "1", "--restarts", "257"], 2, "--restarts"),
        (
            ["gan", "{runs}/gan", "--index", "1", "--out", "p.npz"],
            2,
            "--out p.npz: give a name that ends in .png",
        ),
        (["gan", "{runs}/gan", "--index", "1", "--out", "text.png"], 2, "exists; give --overwrite"),
        (["vae", "{runs}/gan", "--index", "1"], 4, "holds a gan, not a vae"),
        (["gan", "{runs}/gan", "--index", "1", "--data", "digts"], 3, "Did you mean 'digits'?"),
    ],
)
def test_bad_input_is_one_clear_line(cli: Callable, runs: Path, arguments: list[str], code: int, message: str) -> None:
    Path("text.png").write_text("hello", encoding="utf-8")
    refused = cli("project", *[word.format(runs=runs) for word in arguments])
    assert refused.code == code, refused.err
    assert message in refused.err
    assert refused.err.count("\n") == 1
    assert refused.out == ""
    assert [path.name for path in Path().iterdir()] == ["text.png"]
