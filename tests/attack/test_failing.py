"""Whatever write fails, a command says so in one line, leaves nothing half-made, and goes on afterwards.

In short form in the default run; `pytest -m attack` lets many more writes of every command fail.
"""

import errno
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.attack.failing import FAILURES, built, outcomes
from tests.conftest import TINY

KILLED = tuple(name for name in FAILURES if name.startswith("killed"))
REFUSED = tuple(name for name in FAILURES if name not in KILLED)
Record = Callable[[str, object], None]
SEQ2SEQ = ["--max-operand", 9, "--embedding", 8, "--hidden", 16]
TRAININGS: dict[str, list[object]] = {
    **{
        name: ["train", name, "--data", "digits", "--batch-size", 256, "--epochs", 2, "--gif", *options]
        for name, options in (TINY | {"vae": [*TINY["vae"], "--keep", "best"]}).items()
    },
    "text2text": ["seq2seq", "train", "text2text", *SEQ2SEQ, "--epochs", 2],
    "text2image": ["seq2seq", "train", "text2image", *SEQ2SEQ, "--digits", "digits", "--epochs", 2],
    "sweep": ["seq2seq", "sweep", "text2text", *SEQ2SEQ[:-2], "--hidden", "8,16", "--epochs", 1],
    "prepare": ["prepare", "digits", "--validation", 0.2],
}
COMPARISON = ["compare", "--train", "cae,vae", "--data", "digits", "--budget", "1s"]
BESIDE_A_RUN: dict[str, tuple[str, list[object]]] = {
    "sample": ("vae", []),
    "sample --each": ("gan", ["--count", 5]),
    "sample --prior gmm": ("vae", []),
    "reconstruct": ("vae", []),
    "interpolate --gif": ("vae", []),
    "project": ("gan", ["--index", "0,1", "--steps", 5, "--restarts", 1]),
    "epochs": ("vae", ["--epochs", "1"]),
    "report": ("vae", []),
    "report of two runs": ("gan", ["{runs}/vae", "--out", "{place}/comparison.html", "--overwrite"]),
    "explore": ("vae", ["--out", "{place}/page.html", "--overwrite"]),
    "export": ("vae", ["--hub-folder", "{place}/hub"]),
    "embed": ("vae", ["--method", "pca", "--gmm", "2,3", "--data", "{runs}/few"]),
    "embed --format pdf": ("vae", ["--method", "pca", "--data", "{runs}/few"]),
    "evaluate": ("vae", ["--bound-images", 10, "--half-samples", 10, "--data", "{runs}/few"]),
    "seq2seq evaluate": ("text2text", []),
    "seq2seq solve": ("text2image", ["3+4", "2+2"]),
}
"""Command to the model of the run, and more options."""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = built(tmp_path_factory.mktemp("library"))
    if found is None:
        pytest.skip("needs Linux and a C compiler")
    return found


def check(
    library: Path,
    words: list[object],
    folder: Path,
    before: Path | None,
    every: int,
    failures: tuple[str, ...],
    record_property: Record,
) -> None:
    job = {
        "words": [str(word) for word in words],
        "folder": str(folder),
        "before": str(before) if before else None,
        "failures": failures,
        "step": every,
    }
    counts: Counter[str] = Counter()
    for outcome in outcomes(library, job, folder.parent):
        counts["kills at writes" if outcome["failure"].startswith("killed") else "failed writes"] += 1
        what = f"{outcome['failure']} at write {outcome['at']} of {outcome['of']}: {outcome['text']}"
        if outcome["failure"].startswith("killed"):
            assert outcome["code"] in (-signal.SIGKILL, 1), what  # 1: a process of a sweep was killed
        elif outcome["code"]:
            assert outcome["code"] == 1, what
            errors = [line for line in outcome["text"].splitlines() if line.startswith("gentool: ")]
            assert len(errors) == 1, what
            assert str(folder) in errors[0], what
            assert "unexpected" not in errors[0], what
        else:
            assert outcome["at_once"], what
        assert "Traceback" not in outcome["text"], what
        assert not outcome["left"] or outcome["failure"].startswith("killed"), what
        # A comparison that has succeeded all the same, because the folder was there already, exists.
        assert outcome["again"] == 0 or (outcome["again"], outcome["code"]) == (2, 0), what
        assert not outcome["differing"], what
    assert counts
    for kind, count in counts.items():
        record_property(kind, count)


