"""--init: a training that starts from the weights of another run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gentool.engine import checkpoint
from gentool.engine.initial import Initial

VAE = ["--arch", "mlp", "--hidden", "16", "--latent-dim", 4, "--device", "cpu", "--amp", "off"]
GAN = ["--width", 8, "--latent-dim", 4, "--batch-size", 16, "--device", "cpu", "--amp", "off"]


def vae(*words: object) -> list[object]:
    return ["train", "vae", "--data", "digits", *VAE, *words]


def weights(folder: str) -> dict[str, torch.Tensor]:
    return checkpoint.load(Path(folder) / "model.pt", "model")[1]["weights"]


@pytest.fixture
def first(cli: Callable) -> Path:
    done = cli(*vae("--steps", 3, "--out", "first"))
    assert done.code == 0, done.err
    return Path("first")


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize("path", ["first", "first/model.pt"])
def test_the_weights_are_those_of_the_run(cli: Callable, path: str) -> None:
    done = cli(*vae("--steps", 1, "--lr", 1e-8, "--init", path, "--out", "second"))
    assert done.code == 0, done.err
    for name, tensor in weights("first").items():
        torch.testing.assert_close(weights("second")[name], tensor, rtol=0, atol=1e-6)
    (line,) = [line for line in done.err.splitlines() if line.startswith("starting from")]
    assert line.startswith(f"starting from {path}: vae on digits, update 3, weights ")
    header, content = checkpoint.load(Path("second/model.pt"), "model")
    assert content["init"] == line.partition(": ")[2]
    assert header.options["init"] == path
    again = cli(*vae("--steps", 1, "--lr", 1e-8, "--init", Path(path).absolute(), "--out", "second"))
    assert (again.code, "finished already" in again.err) == (0, True)
    facts = json.loads(cli("info", "second", "--json").out)
    assert facts["started_from"] == content["init"]


@pytest.mark.usefixtures("first")
def test_without_it_the_weights_are_random(cli: Callable) -> None:
    assert cli(*vae("--steps", 1, "--lr", 1e-8, "--out", "second")).code == 0
    assert any((weights("first")[name] - tensor).abs().max() > 1e-3 for name, tensor in weights("second").items())
    assert "init" not in checkpoint.load(Path("second/model.pt"), "model")[1]


@pytest.mark.usefixtures("first")
def test_resumed_and_grown_it_is_that_of_one_go(cli: Callable) -> None:
    words = ["--init", "first", "--schedule", "constant"]
    assert cli(*vae(*words, "--steps", 24, "--out", "whole")).code == 0
    assert cli(*vae(*words, "--steps", 12, "--out", "parts")).code == 0
    Path("first/model.pt").unlink()  # what begins again does not need it
    again = cli(*vae(*words, "--steps", 24, "--out", "parts"))
    assert again.code == 0, again.err
    assert "starting from" not in again.err
    assert all(torch.equal(tensor, weights("parts")[name]) for name, tensor in weights("whole").items())
    assert (
        checkpoint.load(Path("parts/model.pt"), "model")[1]["init"]
        == checkpoint.load(Path("whole/model.pt"), "model")[1]["init"]
    )


@pytest.mark.usefixtures("first")
def test_another_start_is_another_run(cli: Callable) -> None:
    assert cli(*vae("--steps", 3, "--out", "second")).code == 0
    refused = cli(*vae("--steps", 3, "--init", "first", "--out", "second"))
    assert refused.code == 2
    assert "second holds another run: --init was not given, is first" in refused.err


def test_what_does_not_fit_is_listed(cli: Callable, first: Path) -> None:
    done = cli("train", "vae", "--data", "faces", *VAE, "--steps", 1, "--lr", 1e-8, "--init", first, "--out", "faces")
    assert done.code == 0, done.err
    (line,) = [line for line in done.err.splitlines() if "start at random" in line]
    assert " of the weights of vae are missing there or have another shape, and start at random: 3 of 8 tensors" in line
    of_both = [name for name, tensor in weights("first").items() if tensor.shape == weights("faces")[name].shape]
    assert len(of_both) == 5
    for name in of_both:
        torch.testing.assert_close(weights("faces")[name], weights("first")[name], rtol=0, atol=1e-6)


def test_a_start_that_fits_nowhere_leaves_the_folder_alone(cli: Callable, first: Path) -> None:
    before = (first / "model.pt").read_bytes()
    assert cli("train", "gan", "--data", "digits", *GAN, "--steps", 1, "--out", "gan").code == 0
    refused = cli(*vae("--steps", 1, "--init", "gan", "--out", "first", "--overwrite"))
    assert refused.code == 2
    assert refused.err.splitlines()[-1].startswith(
        "gentool: --init gan: none of its weights fit; it holds gan on digits"
    )
    assert (first / "model.pt").read_bytes() == before
    wider = cli(
        "train", "gan", "--data", "digits", *GAN[2:], "--width", 64, "--steps", 1, "--init", "gan", "--out", "w"
    )
    assert wider.code == 2, "counters and single numbers fit, and no matrix"
    missing = cli(*vae("--steps", 1, "--init", "nothing", "--out", "first", "--overwrite"))
    assert missing.code == 4
    assert "gentool: --init: nothing: no such checkpoint" in missing.err
    assert (first / "model.pt").read_bytes() == before


@pytest.mark.parametrize("path", ["first", "first/model.pt"])
def test_a_run_does_not_start_from_the_one_that_it_replaces(cli: Callable, first: Path, path: str) -> None:
    before = (first / "model.pt").read_bytes()
    refused = cli(*vae("--steps", 1, "--init", path, "--out", "first", "--overwrite"))
    assert (refused.code, refused.err.splitlines()[-1]) == (
        2, f"gentool: --init {path}: is in the folder of this run, which starts over; give another --out"
    )  # fmt: skip
    assert (first / "model.pt").read_bytes() == before


def test_a_damaged_state_is_passed_over(cli: Callable) -> None:
    words = ["train", "gan", "--data", "digits", *GAN, "--epochs", 2]
    assert cli(*words, "--out", "first").code == 0
    newest = sorted(Path("first").glob("state-*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    done = cli("train", "gan", "--data", "digits", *GAN, "--steps", 1, "--init", "first", "--out", "second")
    assert done.code == 0, done.err
    assert f"{newest}: not a readable checkpoint (damaged, or another tool's); trying the one before it" in done.err


def test_generator_and_discriminator_are_of_one_update(cli: Callable) -> None:
    """A run that is stopped within an epoch has a state that is newer than model.pt."""
    words = ["train", "gan", "--data", "digits", *GAN]
    assert cli(*words, "--epochs", 1, "--out", "first").code == 0
    whole = Path("first/model.pt").read_bytes()
    assert cli(*words, "--epochs", 2, "--out", "first").code == 0
    Path("first/model.pt").write_bytes(whole)
    older, newer = sorted(Path("first").glob("state-*.pt"))
    given = Initial.read(Path("first")).networks["discriminator"]
    for path, same in ((older, True), (newer, False)):
        held = checkpoint.load(path, "state")[1]["parts"]["discriminator"]
        assert all(torch.equal(tensor, held[name]) for name, tensor in given.items()) == same


def test_a_gan_takes_its_discriminator_from_the_state(cli: Callable) -> None:
    assert cli("train", "gan", "--data", "digits", *GAN, "--steps", 5, "--out", "first").code == 0
    (state,) = sorted(Path("first").glob("state-*.pt"))[-1:]
    expected = checkpoint.load(state, "state")[1]["parts"]["discriminator"]
    given = Initial.read(Path("first"))
    assert all(torch.equal(tensor, given.networks["discriminator"][name]) for name, tensor in expected.items())
    words = ["train", "gan", "--data", "digits", *GAN, "--steps", 1, "--lr", 1e-8]
    done = cli(*words, "--init", "first", "--out", "second")
    assert done.code == 0, done.err
    assert "starts at random" not in done.err
    (state,) = Path("second").glob("state-*.pt")
    torch.testing.assert_close(
        checkpoint.load(state, "state")[1]["parts"]["discriminator"], expected, rtol=0, atol=1e-6
    )
    done = cli(*words, "--init", "first/model.pt", "--out", "third")
    assert "no discriminator found there, so it starts at random; a run folder has one" in done.err


def test_the_average_begins_at_these_weights(cli: Callable) -> None:
    words = ["train", "gan", "--data", "digits", *GAN, "--ema", 0.999]
    assert cli(*words, "--steps", 5, "--out", "first").code == 0
    assert cli(*words, "--steps", 1, "--lr", 1e-8, "--init", "first", "--out", "second").code == 0
    for name, tensor in weights("first").items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(weights("second")[name], tensor, rtol=0, atol=1e-6)


def test_seq2seq_starts_from_a_run_too(cli: Callable) -> None:
    words = ["seq2seq", "train", "text2text", "--max-operand", 9, "--hidden", 16, "--embedding", 8, "--device", "cpu"]
    assert cli(*words, "--steps", 3, "--out", "first").code == 0
    done = cli(*words, "--steps", 1, "--lr", 1e-8, "--init", "first", "--out", "second")
    assert done.code == 0, done.err
    torch.testing.assert_close(weights("second"), weights("first"), rtol=0, atol=1e-6)
