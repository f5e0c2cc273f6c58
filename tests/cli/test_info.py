"""`gentool info`: what it says of everything that gentool writes, and of what it has not written."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gentool
from gentool.engine.folder import OPTIONS, OWNER
from gentool.engine.report.content import run_content


def facts(cli: Callable, path: Path | str) -> dict[str, object]:
    in_words = cli("info", path)
    assert in_words.code == 0, in_words.err
    done = cli("info", path, "--json")
    assert done.code == 0, done.err
    record: dict[str, object] = json.loads(done.out)
    return record


def test_a_finished_run(cli: Callable, runs: Path) -> None:
    found, model = facts(cli, runs / "vae"), gentool.load(runs / "vae", device="cpu")
    assert found["kind"] == "run"
    assert (found["model"], found["data"], found["images"], found["status"]) == (
        "vae",
        "digits",
        "8x8 grey",
        "finished",
    )
    assert found["updates"] == found["total_updates"]
    assert found["parameters"] == model.parameters
    assert found["weights"] == model.weights_digest
    last = found["last_epoch"]
    assert isinstance(last, dict)
    assert last["loss"] == model.history["loss"][-1]
    said = cli("info", runs / "vae").out
    options = next(line for line in said.splitlines() if line.startswith("options"))
    assert "latent dim 4" in options
    assert "schedule" not in options  # the default


def test_what_gentool_chose_for_the_data_is_not_listed_as_given(cli: Callable) -> None:
    words = ("--steps", 2, "--width", 16, "--latent-dim", 4, "--quiet", "--out", "run")
    assert cli("train", "gan", "--data", "faces", *words).code == 0
    options = next(line for line in cli("info", "run").out.splitlines() if line.startswith("options"))
    assert options.split(None, 1)[1] == "steps 2, latent dim 4, width 16"
    assert set(facts(cli, "run")["given"]) == {"width", "latent_dim", "steps"}
    words = cli("info", "run/model.pt").out.splitlines()
    assert next(line for line in words if line.startswith("options")).split(None, 1)[1] == options.split(None, 1)[1]
    assert len(facts(cli, "run")["options"]) > 20


def test_batch_norms_statistics_are_no_parameters(cli: Callable, tmp_path: Path) -> None:
    model = gentool.train("gan", "digits", steps=2, norm="batch", width=16, latent_dim=4, out=tmp_path / "run")
    assert facts(cli, tmp_path / "run" / "model.pt")["parameters"] == model.parameters


def test_a_run_that_has_just_begun(cli: Callable, runs: Path) -> None:
    Path("run").mkdir()
    shutil.copy(runs / "vae" / OPTIONS, "run")
    found = facts(cli, "run")
    assert (found["status"], found["epochs"], found["updates"], found["states"]) == ("not finished", 0, 0, [])
    assert found["model"] == "vae"


def test_an_autoencoders_statistics_are_no_parameters(cli: Callable, tmp_path: Path) -> None:
    gentool.train("cae", "digits", steps=2, channels=(4, 8), out=tmp_path / "run")
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert facts(cli, tmp_path / "run")["parameters"] == environment["parameters"]


def test_files_of_a_run(cli: Callable, runs: Path) -> None:
    assert facts(cli, runs / "gan" / "model.pt")["model"] == "gan"
    state = max((runs / "gan").glob("state-*.pt"))
    assert facts(cli, state)["updates"] == int(state.stem.split("-")[1])


def test_results_and_codes(cli: Callable, runs: Path) -> None:
    assert cli("embed", "vae", runs / "vae", "--out", "e").code == 0
    assert facts(cli, "e")["kind"] == "results of embed"
    codes = facts(cli, "e/latents.npz")
    assert codes["arrays"] == {"z": "1797x4 float32", "labels": "1797 int64"}
    assert cli("sample", runs / "vae", "--each", "--out", "s.png").code == 0
    assert facts(cli, "s")["kind"] == "results of sample"


def test_a_sweep(cli: Callable) -> None:
    words = ("--max-operand", 9, "--hidden", 8, "--steps", 2, "--repeats", 2, "--device", "cpu", "--out", "sweep")
    assert cli("seq2seq", "sweep", "text2text", *words).code == 0
    found = facts(cli, "sweep")
    assert (found["kind"], found["task"], found["runs"], found["repeats"]) == ("sweep", "text2text", 2, 2)


def test_a_data_set(cli: Callable) -> None:
    assert cli("prepare", "digits", "--out", "set").code == 0
    found = facts(cli, "set")
    assert (found["kind"], found["count"], found["splits"]) == (
        "data set", 1797, {"train": 1527, "validation": 90, "test": 180},
    )  # fmt: skip
    assert found["fingerprint"] == gentool.load_data("set").fingerprint
    images = np.load("set/images.npy")
    images[0] += 1
    np.save("set/images.npy", images)
    done = cli("info", "set")
    assert (done.code, "the fingerprint differs" in done.err) == (3, True), done.err


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("nowhere", 3, "nowhere: no such file or folder"),
        ("mine", 3, "mine: not a run, a checkpoint, a prepared folder, codes (.npz) or results from gentool"),
        ("a.txt", 3, "a.txt: not a run, a checkpoint, a prepared folder, codes (.npz) or results from gentool"),
        ("a.pt", 4, "a.pt: not a readable checkpoint (damaged, or another tool's)"),
        ("a.npz", 3, "a.npz: "),
    ],
)
def test_what_gentool_has_not_written(cli: Callable, path: str, code: int, message: str) -> None:
    Path("mine").mkdir()
    for name in ("a.txt", "a.pt", "a.npz"):
        Path(name).write_text("hello")
    done = cli("info", path)
    assert done.code == code
    assert done.err.startswith(f"gentool: {message}")
    assert done.err.count("\n") == 1


def test_a_run_that_another_process_trains(cli: Callable, runs: Path) -> None:
    """By what its owner notes; a note of a process that was killed means nothing."""
    Path("run").mkdir()
    shutil.copy(runs / "vae" / OPTIONS, "run")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = f"process {process.pid} on {platform.node()}"
        Path("run", OWNER).write_text(owner)
        assert facts(cli, "run")["status"] == f"training: {owner}"
        assert state_of(Path("run")) == f"in training, 0% done: {owner}"
        process.communicate(b"\n")
    assert facts(cli, "run")["status"] == "not finished"
    assert state_of(Path("run")) == "not finished, 0% done: run the same command again to continue"
    Path("run", OWNER).write_text("process 1 on another machine")
    assert facts(cli, "run")["status"] == "training: process 1 on another machine"


def state_of(folder: Path) -> str:
    """What a report says of a run."""
    return str(run_content(folder)["state"])
