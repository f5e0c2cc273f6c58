"""Every model, tiny, through the real command line: what a run leaves, resuming, stopping, diverging."""

import csv
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentool.cli.app import run
from gentool.engine import checkpoint
from gentool.engine.run import Run
from gentool.models import reconstruction

MODELS = ["cae", "vae", "cvae", "lstm-ae", "gan", "cgan", "flow"]
TINY = {
    "cae": ["--channels", "4,8", "--latent-dim", 4, "--ema", 0.9, "--flip", "--zoom", 0.2],
    "vae": ["--channels", "4,8", "--latent-dim", 4, "--kl-warmup", 1],
    "cvae": ["--arch", "mlp", "--hidden", 8, "--latent-dim", 4, "--iwae", 2, "--binarise", "dynamic"],
    "lstm-ae": ["--hidden", 8, "--latent-dim", 4, "--ema", 0.9],
    "gan": ["--width", 16, "--latent-dim", 8, "--r1", 0.1, "--flip"],
    "cgan": ["--width", 16, "--latent-dim", 8, "--augment", "translation"],
    "flow": ["--width", 12, "--ema", 0.9, "--pairing", "ot", "--flip"],
}


def train(model: str, *arguments: object) -> list[object]:
    return ["train", model, "--data", "digits", "--batch-size", 256, "--device", "cpu", *TINY[model], *arguments]


def rows(folder: Path) -> list[dict[str, str]]:
    """metrics.csv without the times."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [
            {k: v for k, v in row.items() if k not in ("images_per_second", "seconds")} for row in csv.DictReader(file)
        ]


def final_state(folder: Path) -> str:
    """A digest of all that training changes: weights, optimizers, averages, scaler."""
    path = max(folder.glob("state-*.pt"))
    content = checkpoint.load(path, "state")[1]
    return checkpoint.digest({key: content[key] for key in ("step", "parts", "scaler", "losses", "rows")})


def final_weights(folder: Path) -> str:
    return checkpoint.digest(checkpoint.load(folder / "model.pt", "model")[1])


@pytest.mark.all_panels
@pytest.mark.parametrize("model", MODELS)
def test_what_a_run_leaves(cli: Callable, model: str) -> None:
    done = cli(*train(model, "--epochs", 3, "--gif"))
    assert done.code == 0, done.err
    folder = Path(f"runs/{model}-digits")
    assert done.out.strip() == str(folder)
    lines = done.err.strip().splitlines()
    assert lines[0] == f"{folder}: training {model} on digits, 1,527 images 8x8 grey"
    assert re.match(r"3 epochs of 5 updates, .*[\d,]+ weights, cpu", lines[1])
    assert max(map(len, lines[:2])) <= 80
    assert re.fullmatch(rf"{folder}: done in \d+ s", lines[-2])
    following = "reconstruct" if model in ("cae", "lstm-ae") else "sample"
    assert lines[-1] == f"Next: gentool {following} {model} {folder}"
    found = rows(folder)
    assert [row["epoch"] for row in found] == ["1", "2", "3"]
    assert [row["step"] for row in found] == ["5", "10", "15"]
    rare = ("r1", "near_copies")  # every 16th update, and every 250
    assert all(value for row in found for name, value in row.items() if name not in rare)
    assert sorted(path.name for path in (folder / "samples").iterdir()) == [f"epoch-000{i}.png" for i in (1, 2, 3)]
    assert (folder / "reconstructions").exists() == (model in ("cae", "vae", "cvae", "lstm-ae"))
    options = json.loads((folder / "options.json").read_text())
    assert options["model"] == model
    assert options["options"]["epochs"] == 3
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["torch"] == torch.__version__.split("+")[0] or environment["torch"] == torch.__version__
    result = json.loads((folder / "result.json").read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    assert result.keys() == {name for name, value in found[-1].items() if value} | result.keys() - found[-1].keys()
    assert result["epoch"] == 3
    with Image.open(folder / "samples.gif") as film:
        assert film.n_frames == 3
    with Image.open(folder / "losses.png") as picture:
        assert picture.convert("L").getextrema() != (255, 255)
    assert not list(folder.glob(".*"))


PALETTE = ("gan", "--colours", 4, "--sharpen", 3)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a training of three epochs that nobody stops, made once."""

    @functools.cache
    def whole(model: str, *more: object) -> Path:
        folder = tmp_path_factory.mktemp("whole") / "run"
        assert run([str(word) for word in train(model, *more, "--epochs", 3, "--out", folder)]) == 0
        return folder

    return whole


