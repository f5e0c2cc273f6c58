"""`--out` and what is written beside it: nothing that exists is replaced without --overwrite, and then nothing is
written at all."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.errors import GentoolError

MINE = b"years of work"
PROJECT = ["project", "gan", "{runs}/gan", "--index", "3", "--steps", "2", "--restarts", "1"]
WALK = ["interpolate", "vae", "{runs}/vae", "--rows", "1", "--steps", "3"]
SCORES = ["--samples", "40", "--features", "random"]


def files(folder: Path) -> dict[str, bytes | None]:
    """All that a folder holds; None for folders."""
    return {str(path): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def command(words: list[str], runs: Path) -> list[str]:
    return [word.format(runs=runs) for word in words]


BESIDE = [
    (["reconstruct", "vae", "{runs}/vae", "--out", "o.png"], "o.csv"),
    ([*PROJECT, "--out", "o.png"], "o.csv"),
    ([*PROJECT, "--out", "o.png"], "o.npz"),
    ([*PROJECT, "--out", "o.png", "--gif"], "o.gif"),
    ([*WALK, "--out", "o.png", "--gif", "--frames", "3"], "o.gif"),
    ([*WALK, "--out", "o.gif", "--frames", "3"], "o.png"),
    ([*WALK, "--out", "o.apng", "--frames", "3"], "o.png"),
]


@pytest.mark.parametrize(("words", "name"), BESIDE, ids=lambda value: value if isinstance(value, str) else value[0])
def test_a_file_beside_the_picture_is_kept(cli: Callable, runs: Path, words: list[str], name: str) -> None:
    Path(name).write_bytes(MINE)
    before = files(runs)
    refused = cli(*command(words, runs))
    assert (refused.code, refused.out) == (2, "")
    out = words[words.index("--out") + 1]
    assert refused.err.startswith(f"gentool: --out {out}: {name} beside it exists; give --overwrite to replace ")
    assert refused.err.count("\n") == 1
    assert files(Path()) == {name: MINE}
    assert files(runs) == before
    done = cli(*command(words, runs), "--overwrite")
    assert done.code == 0, done.err
    assert Path(name).read_bytes() != MINE
    assert Path(out).is_file()


@pytest.mark.parametrize(
    ("words", "name"),
    [([*PROJECT, "--out", "o.png"], "o.gif"), ([*WALK, "--out", "o.png"], "o.gif"),
     (["sample", "gan", "{runs}/gan", "--out", "o.png"], "o.csv")],
    ids=["project", "interpolate", "sample"],
)  # fmt: skip
def test_a_file_that_is_not_written_is_no_obstacle(cli: Callable, runs: Path, words: list[str], name: str) -> None:
    Path(name).write_bytes(MINE)
    done = cli(*command(words, runs))
    assert done.code == 0, done.err
    assert Path(name).read_bytes() == MINE


def test_a_folder_of_single_samples_is_replaced_as_a_whole(cli: Callable, runs: Path) -> None:
    words = ["sample", "gan", runs / "gan", "--each", "--out", "o.png"]
    assert cli(*words, "-n", 3).code == 0
    Path("o/mine.png").write_bytes(MINE)
    refused = cli(*words, "-n", 2)
    assert refused.err == "gentool: --out o.png: exists; give --overwrite to replace it\n"
    Path("o.png").unlink()
    refused = cli(*words, "-n", 2)
    assert refused.err == "gentool: --out o.png: o beside it exists; give --overwrite to replace it\n"
    assert cli(*words, "-n", 2, "--overwrite").code == 0
    assert sorted(path.name for path in Path("o").iterdir()) == [".samples.json", "00000.png", "00001.png", "mine.png"]


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "gan", "{runs}/gan", "--out", "o.png"],
        ["reconstruct", "vae", "{runs}/vae", "--out", "o.png"],
        [*PROJECT, "--out", "o.png"],
        [*WALK, "--out", "o.png"],
        [*WALK, "--out", "o.gif"],
        ["embed", "vae", "{runs}/vae", "--out", "o"],
        ["evaluate", "gan", "{runs}/gan", *SCORES, "--out", "o"],
        ["compare", "{runs}/gan", *SCORES, "--out", "o"],
    ],
    ids=lambda words: f"{words[0]} {words[-1]}",
)
def test_what_out_names_is_kept(cli: Callable, runs: Path, words: list[str]) -> None:
    target = Path(words[-1])
    if target.suffix:
        target.write_bytes(MINE)
        message = "exists; give --overwrite to replace it"
    else:
        target.mkdir()
        (target / "mine.txt").write_bytes(MINE)
        message = "not empty, and not written by this command; choose another folder with --out"
    before, trained = files(Path()), files(runs)
    refused = cli(*command(words, runs))
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.splitlines()[-1] == f"gentool: --out {target}: {message}"
    assert files(Path()) == before
    assert files(runs) == trained


@pytest.mark.parametrize("name", ["{runs}/gan/model.pt", "o.jpg", "o.csv"])
def test_a_picture_is_a_png(cli: Callable, runs: Path, name: str) -> None:
    before = files(runs)
    target = name.format(runs=runs)
    refused = cli("sample", "gan", runs / "gan", "--out", target, "--overwrite")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.splitlines()[-1] == f"gentool: --out {target}: give a name that ends in .png"
    assert files(runs) == before
    assert files(Path()) == {}


def test_a_picture_is_no_folder_and_a_folder_no_picture(cli: Callable, runs: Path) -> None:
    Path("folder").mkdir()
    Path("file").write_bytes(MINE)
    picture = cli("sample", "gan", runs / "gan", "--out", "folder", "--overwrite")
    assert (picture.code, picture.err.splitlines()[-1]) == (
        2, "gentool: --out folder: is a folder; give a file name",
    )  # fmt: skip
    folder = cli("embed", "vae", runs / "vae", "--out", "file", "--overwrite")
    assert (folder.code, folder.err.splitlines()[-1]) == (2, "gentool: --out file: is a file; give a folder")
    assert Path("file").read_bytes() == MINE


@pytest.mark.parametrize(
    "words",
    [
        ["embed", "vae", "{runs}/vae", "--out", "o"],
        ["evaluate", "gan", "{runs}/gan", *SCORES, "--out", "o"],
        ["compare", "{runs}/gan", *SCORES, "--out", "o"],
        ["compare", "--train", "vae", *SCORES, "--out", "o"],
        ["sample", "gan", "{runs}/gan", "--each", "--out", "o.png"],
    ],
    ids=" ".join,
)
def test_a_folder_of_others_is_never_written_to(cli: Callable, runs: Path, words: list[str]) -> None:
    Path("o/runs/vae").mkdir(parents=True)
    Path("o/00001.png").write_bytes(MINE)
    Path("o/evaluation.json").write_bytes(b'{"accuracy": 1}')
    before = files(Path())
    for more in ([], ["--overwrite"]):
        refused = cli(*command(words, runs), *more)
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.splitlines()[-1] == (
            "gentool: --out o: not empty, and not written by this command; choose another folder with --out"
        )
        assert files(Path()) == before


def test_results_are_replaced_as_a_whole_and_say_which_weights_they_are_of(cli: Callable, runs: Path) -> None:
    for name in ("evaluate", "compare"):
        arguments = [*(["evaluate", "gan"] if name == "evaluate" else ["compare"]), runs / "gan"]
        assert cli(*arguments, "--samples", 40, "--features", "random,classifier", "--out", name).code == 0
    weights = json.loads(Path("evaluate/evaluation.json").read_text())["weights"]
    (judged,) = json.loads(Path("compare/comparison.json").read_text())["checkpoints"]
    assert judged["weights"] == weights
    assert Path("evaluate/nearest_classifier.png").is_file()
    for path in (Path("evaluate/nearest_mine.png"), Path("compare/mine.txt")):
        path.write_bytes(MINE)
    assert cli("evaluate", "gan", runs / "gan", *SCORES, "--out", "evaluate", "--overwrite").code == 0
    assert {path.name for path in Path("evaluate").glob("nearest*")} == {"nearest_mine.png", "nearest_random.png"}
    assert cli("compare", runs / "vae", *SCORES, "--out", "compare", "--overwrite").code == 0
    assert [path.name for path in Path("compare/evaluations").iterdir()] == ["vae-0"]
    assert Path("compare/mine.txt").read_bytes() == MINE


def test_an_embedding_without_mixtures_keeps_none_of_an_earlier_one(cli: Callable, runs: Path) -> None:
    done = cli("embed", "vae", runs / "vae", "--gmm", 3, "--repeats", 1, "--json", "--out", "o")
    assert all(0 <= row["accuracy"] <= 1 for row in json.loads(done.out)["gmm"])
    assert Path("o/gmm.csv").is_file()
    assert cli("embed", "vae", runs / "vae", "--out", "o", "--overwrite").code == 0
    assert sorted(path.name for path in Path("o").iterdir()) == [
        "embedding.csv", "embedding.png", "latent_card.csv", "latent_card.json", "latents.npz",
    ]  # fmt: skip
    walk = cli("interpolate", "vae", runs / "vae", "--latents", "o/latents.npz", "--steps", 2, "--out", "w.png")
    assert "of other weights" not in walk.err


def test_codes_of_other_weights_are_said(cli: Callable, runs: Path) -> None:
    assert cli(*command(PROJECT, runs), "--index", "3,4", "--out", "o.png").code == 0
    with np.load("o.npz") as arrays:
        np.savez("o.npz", **{**arrays, "weights": np.array("0123")})
    walk = cli("interpolate", "gan", runs / "gan", "--latents", "o.npz", "--steps", 2, "--out", "w.png")
    assert walk.code == 0
    assert f"o.npz: its codes were made with other weights than those in {runs}/gan/model.pt\n" in walk.err


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (["evaluate", "gan", "gan", "--samples", 50, "--half-samples", 0, "--features", "random"], "outlines"),
        (["embed", "vae", "vae"], "scatter"),
        (["sample", "gan", "gan", "--count", 3, "--each"], "save_png"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_a_result_that_was_cut_short_is_made_by_the_same_command(
    cli: Callable, runs: Path, monkeypatch: pytest.MonkeyPatch, words: list[object], last: str
) -> None:
    places = {"evaluate": "gentool.evaluation.evaluation", "embed": "gentool.latent.embedding"}
    place = places.get(str(words[0]), "gentool.cli.commands.sample")
    words = [runs / word if word in ("vae", "gan") and number == 2 else word for number, word in enumerate(words)]
    words += ["--out", "new.png" if words[0] == "sample" else "new"]

    def full(*_: object, **__: object) -> None:
        raise GentoolError("cannot write x: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(f"{place}.{last}", full)
        assert cli(*words).code == 1
    assert Path("new/.unfinished").exists()
    assert cli(*words).code == 0
    assert not Path("new/.unfinished").exists()
    again = cli(*words)
    assert again.code == 2
    assert "exists; give --overwrite to replace it" in again.err


@pytest.mark.parametrize("command", ["sample", "reconstruct", "embed", "evaluate", "interpolate", "project"])
def test_the_models_name_may_be_left_out(cli: Callable, runs: Path, command: str) -> None:
    Image.new("L", (8, 8), 200).save("a.png")
    Image.new("L", (8, 8), 90).save("b.png")
    more: list[object] = {
        "interpolate": ["a.png", "b.png"], "project": ["a.png", "--steps", 5],
        "evaluate": ["--samples", 50, "--half-samples", 0, "--features", "random"],
    }.get(command, [])  # fmt: skip
    outs = []
    for number, words in enumerate([["vae", runs / "vae"], [runs / "vae"], [runs / "vae" / "model.pt"]]):
        out = f"{number}" if command in ("embed", "evaluate") else f"{number}.png"
        done = cli(command, *words, *more, "--out", out)
        assert done.code == 0, done.err
        outs.append(Path(out))
    pictures = [sorted(out.glob("*.png")) if out.is_dir() else [out] for out in outs]
    assert len({tuple(path.read_bytes() for path in some) for some in pictures}) == 1


def test_the_model_of_a_run_that_is_named_like_one(cli: Callable, runs: Path) -> None:
    shutil.copytree(runs / "gan", "vae")
    assert cli("sample", "vae", "--out", "a.png").code == 0
    done = cli("sample", "vae", "vae", "--out", "b.png")
    assert (done.code, "vae/model.pt: holds a gan, not a vae" in done.err) == (4, True), done.err