@pytest.mark.parametrize(
    ("name", "every", "failures"), [("vae", 160, ("full", "torn")), ("prepare", 13, ("full", "io"))]
)
def test_a_few_failing_writes(
    name: str, every: int, failures: tuple[str, ...], library: Path, record_property: Record, tmp_path: Path
) -> None:
    check(
        library,
        [*TRAININGS[name], "--out", tmp_path / "place"],
        tmp_path / "place",
        None,
        every,
        failures,
        record_property,
    )


@pytest.fixture(scope="session")
def all_runs(runs: Path) -> Path:
    """Tiny trained models of each kind, two networks that do arithmetic, and 120 digits to look at them with."""
    from gentool.cli.app import run

    digits = load_digits()
    np.savez(runs / "few.npz", images=np.uint8(digits.images[:120] * 15), labels=digits.target[:120])
    assert run(["prepare", str(runs / "few.npz"), "--test", "0.25", "--quiet", "--out", str(runs / "few")]) == 0
    for task in ("text2text", "text2image"):
        assert run([str(word) for word in [*TRAININGS[task], "--quiet", "--out", runs / task]]) == 0
    return runs


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The folder of a comparison whose trainings have their lengths, but have not begun."""
    from gentool.cli.app import run

    folder = tmp_path_factory.mktemp("planned") / "place"
    assert run([str(word) for word in [*COMPARISON, "--plan", "--quiet", "--out", folder]]) == 0
    return folder


@pytest.mark.attack
@pytest.mark.parametrize("failures", [REFUSED, KILLED], ids=["failing", "kills"])
@pytest.mark.parametrize("name", TRAININGS)
def test_writes(name: str, failures: tuple[str, ...], library: Path, record_property: Record, tmp_path: Path) -> None:
    words = [*TRAININGS[name], "--out", tmp_path / "place"]
    check(library, words, tmp_path / "place", None, 1, failures, record_property)


@pytest.mark.attack
@pytest.mark.parametrize("name", BESIDE_A_RUN)
def test_writes_beside_a_run(name: str, library: Path, all_runs: Path, record_property: Record, tmp_path: Path) -> None:
    model, more = BESIDE_A_RUN[name]
    place = tmp_path / "place"
    words = name.removesuffix(" of two runs").split(" --", 1)
    options = [f"--{option}" for option in words[1:]]
    values = [str(word).format(place=place, runs=all_runs) for word in more]
    command = [*words[0].split(), place, *" ".join(options).split(), *values]
    check(library, command, place, all_runs / model, 1, tuple(FAILURES), record_property)


@pytest.mark.attack
def test_writes_of_a_comparison(library: Path, all_runs: Path, record_property: Record, tmp_path: Path) -> None:
    words = ["compare", all_runs / "vae", all_runs / "gan", "--data", all_runs / "few", "--out", tmp_path / "place"]
    check(library, words, tmp_path / "place", None, 1, tuple(FAILURES), record_property)


@pytest.mark.attack
def test_writes_of_a_comparison_that_trains(
    library: Path, planned: Path, record_property: Record, tmp_path: Path
) -> None:
    """Every 23rd write: they are those of trainings and of evaluations, which the other tests let fail one by one."""
    words = [*COMPARISON, "--out", tmp_path / "place"]
    check(library, words, tmp_path / "place", planned, 23, tuple(FAILURES), record_property)


def test_a_disk_without_room_for_mapped_rows(
    own_cache: Path, cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files").mkdir()
    for number in range(12):
        Image.new("L", (8, 8), number).save(tmp_path / "files" / f"{number}.png")

    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gentool.data.store.IN_MEMORY", 0)  # as a set above 1 GiB
    monkeypatch.setattr(os, "posix_fallocate", full)
    done = cli("prepare", tmp_path / "files")
    assert done.code == 1
    assert "gentool: cannot write" in done.err
    assert "No space left on device" in done.err
    assert not [path for path in own_cache.rglob("*") if path.is_file()]