@pytest.mark.parametrize(
    "model", [*((name,) for name in MODELS), pytest.param(PALETTE, id="palette")], ids=lambda words: words[0]
)
@pytest.mark.parametrize("stop", [1, 7, 10])
def test_stopped_and_resumed_equals_uninterrupted(
    cli: Callable, model: tuple[object, ...], stop: int, stopping: Callable, uninterrupted: Callable
) -> None:
    whole, words = uninterrupted(*model), train(*model, "--epochs", 3, "--out", "parts")
    with stopping(stop):
        stopped = cli(*words)
    assert stopped.code == 75
    epoch, update = stop // 5 + 1, stop % 5
    assert (
        f"parts: stopped in epoch {epoch} of 3, update {update}; run the same command again to continue\n"
        in stopped.err
    )
    resumed = cli(*words)
    assert resumed.code == 0
    assert f"parts: resuming {model[0]} on digits, 1,527 images 8x8 grey\n" in resumed.err
    assert f"\nat epoch {epoch} of 3, update {update}, " in resumed.err
    assert rows(Path("parts")) == rows(whole)
    assert final_state(Path("parts")) == final_state(whole)
    assert final_weights(Path("parts")) == final_weights(whole)
    pictures = sorted(path.relative_to(whole) for path in whole.rglob("epoch-*.png"))
    assert pictures
    for picture in pictures:
        assert (Path("parts") / picture).read_bytes() == (whole / picture).read_bytes()


def test_a_killed_run_goes_on_from_its_last_state(cli: Callable) -> None:
    assert cli(*train("vae", "--epochs", 4, "--schedule", "constant", "--out", "whole")).code == 0
    assert cli(*train("vae", "--epochs", 2, "--schedule", "constant", "--out", "killed")).code == 0
    with (Path("killed") / "metrics.csv").open("a") as file:
        file.write("3,15,1,2")  # as if the power had gone while a row was being written
    assert cli(*train("vae", "--epochs", 4, "--schedule", "constant", "--out", "killed")).code == 0
    assert rows(Path("killed")) == rows(Path("whole"))
    assert final_weights(Path("killed")) == final_weights(Path("whole"))


def test_a_damaged_newest_state_is_announced_and_the_one_before_taken(cli: Callable) -> None:
    command = train("cae", "--epochs", 2)
    assert cli(*command).code == 0
    folder = Path("runs/cae-digits")
    weights = final_weights(folder)
    states = sorted(folder.glob("state-*.pt"))
    assert [path.name for path in states] == ["state-000000005.pt", "state-000000010.pt"]
    states[1].write_bytes(states[1].read_bytes()[:1000])
    again = cli(*command)
    assert again.code == 0
    assert "state-000000010.pt: not a readable checkpoint" in again.err
    assert final_weights(folder) == weights
    for path in folder.glob("state-*.pt"):
        path.write_bytes(b"")
    broken = cli(*command)
    assert broken.code == 4
    assert "no state can be used; give --overwrite" in broken.err


def test_finished_grown_different_overwritten(cli: Callable) -> None:
    assert cli(*train("vae", "--epochs", 2, "--schedule", "linear")).code == 0
    finished = cli(*train("vae", "--epochs", 2, "--schedule", "linear"), "--json")
    assert finished.code == 0
    assert finished.err.splitlines() == [
        "runs/vae-digits: finished already, 2 epochs of 5 updates; raise --epochs to continue, or give "
        "--overwrite to start again",
        "Next: gentool sample vae runs/vae-digits",
    ]
    result = Path("runs/vae-digits/result.json")
    content = json.loads(result.read_text())
    assert len(content.pop("sha256")) == 64
    assert json.loads(finished.out) == {"event": "done", "run": str(result.parent), **content}
    result.write_text("{")  # damaged: the run ends again
    ended = cli(*train("vae", "--epochs", 2, "--schedule", "linear"))
    assert ended.code == 0
    assert "resuming vae on digits, 1,527 images 8x8 grey\nat its end, " in ended.err
    assert json.loads(result.read_text())["test_negative_elbo"] == content["test_negative_elbo"]
    grown = cli(*train("vae", "--epochs", 4, "--schedule", "linear"))
    assert grown.code == 0
    schedule = "the linear schedule now spans 4 epochs of 5 updates"
    assert f"{schedule}: the learning rate continues at 100% of its peak" in grown.err
    assert [row["epoch"] for row in rows(Path("runs/vae-digits"))] == ["1", "2", "3", "4"]
    other = cli(*train("vae", "--epochs", 3, "--schedule", "cosine", "--seed", 4))
    assert other.code == 2
    assert "--schedule was linear, is cosine; --seed was 0, is 4" in other.err
    assert other.err.endswith("Give --out for a new folder, or --overwrite to replace it\n")
    assert len(rows(Path("runs/vae-digits"))) == 4
    fresh = cli(*train("vae", "--epochs", 1, "--seed", 4, "--overwrite"))
    assert fresh.code == 0
    assert len(rows(Path("runs/vae-digits"))) == 1
    assert len(list(Path("runs/vae-digits/samples").iterdir())) == 1


