"""Changed bits and cut files: found, made good, or of no effect; never silently wrong.

In short form in the default run; `pytest -m attack` tries many places of every file.
"""

import hashlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gentool.engine import checkpoint
from tests.attack.content import content_of
from tests.attack.kills import gentool, in_child
from tests.conftest import TINY

MANY = 60
"""Damages of each file in the long form."""
EXIT_CODES = (2, 3, 4)
Record = Callable[[str, object], None]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def damages(path: Path, count: int) -> Iterator[tuple[str, bytes]]:
    """What was done, and the damaged content: flipped bits at random places, and every fourth time a cut."""
    whole = path.read_bytes()
    chance = random.Random(path.name)
    for number in range(count):
        place = chance.randrange(len(whole))
        if number % 4 == 1:
            yield f"{path.name} cut after {place}", whole[:place]
        else:
            bit = chance.randrange(8)
            flipped = bytes([whole[place] ^ 1 << bit])
            yield f"{path.name} bit {bit} of byte {place}", whole[:place] + flipped + whole[place + 1 :]


def vouched(folder: Path) -> dict[str, Any]:
    """What a run came to: its model, its newest state, its options, rows and result."""
    newest = max(folder.glob("state-*.pt"))
    state = checkpoint.load(newest, "state")[1]
    return {
        "model": checkpoint.digest(checkpoint.load(folder / "model.pt", "model")[1]),
        "state": (newest.name, checkpoint.digest([state["parts"], state["model"]])),
        **{name: content_of(folder / name) for name in ("metrics.csv", "result.json", "options.json")},
    }


class Attack:
    """A command that is run on damaged files: each time with a fresh copy of the folder `before`."""

    def __init__(
        self, scratch: Path, before: Path, words: Callable[[Path], list[object]], found: Callable[[Path], Any]
    ):
        self.scratch, self.before, self.words, self.found = scratch, before, words, found
        self.place = scratch / "place"
        self.wrong: list[str] = []
        self.refused = self.equal = 0
        assert self.run() == 0, self.log.read_text()
        self.expected = found(self.place)

    @property
    def log(self) -> Path:
        return self.scratch / "log.txt"

    def run(self, name: str = "", damaged: bytes = b"") -> int:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.before, self.place)
        if name:
            (self.place / name).write_bytes(damaged)
        return in_child(lambda: gentool(*self.words(self.place)), self.log)

    def damage(self, name: str, count: int) -> None:
        for what, damaged in damages(self.before / name, count):
            code, text = self.run(name, damaged), self.log.read_text(errors="replace")
            lines = [line for line in text.splitlines() if line.startswith("gentool: ")]
            if code == 0 and self.found(self.place) == self.expected:
                self.equal += 1
            elif code in EXIT_CODES and len(lines) == 1 and "unexpected" not in text and "Traceback" not in text:
                self.refused += 1
            else:
                self.wrong.append(f"{what}: {code} {text[-300:]}")

    def report(self, record_property: Record) -> None:
        record_property("damages refused", self.refused)
        record_property("damages made good or of no effect", self.equal)
        record_property("damages that went wrong", len(self.wrong))
        assert not self.wrong, "\n".join(self.wrong[:10])


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def number(request: pytest.FixtureRequest, short: int) -> int:
    return MANY if request.config.getoption("markexpr") == "attack" else short


def chosen(request: pytest.FixtureRequest, names: list[str], short: tuple[str, ...]) -> list[str]:
    """All files with `-m attack`, else some."""
    return names if request.config.getoption("markexpr") == "attack" else [name for name in names if name in short]


TRAIN = ["train", "vae", "--data", "digits", "--batch-size", 256, *TINY["vae"]]
both = pytest.mark.parametrize("form", ["short", pytest.param("long", marks=pytest.mark.attack)])


@both
@pytest.mark.parametrize("stopped", [False, True])
def test_a_run(
    form: str, stopped: bool, request: pytest.FixtureRequest, record_property: Record, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    epochs = (2, 3) if stopped else (2, 2)
    assert in_child(lambda: gentool(*TRAIN, "--schedule", "constant", "--epochs", epochs[0], "--out", before)) == 0
    (before / "log.txt").write_text("")

    def words(place: Path) -> list[object]:
        return [*TRAIN, "--schedule", "constant", "--epochs", epochs[1], "--out", place]

    attack = Attack(tmp_path, before, words, vouched)
    newest = max(before.glob("state-*.pt")).name
    for name in chosen(request, files(before), ("metrics.csv", "options.json", "model.pt", newest)):
        if (before / name).stat().st_size:
            attack.damage(name, number(request, 2))
    attack.report(record_property)


@both
def test_a_prepared_set(form: str, request: pytest.FixtureRequest, record_property: Record, tmp_path: Path) -> None:
    before, run = tmp_path / "before", tmp_path / "run"
    assert in_child(lambda: gentool("prepare", "digits", "--out", before)) == 0

    def words(place: Path) -> list[object]:
        shutil.rmtree(run, ignore_errors=True)
        return ["train", "vae", "--data", place, "--steps", 3, *TINY["vae"], "--out", run]

    attack = Attack(tmp_path, before, words, lambda place: vouched(run))
    for name in chosen(request, files(before), ("labels.npy", "order.npy", "dataset.json")):
        attack.damage(name, number(request, 2))
    attack.report(record_property)


@both
def test_a_model(
    form: str, request: pytest.FixtureRequest, runs: Path, record_property: Record, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    shutil.copy(runs / "vae" / "model.pt", before)
    mixture = ["--prior", "gmm", "--components", 3]
    assert in_child(lambda: gentool("sample", "vae", before / "model.pt", *mixture, "--quiet")) == 0
    kept = [name for name in files(before) if name.endswith(".npz")]
    (before / "model-samples-gmm-0.png").unlink()

    def words(place: Path) -> list[object]:
        return ["sample", "vae", place / "model.pt", "--prior", "gmm", "--components", 3, "--out", place / "out.png"]

    attack = Attack(tmp_path, before, words, lambda place: hashlib.sha256((place / "out.png").read_bytes()).hexdigest())
    for name in ["model.pt", *kept]:
        attack.damage(name, number(request, 3))
    attack.report(record_property)


@pytest.mark.attack
def test_the_cache(runs: Path, record_property: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, place = tmp_path / "before", tmp_path / "place"
    scores = tmp_path / "scores"
    words = ["evaluate", "vae", runs / "vae", "--samples", 100, "--bound-images", 10, "--half-samples", 0]
    monkeypatch.setenv("GENTOOL_DATA", str(before))
    assert in_child(lambda: gentool(*words, "--out", scores)) == 0
    monkeypatch.setenv("GENTOOL_DATA", str(place))

    def again(place: Path) -> list[object]:
        shutil.rmtree(scores, ignore_errors=True)
        return [*words, "--out", scores]

    attack = Attack(tmp_path, before, again, lambda place: (scores / "evaluation.csv").read_text())
    for name in files(before):
        attack.damage(name, 20)
    attack.report(record_property)
