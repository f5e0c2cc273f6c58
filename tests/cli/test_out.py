"""`--out` and what is written beside it: nothing that exists is replaced without --overwrite, and then nothing is
written at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

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


def test_a_folder_of_single_samples_is_kept(cli: Callable, runs: Path) -> None:
    Path("o").mkdir()
    Path("o/00001.png").write_bytes(MINE)
    words = ["sample", "gan", runs / "gan", "-n", 3, "--each", "--out", "o.png"]
    refused = cli(*words)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == "gentool: --out o.png: o beside it exists; give --overwrite to replace it\n"
    assert files(Path()) == {"o": None, "o/00001.png": MINE}
    assert cli(*words, "--overwrite").code == 0
    assert sorted(path.name for path in Path("o").iterdir()) == ["00000.png", "00001.png", "00002.png"]
    assert Path("o/00001.png").read_bytes() != MINE


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
    else:
        target.mkdir()
        (target / "thesis.txt").write_bytes(MINE)
    before, trained = files(Path()), files(runs)
    refused = cli(*command(words, runs))
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.splitlines()[-1] == f"gentool: --out {target}: exists; give --overwrite to replace it"
    assert files(Path()) == before
    assert files(runs) == trained


@pytest.mark.parametrize("name", ["{runs}/gan/model.pt", "o.jpg", "o.csv"])
def test_a_picture_is_a_png(cli: Callable, runs: Path, name: str) -> None:
    before = files(runs)
    target = name.format(runs=runs)
    refused = cli("sample", "gan", runs / "gan", "--out", target, "--overwrite")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.splitlines()[-1] == f"gentool: --out {target}: give the picture a name that ends in .png"
    assert files(runs) == before
    assert files(Path()) == {}


def test_a_picture_is_no_folder_and_a_folder_no_picture(cli: Callable, runs: Path) -> None:
    Path("folder").mkdir()
    Path("file").write_bytes(MINE)
    picture = cli("sample", "gan", runs / "gan", "--out", "folder", "--overwrite")
    assert (picture.code, picture.err.splitlines()[-1]) == (
        2, "gentool: --out folder: is a folder; name the picture's file",
    )  # fmt: skip
    folder = cli("embed", "vae", runs / "vae", "--out", "file", "--overwrite")
    assert (folder.code, folder.err.splitlines()[-1]) == (2, "gentool: --out file: is a file; name a folder")
    assert Path("file").read_bytes() == MINE


def test_an_evaluation_keeps_pictures_of_others(cli: Callable, runs: Path) -> None:
    Path("o").mkdir()
    for name in ("nearest_mine.png", "nearest_inception.png"):
        (Path("o") / name).write_bytes(MINE)
    assert cli("evaluate", "gan", runs / "gan", *SCORES, "--out", "o", "--overwrite").code == 0
    assert (Path("o") / "nearest_mine.png").read_bytes() == MINE
    assert not (Path("o") / "nearest_inception.png").exists(), "of another feature network, from before"
