"""What needs an accelerator: reduced precision against f32, the gradient scaler, resuming. Run with `pytest -m gpu`."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gentool.engine import checkpoint
from gentool.engine.run import Run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

MODELS = {
    "cae": ["--channels", "16,32", "--latent-dim", 16],
    "vae": ["--channels", "16,32", "--latent-dim", 16],
    "cvae": ["--channels", "16,32", "--latent-dim", 16],
    "lstm-ae": ["--hidden", 16, "--latent-dim", 16],
    "gan": ["--width", 64, "--latent-dim", 16],
    "cgan": ["--width", 64, "--latent-dim", 16],
    "flow": ["--width", 16],
}
VARIANTS = {
    "mixture": ["vae", "--prior", "mixture", "--iwae", 2],
    "vamp": ["vae", "--prior", "vamp", "--binarise", "dynamic"],
    "flow": ["vae", "--prior", "flow", "--binarise", "static", "--zoom", 0],
    "classes": ["cvae", "--prior", "flow"],
    "relativistic": ["gan", "--loss", "relativistic", "--keep", "best"],
    "wgan-gp": ["gan", "--loss", "wgan-gp"],
    "hinge": ["cgan", "--loss", "hinge"],
    "ot": ["flow", "--pairing", "ot"],
}
WITH_A_LOSS = ("cae", "vae", "cvae", "lstm-ae", "flow")


def train(model: str, *arguments: object) -> list[object]:
    return ["train", model, "--data", "digits", "--device", "cuda", "--batch-size", 128, *MODELS[model], *arguments]


def column(folder: str, name: str) -> list[float]:
    with Path(folder, "metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
@pytest.mark.parametrize("model", MODELS)
def test_reduced_precision_stays_near_f32_on_short_runs(cli: Callable, model: str, amp: str) -> None:
    for precision in ("off", amp):
        assert cli(*train(model, "--epochs", 5, "--amp", precision, "--out", precision)).code == 0
    name = "loss" if model in WITH_A_LOSS else "discriminator"
    settled = slice(3 if amp == "fp16" else 0, None)  # the gradient scaler skips updates while it finds its scale
    tolerance = 0.05 if model in WITH_A_LOSS else 0.25
    assert column(amp, name)[settled] == pytest.approx(column("off", name)[settled], rel=tolerance)


@pytest.mark.parametrize("model", MODELS)
def test_a_stopped_fp16_run_goes_on_with_its_scaler(cli: Callable, model: str, stopping: Callable) -> None:
    with stopping(15):
        assert cli(*train(model, "--epochs", 3, "--amp", "fp16", "--deterministic", "--out", "parts")).code == 75
    state = checkpoint.load(max(Path("parts").glob("state-*.pt")), "state")[1]
    assert state["scaler"]["scale"] > 0
    assert state["step"] == 15
    assert cli(*train(model, "--epochs", 3, "--amp", "fp16", "--deterministic", "--out", "parts")).code == 0
    assert cli(*train(model, "--epochs", 3, "--amp", "fp16", "--deterministic", "--out", "whole")).code == 0
    name = "loss" if model in WITH_A_LOSS else "discriminator"
    assert column("parts", name) == pytest.approx(column("whole", name), rel=1e-3)


def test_divergence_is_noticed_at_most_one_update_late(cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    record, seen = Run.record, []

    def poison(run: Run, terms: dict[str, torch.Tensor]) -> None:
        seen.append(run.step)
        if run.step == 7:
            terms = {**terms, "loss": terms["loss"] * float("nan")}
        record(run, terms)

    monkeypatch.setattr(Run, "record", poison)
    assert cli(*train("vae", "--epochs", 3)).code == 5
    assert seen[-1] <= 8


def test_a_checkpoint_from_the_gpu_samples_on_the_cpu(cli: Callable) -> None:
    assert cli(*train("gan", "--epochs", 1)).code == 0
    assert cli("sample", "gan", "runs/gan-digits", "--device", "cpu", "-n", 4).code == 0


@pytest.mark.filterwarnings("default")  # torch.compile warns
@pytest.mark.parametrize("model", ["vae", "gan"])
def test_a_compiled_run_stays_near_a_plain_one_and_resumes(
    cli: Callable, model: str, stopping: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, devices = "loss" if model in WITH_A_LOSS else "discriminator", set()
    record = Run.record

    def watch(run: Run, terms: dict[str, torch.Tensor]) -> None:
        rates = [group["lr"] for optimizer in run.optimizers for group in optimizer.param_groups]
        devices.update(rate.device.type for rate in rates if isinstance(rate, torch.Tensor))
        record(run, terms)

    command = train(model, "--epochs", 3, "--amp", "off", "--deterministic")
    assert cli(*command, "--out", "plain").code == 0
    monkeypatch.setattr(Run, "record", watch)
    assert cli(*command, "--compile", "--out", "whole").code == 0
    with stopping(15):
        assert cli(*command, "--compile", "--out", "parts").code == 75
    assert cli(*command, "--compile", "--out", "parts").code == 0
    assert column("whole", name) == pytest.approx(column("plain", name), rel=0.05 if model in WITH_A_LOSS else 0.25)
    assert column("parts", name) == pytest.approx(column("whole", name), rel=1e-2)
    assert devices == {"cuda"}  # a learning rate on the CPU would keep the step out of a CUDA graph


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_way_of_training_learns_as_on_the_cpu_and_serves_the_commands(cli: Callable, variant: str) -> None:
    model, *options = VARIANTS[variant]
    for device in ("cpu", "cuda"):
        command = [*train(model, *options, "--epochs", 4, "--amp", "off", "--out", device), "--device", device]
        assert cli(*command).code == 0
    name = "loss" if model in WITH_A_LOSS else "discriminator"
    tolerance = 0.05 if model in WITH_A_LOSS else 0.25
    assert column("cuda", name)[-1] == pytest.approx(column("cpu", name)[-1], rel=tolerance)
    for command in (["sample"], ["interpolate"], ["evaluate", "--samples", 100]):
        outcome = cli(*command, "cuda", "--device", "cuda")
        assert outcome.code == 0, outcome.err
    if model in ("vae", "cvae"):
        assert cli("embed", "cuda", "--device", "cuda", "--gmm", 10).code == 0
        assert cli("reconstruct", "cuda", "--device", "cuda").code == 0
    else:
        assert cli("project", "cuda", "--index", 3, "--device", "cuda").code == 0


@pytest.mark.parametrize("task", ["text2text", "image2text", "text2image"])
def test_arithmetic_trains_and_answers(cli: Callable, task: str) -> None:
    command = ["seq2seq", "train", task, "--device", "cuda", "--hidden", 32, "--steps", 60, "--out", "run"]
    assert cli(*command).code == 0
    assert cli("seq2seq", "evaluate", "run", "--device", "cuda").code == 0