def test_what_is_missing_from_a_finished_run_is_made(cli: Callable) -> None:
    command = train("vae", "--epochs", 2)
    assert cli(*command).code == 0
    folder = Path("runs/vae-digits")
    weights, result = final_weights(folder), (folder / "result.json").read_text()
    (folder / "result.json").unlink()  # as if the run had been killed after its last epoch
    assert cli(*command).code == 0
    assert (folder / "result.json").read_text() == result
    assert cli(*command, "--gif").code == 0
    assert (folder / "samples.gif").is_file()
    assert (folder / "reconstructions.gif").is_file()
    assert final_weights(folder) == weights
    assert "finished already" in cli(*command, "--gif").err


def test_another_user_s_folder_is_left_alone(cli: Callable) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years of work")
    for more in ([], ["--overwrite"]):
        refused = cli(*train("gan", "--epochs", 1, "--out", "mine", *more))
        assert refused.code == 2
        assert "not empty, and not a gentool run" in refused.err
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("model", MODELS)
def test_divergence_is_caught_at_once_and_the_last_good_state_kept(
    cli: Callable, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, seen = Run.record, []

    def poison(run: Run, terms: dict[str, torch.Tensor]) -> None:
        seen.append(run.step)
        if run.step == 7:
            name = next(iter(terms))
            terms = {**terms, name: terms[name] * float("nan")}
        record(run, terms)

    monkeypatch.setattr(Run, "record", poison)
    broken = cli(*train(model, "--epochs", 3))
    assert broken.code == 5
    assert "became NaN or infinite in epoch 2" in broken.err
    assert "Try a lower --lr" in broken.err
    assert seen[-1] == 7
    folder = Path(f"runs/{model}-digits")
    assert [path.name for path in folder.glob("state-*.pt")] == ["state-000000005.pt"]
    checkpoint.load(folder / "state-000000005.pt", "state")
    assert (folder / "losses.png").is_file()
    page = (folder / "report.html").read_text()
    assert re.search(r'"state": ?"diverged: \w+ became NaN or infinite in epoch 2, update 8; the last good', page)


def test_weights_that_blow_up_are_not_saved(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Run.record

    def poison(run: Run, terms: dict[str, torch.Tensor]) -> None:
        record(run, terms)
        if run.step == 9:  # the last update of an epoch: its loss was still finite
            next(run.parts["vae"].parameters()).data.fill_(float("inf"))

    monkeypatch.setattr(Run, "record", poison)
    broken = cli(*train("vae", "--epochs", 3))
    assert broken.code == 5
    assert "weights became NaN or infinite" in broken.err
    assert [path.name for path in Path("runs/vae-digits").glob("state-*.pt")] == ["state-000000005.pt"]


def test_fp16_resumes_with_its_scaler(cli: Callable, stopping: Callable) -> None:
    command = train("vae", "--epochs", 3, "--amp", "fp16")
    assert cli(*command, "--out", "whole").code == 0
    with stopping(8):
        assert cli(*command, "--out", "parts").code == 75
    state = checkpoint.load(max(Path("parts").glob("state-*.pt")), "state")[1]
    assert state["scaler"]["_growth_tracker"] > 0
    assert cli(*command, "--out", "parts").code == 0
    assert final_state(Path("parts")) == final_state(Path("whole"))


def test_sigterm_to_the_process(tmp_path: Path) -> None:
    arguments = [str(word) for word in train("vae", "--epochs", 5000, "--out", tmp_path / "run")]
    process = subprocess.Popen([sys.executable, "-m", "gentool", *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "model.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT if os.name == "nt" else signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75
    assert err.strip().splitlines()[-1].startswith(f"gentool: {tmp_path / 'run'}: stopped in epoch")
    assert "Traceback" not in err


@pytest.mark.parametrize("model", ["cae", "vae", "cvae"])
def test_the_batch_follows_the_size_of_the_images(cli: Callable, model: str) -> None:
    """128 images, but 32 of 64x64 with convolutions, where more updates learn more in the same time."""
    words = ["train", model, "--steps", 1, "--device", "cpu", "--amp", "off", "--sample-every", 0]
    small, mlp = ["--channels", 4], ["--arch", "mlp", "--hidden", 4]
    for number, (side, network, batch) in enumerate([(32, small, 128), (64, small, 32), (64, mlp, 128)]):
        run = Path(f"run{number}")
        assert cli(*words, "--data", "digits", "--size", side, *network, "--out", run).code == 0
        noted = json.loads((run / "options.json").read_text())
        assert noted["options"]["batch_size"] == batch
        assert "batch_size" not in noted["given"]
    assert cli(*words, "--data", "digits", "--size", 64, *small, "--batch-size", 128, "--out", "given").code == 0
    noted = json.loads(Path("given/options.json").read_text())
    assert noted["options"]["batch_size"] == 128
    assert "batch_size" in noted["given"]


def test_steps_instead_of_epochs_and_a_part_of_an_epoch(cli: Callable) -> None:
    assert cli(*train("cae", "--steps", 7)).code == 0
    assert [row["step"] for row in rows(Path("runs/cae-digits"))] == ["5", "7"]
    assert cli(*train("cae", "--steps", 12)).code == 0
    assert [row["step"] for row in rows(Path("runs/cae-digits"))] == ["5", "10", "12"]


def test_options_without_an_effect_are_refused(cli: Callable) -> None:
    mlp = cli(*train("cae", "--arch", "mlp"))
    assert (mlp.code, mlp.err) == (2, "gentool: --channels: only with --arch conv\n")
    both = cli(*train("cae", "--epochs", 1, "--steps", 5))
    assert (both.code, both.err) == (2, "gentool: --epochs: has no effect with --steps\n")
    penalty = cli("train", "gan", "--loss", "wgan-gp", "--norm", "batch")
    assert penalty.code == 2
    assert "--norm batch: not with --loss wgan-gp" in penalty.err
    assert not Path("runs").exists()


def test_sample_every(cli: Callable) -> None:
    assert cli(*train("gan", "--epochs", 5, "--sample-every", 2)).code == 0
    names = sorted(path.name for path in Path("runs/gan-digits/samples").iterdir())
    assert names == [f"epoch-000{i}.png" for i in (1, 2, 4, 5)]


@pytest.mark.parametrize("model", MODELS)
def test_a_run_may_have_no_pictures(cli: Callable, model: str) -> None:
    assert cli(*train(model, "--epochs", 2, "--sample-every", 0)).code == 0
    folder = Path(f"runs/{model}-digits")
    assert [row["epoch"] for row in rows(folder)] == ["1", "2"]
    assert {path.name for path in folder.rglob("*.png")} == {"losses.png"}
    refused = cli(*train(model, "--epochs", 2, "--sample-every", 0, "--gif"))
    assert (refused.code, refused.err) == (2, "gentool: --gif: has no effect with --sample-every 0\n")
    assert "--gif: there are no sample pictures to make a film of" in cli(*train(model, "--epochs", 2, "--gif")).err


@pytest.mark.parametrize("ema", [0, 0.9])
def test_pictures_leave_the_training_as_it_is(cli: Callable, ema: float) -> None:
    for every in (0, 1):  # a picture needs batch-norm statistics of the average, with --ema 0 as well
        assert cli(*train("gan", "--epochs", 3, "--ema", ema, "--sample-every", every, "--out", every)).code == 0
    assert final_state(Path("0")) == final_state(Path("1"))
    assert final_weights(Path("0")) == final_weights(Path("1"))


def test_pictures_of_a_run_of_many_short_epochs_are_fewer(cli: Callable) -> None:
    tiny = ["--arch", "mlp", "--hidden", 8, "--latent-dim", 2, "--device", "cpu"]
    assert cli("train", "cae", "--data", "digits", *tiny, "--epochs", 223, "--batch-size", 1200).code == 0
    shown = {int(path.stem.removeprefix("epoch-")) for path in Path("runs/cae-digits/samples").iterdir()}
    assert shown == {*range(1, 201), 210, 220, 223}


@pytest.mark.parametrize("loss", ["bce", "hinge", "relativistic", "wgan-gp"])
def test_every_adversarial_loss(cli: Callable, loss: str) -> None:
    done = cli(*train("gan", "--epochs", 1, "--loss", loss, "--critic-steps", 2))
    assert done.code == 0, done.err
    assert ("gradient_penalty" in rows(Path("runs/gan-digits"))[0]) == (loss == "wgan-gp")


@pytest.mark.parametrize(("model", "norm"), [("gan", "batch"), ("gan", "spectral"), ("cgan", "none")])
def test_a_fully_connected_game(cli: Callable, model: str, norm: str) -> None:
    sizes = ["--arch", "mlp", "--hidden", "24,32", "--discriminator-hidden", "40,16", "--norm", norm]
    done = cli("train", model, "--data", "digits", "--device", "cpu", "--epochs", 2, *sizes)
    assert done.code == 0, done.err
    weights = checkpoint.load(Path(f"runs/{model}-digits/model.pt"), "model")[1]["weights"]
    shapes = [tuple(value.shape) for name, value in weights.items() if value.ndim == 2 and "embed" not in name]
    assert shapes == [(24, 64 + 32 * (model == "cgan")), (32, 24), (64, 32)]
    assert cli("sample", model, f"runs/{model}-digits", "--count", 4, "--each", "--out", "four.png").code == 0
    assert len(list(Path("four").glob("*.png"))) == 4
    refused = cli("train", model, "--data", "digits", "--arch", "mlp", "--width", 64, "--out", "other")
    assert (refused.code, refused.err) == (2, "gentool: --width: only with --arch conv\n")


def test_quiet_and_json(cli: Callable) -> None:
    quiet = cli(*train("cae", "--epochs", 1, "--quiet"))
    assert (quiet.code, quiet.err, quiet.out) == (0, "", "runs/cae-digits\n")
    machine_readable = cli(*train("cae", "--epochs", 2, "--out", "j", "--json", "--quiet"))
    records = [json.loads(line) for line in machine_readable.out.splitlines()]
    assert [record["event"] for record in records] == ["epoch", "epoch", "done"]
    assert records[-1]["run"] == "j"
    assert records[0]["loss"] > 0


def test_config_file(cli: Callable) -> None:
    Path("options.toml").write_text("epochs = 2\nlatent-dim = 3\nseed = 5\n")
    command = ["train", "cae", "--data", "digits", "--channels", "4", "--config", "options.toml"]
    assert cli(*command, "--seed", 9, "--epochs", 1).code == 0
    options = json.loads(Path("runs/cae-digits/options.json").read_text())["options"]
    assert (options["epochs"], options["latent_dim"], options["seed"]) == (1, 3, 9)
    Path("options.toml").write_text("latent-dmi = 3\n")
    typo = cli(*command)
    assert typo.code == 2
    assert "'latent_dmi' is not an option of this command. Did you mean 'latent_dim'?" in typo.err
    Path("options.toml").write_text("epochs = 'many'\n")
    assert "epochs: 'many' is not a whole number" in cli(*command).err


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 24, 24), (3, 72, 40), (3, 8, 48)], ids=str)
def test_networks_follow_from_the_image_s_shape(cli: Callable, model: str, shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    rng = np.random.default_rng(0)
    np.savez("set.npz", images=rng.integers(0, 256, (20, *shape), np.uint8), labels=np.arange(20) % 2)
    tiny = [word if word != 8 else 4 for word in TINY[model]]
    options = ["--data", "set.npz", "--epochs", 1, "--batch-size", 8, "--device", "cpu", "--out", "run"]
    done = cli("train", model, *options, *tiny)
    assert done.code == 0, done.err
    assert f"{width}x{height} {'colour' if channels == 3 else 'grey'}" in done.err
    drawn = cli(
        "sample",
        model,
        "run",
        "-n",
        2,
        "--each",
        "--out",
        "s.png",
        *(["--labels", "0"] if model in ("cvae", "cgan", "flow") else []),
    )
    assert drawn.code == 0, drawn.err
    with Image.open("s/00000.png") as picture:
        assert picture.size == (width, height)
        assert picture.mode == ("RGB" if channels == 3 else "L")


def test_a_conditional_model_needs_labels(cli: Callable) -> None:
    np.save("plain.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8))
    for model in ("cgan", "cvae"):
        refused = cli("train", model, "--data", "plain.npy", "--epochs", 1)
        assert refused.code == 3
        assert f"plain: has no labels, and {model} needs them" in refused.err
        assert refused.err.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize(("updates", "length"), [(12, "2 epochs of 5 updates"), (2, "1 epoch of 5 updates")])
def test_a_run_without_a_length_makes_about_as_many_updates_on_any_set(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, updates: int, length: str
) -> None:
    monkeypatch.setattr("gentool.engine.options.TrainOptions.updates", updates)
    done = cli(*train("vae"))
    assert done.code == 0
    assert f"digits, 1,527 images 8x8 grey\n{length}, " in done.err


def test_few_images_are_not_seen_tens_of_thousands_of_times(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gentool.engine.plan", "gentool.engine.run"):
        monkeypatch.setattr(f"{module}.MOST_EPOCHS", 3)
    np.save("few.npy", np.random.default_rng(0).integers(0, 256, (34, 8, 8), np.uint8))
    command = ["train", "gan", "--data", "few.npy", "--width", 16, "--latent-dim", 8, "--device", "cpu", "--out", "run"]
    done = cli(*command)
    assert done.code == 0, done.err
    lines = done.err.splitlines()
    assert lines[1].startswith("3 epochs of 1 update, ")
    assert lines[2] == "few images: the default is at most 3 epochs; --epochs sets another number"
    assert json.loads(Path("run/options.json").read_text())["updates"] == 3
    for module in ("gentool.engine.plan", "gentool.engine.run"):
        monkeypatch.setattr(f"{module}.MOST_EPOCHS", 5)
    assert "finished already, 3 epochs of 1 update" in cli(*command).err
    longer = cli(*command, "--epochs", 4)
    assert longer.code == 0
    assert "few images" not in longer.err


@pytest.mark.parametrize("model", MODELS)
def test_fewer_than_ten_images_are_refused_with_what_to_do(cli: Callable, model: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8), np.uint8)
    np.savez("nine.npz", images=images[:9], labels=np.arange(9) % 2)
    np.savez("ten.npz", images=images, labels=np.arange(10) % 2)
    refused = cli(*train(model, "--epochs", 1, "--data", "nine.npz"))
    assert (refused.code, refused.out) == (3, "")
    assert refused.err.splitlines()[-1] == (
        "gentool: nine: has 9 images, but training needs at least 10; add some, or use a named data set (`gentool "
        "prepare --list`)"
    )
    assert not Path("runs").exists()
    assert cli(*train(model, "--epochs", 1, "--data", "ten.npz")).code == 0


def test_flip_shows_images_and_their_mirror_images(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.zeros((40, 1, 8, 8), np.uint8)
    images[..., 0] = 255
    np.save("left.npy", images)
    loss, seen = reconstruction.reconstruction_loss, []

    def watch(kind: str, logits: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
        if logits.requires_grad:
            seen.append(x[:, 0, :, [0, 7]].mean(1))
        return loss(kind, logits, x)

    monkeypatch.setattr(reconstruction, "reconstruction_loss", watch)
    command = ["train", "cae", "--data", "left.npy", "--epochs", 4, "--channels", "4", "--amp", "off"]
    assert "mirrored" not in cli(*command, "--out", "plain").err
    assert (torch.cat(seen) == torch.tensor([1.0, 0.0])).all()
    seen.clear()
    assert "training images are mirrored at random" in cli(*command, "--flip", "--out", "flipped").err
    left, right = torch.cat(seen).unbind(1)
    assert (left + right == 1).all()
    assert 0.3 < left.mean() < 0.7
    assert not torch.equal(seen[0], seen[1])


def test_few_photographs_are_mirrored_and_zoomed(cli: Callable) -> None:
    np.save("faces.npy", np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8))
    data = ["--data", "rijksmuseum", "--source", "faces.npy", "--steps", 1]
    command = ["train", "cae", *data, "--channels", "4"]
    assert "training images are mirrored and zoomed by up to 0.1 at random" in cli(*command).err
    again = cli(*command, "--no-flip", "--zoom", 0, "--overwrite")
    assert again.code == 0
    assert "mirrored" not in again.err
    assert "training images are mirrored at random" in cli("train", "gan", *data, "--width", 16).err
