"""--amp auto on a CPU: updates are timed in each precision and undone, and the choice is kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gentool.engine import checkpoint
from gentool.engine.trial import Trial
from tests.conftest import TINY

COMMANDS: dict[str, list[object]] = {
    **{name: ["train", name, "--data", "digits", *TINY[name]] for name in TINY},
    "critic": ["train", "gan", "--data", "digits", *TINY["gan"], "--norm", "spectral", "--critic-steps", 3],
    "text2text": ["seq2seq", "train", "text2text", "--max-operand", 9, "--hidden", 16, "--embedding", 8],
}


@pytest.fixture
def tried(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`tried("bfloat16")`: this is the fastest from now on, whatever the processor."""
    monkeypatch.setattr("gentool.engine.run.possible_precisions", possible)

    def fastest(kind: str) -> None:
        monkeypatch.setattr(Trial, "fastest", lambda trial: (kind, 1.0 if kind == "float32" else 2.0))

    return fastest


def possible(amp: str, device: torch.device, *, compiled: bool = False) -> tuple[str, ...]:
    return {"auto": ("float32", "bfloat16"), "bf16": ("bfloat16",), "off": ("float32",)}[amp]


def digest(folder: Path) -> str:
    state = checkpoint.load(max(folder.glob("state-*.pt")), "state")[1]
    return checkpoint.digest([state["parts"], state["losses"], state["step"]])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_trial_leaves_no_trace(name: str, tried: Callable[[str], None], cli: Any, tmp_path: Path) -> None:
    words = [*COMMANDS[name], "--steps", 20, "--device", "cpu", "--out"]
    for kind, amp in (("bfloat16", "bf16"), ("float32", "off")):
        tried(kind)
        out = tmp_path / f"auto-{amp}"
        done = cli(*words, out, "--seed", 3, *([] if amp == "bf16" else ["--batch-size", 60]))
        assert done.code == 0, done.err
        assert f"--amp auto: {'bf16, 2.00 times as fast as f32' if amp == 'bf16' else 'f32, the fastest'}" in done.err
        assert json.loads((out / "environment.json").read_text())["precision"] == kind
        same = [*words, tmp_path / amp, "--amp", amp, "--seed", 3, *([] if amp == "bf16" else ["--batch-size", 60])]
        assert cli(*same).code == 0
        assert digest(out) == digest(tmp_path / amp)


def test_a_choice_is_kept_by_the_run_and_in_the_cache(
    tried: Callable[[str], None], cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*COMMANDS["vae"], "--device", "cpu"]
    tried("bfloat16")
    assert "--amp auto" in cli(*words, "--steps", 5, "--out", "first").err
    tried("float32")
    for more in (["--steps", 9, "--out", "first"], ["--steps", 4, "--seed", 1, "--out", "second"]):
        done = cli(*words, *more)
        assert done.code == 0
        assert "--amp auto" not in done.err
        assert "cpu bf16" in done.err
    done = cli(*words, "--steps", 5, "--batch-size", 30, "--out", "another")  # which takes another time
    assert "--amp auto: f32, the fastest in this training" in done.err


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")
def test_a_run_in_products_goes_on_in_autocast_where_these_do_not_work(
    own_cache: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*COMMANDS["vae"], "--device", "cpu", "--out", "run"]
    works = [True]
    monkeypatch.setattr("gentool.engine.precision.bf16_products_work", lambda device: works[0])
    monkeypatch.setattr("gentool.engine.precision.bf16_gain", lambda: 2.0)
    monkeypatch.setattr(Trial, "fastest", lambda trial: ("bfloat16 in products", 2.0))
    assert "--amp auto: bf16 in products, 2.00 times as fast" in cli(*words, "--steps", 3).err
    assert "cpu bf16 in products" in cli(*words, "--steps", 5).err
    works[0] = False
    done = cli(*words, "--steps", 7)
    assert done.code == 0
    assert "cpu bf16\n" in done.err


def test_the_median_over_the_rounds_decides() -> None:
    trial = Trial(("float32", "bfloat16", "bfloat16 in products"))
    trial.seconds = {
        "float32": [9.0, 0.2, 0.3, 0.2],
        "bfloat16": [0.1, 0.1, 0.1, 5.0],
        "bfloat16 in products": [9.0, 0.19, 0.29, 0.19],
    }
    assert trial.gains() == pytest.approx({"float32": 1, "bfloat16": 2, "bfloat16 in products": 0.2 / 0.19})
    assert trial.fastest() == ("bfloat16", pytest.approx(2))
    trial.seconds["bfloat16"] = [0.1, 0.198, 0.298, 0.198]
    del trial.seconds["bfloat16 in products"]
    assert trial.fastest() == ("float32", 1)  # 1% is not worth the digits


def test_a_trial_ends_after_half_a_second_and_three_rounds() -> None:
    trial = Trial(("float32", "bfloat16"))
    trial.seconds = {"float32": [0.3] * 3, "bfloat16": [0.3] * 3}
    assert not trial.enough()
    trial.seconds = {"float32": [0.3] * 4, "bfloat16": [0.3] * 4}
    assert trial.enough()
    trial.seconds = {"float32": [0.01] * 4, "bfloat16": [0.01] * 4}
    assert not trial.enough()
    assert list(trial.steps(24)) == list(range(0, 24, 2))
    assert max(trial.steps(3)) < 3
