"""`gentool epochs`: which pictures it takes, their order, and the notice about an epoch without one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gentool.engine.folder import OPTIONS
from gentool.figures.grids import GAP, HEADING, captioned_rows


def pixels(path: Path | str) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture
def run(runs: Path) -> Path:
    """A run with one-coloured pictures of the epochs 1, 4 and 9, whose grey is ten times the epoch."""
    folder = Path("run")
    (folder / "samples").mkdir(parents=True)
    shutil.copy(runs / "vae" / OPTIONS, folder)
    for epoch in (1, 4, 9):
        Image.new("L", (100, 50), 10 * epoch).save(folder / "samples" / f"epoch-{epoch:04d}.png")
    return folder


def shown(path: str, rows: int = 1, count: int = 3) -> list[list[int]]:
    """The greys in the middle of the pictures."""
    found = pixels(path)
    right = found.shape[1]
    lefts = [right - (count - place) * (100 + GAP) + GAP for place in range(count)]
    return [
        [int(found[row * (HEADING + 50) + HEADING + 25, left + 50, 0]) for left in lefts] for row in range(rows)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("epochs", "greys", "said"),
    [
        ([], [10, 40, 90], ""),
        (["--epochs", "1,4,9"], [10, 40, 90], ""),
        (["--epochs", "9,1"], [90, 10], ""),
        (["--epochs", "2,7,50"], [10, 90], "run: no picture of epoch 2, 7, 50; the nearest is shown"),
    ],
)
def test_the_epochs_that_are_asked_for(
    cli: Callable, run: Path, epochs: list[str], greys: list[int], said: str
) -> None:
    done = cli("epochs", run, *epochs)
    assert done.code == 0, done.err
    assert done.out == "run/epochs.png\n"
    assert shown("run/epochs.png", count=len(greys)) == [greys]
    assert said in done.err
    assert bool(said) == ("nearest" in done.err)


def test_runs_below_each_other(cli: Callable, run: Path) -> None:
    shutil.copytree(run, "other")
    Image.new("L", (100, 50), 200).save("other/samples/epoch-0009.png")
    done = cli("epochs", run, "other", "--out", "both.png")
    assert done.code == 0, done.err
    assert shown("both.png", rows=2) == [[10, 40, 90], [10, 40, 200]]
    assert cli("epochs", run, "other", "--out", "both.png").code == 2
    assert cli("epochs", run, "other", "--out", "both.png", "--overwrite").code == 0


def test_rows_of_runs_with_one_name_are_told_apart(cli: Callable, run: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(run, f"{name}/run")
    assert cli("epochs", "a/run", "b/run", "--out", "both.png").code == 0
    both = pixels("both.png")
    left = both.shape[1] - 3 * (100 + GAP)
    first, second = (both[row * (HEADING + 50) + HEADING :][:50, :left] for row in range(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nowhere"], 4, "nowhere: not the folder of a run: there is no nowhere/options.json"),
        (["run", "--kind", "reconstructions"], 3, "run: has no reconstructions; train with --sample-every 1"),
        (["run", "--epochs", "0"], 2, "--epochs: '0': expected comma-separated positive whole numbers"),
        (["run", "--epochs", ",".join(map(str, range(1, 30)))], 2, "--epochs: 29 pictures are too many for one row"),
        (["run", "--out", "a.jpg"], 2, "--out a.jpg: give a name that ends in .png"),
    ],
)
def test_mistakes(cli: Callable, run: Path, words: list[str], code: int, message: str) -> None:
    done = cli("epochs", *words)
    assert (done.code, message in done.err) == (code, True), done.err


def test_a_damaged_picture_is_named(cli: Callable, run: Path) -> None:
    (run / "samples" / "epoch-0004.png").write_text("no picture")
    done = cli("epochs", run)
    assert (done.code, "run/samples/epoch-0004.png: cannot be shown" in done.err) == (4, True), done.err


def test_real_runs_of_any_model(cli: Callable, runs: Path) -> None:
    done = cli("epochs", runs / "cgan", runs / "cae" / "model.pt", "--out", "all.png")
    assert done.code == 0, done.err
    assert pixels("all.png").shape[0] > 300


def test_rows_need_a_name_each() -> None:
    with pytest.raises(ValueError, match="1 rows of pictures with 2 names"):
        captioned_rows([{"a": np.zeros((8, 8), np.uint8)}], ["x", "y"])
