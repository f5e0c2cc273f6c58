"""--compile: a step that is compiled once computes what the plain step computes; without a compiler, plain words."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import gentool

COMPILER = os.environ.get("CXX", "g++")
compiles = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"--compile needs a C++ compiler ({COMPILER})")
TINY = {
    "cae": {"arch": "mlp", "hidden": 16, "latent_dim": 4},
    "vae": {"arch": "mlp", "hidden": 16, "latent_dim": 4},
    "lstm-ae": {"hidden": 8, "latent_dim": 4},
    "gan": {"width": 16, "latent_dim": 8},
    "cgan": {"width": 16, "latent_dim": 8, "augment": "flip,color,translation,cutout"},
}


@pytest.fixture
def strict() -> Iterator[None]:
    """torch.compile fails instead of compiling a function again and again."""
    torch._dynamo.reset()
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        yield
    torch._dynamo.reset()


def losses_of(model: str, compile: bool) -> dict[str, list[float]]:
    """The losses of twelve updates, one per epoch, on 128 images."""
    digits = gentool.load_data("digits").train
    assert digits.labels is not None
    data = gentool.load_data(digits.images[:160], labels=digits.labels[:160], validation=0.1, test=0.1)
    settings = {"batch_size": 128, "epochs": 12, "device": "cpu", "amp": "off", **TINY[model]}
    history = gentool.train(model, data, compile=compile, **settings).history
    return {name: [row[name] for row in history if name in row] for name in history.columns if "second" not in name}


@compiles
@pytest.mark.usefixtures("strict")
@pytest.mark.filterwarnings("ignore")  # torch's own, about what it compiles
@pytest.mark.parametrize(
    "model", ["vae", *(pytest.param(name, marks=pytest.mark.slow) for name in TINY if name != "vae")]
)
def test_a_compiled_run_learns_what_a_plain_one_learns(model: str) -> None:
    plain, compiled = losses_of(model, compile=False), losses_of(model, compile=True)
    assert plain.keys() == compiled.keys()
    for name, values in plain.items():
        assert compiled[name] == pytest.approx(values, rel=2e-3, abs=2e-3), name


@compiles
@pytest.mark.slow
@pytest.mark.usefixtures("strict")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("task", ["text2text", "image2image"])
def test_a_compiled_seq2seq_learns_what_a_plain_one_learns(task: str) -> None:
    settings = {"max_operand": 9, "hidden": 16, "embedding": 8, "epochs": 2, "device": "cpu", "amp": "off"}
    settings |= {} if task == "text2text" else {"digits": "digits"}

    def losses(compile: bool) -> list[float]:
        return gentool.seq2seq.train(task, compile=compile, **settings).history["loss"]

    assert losses(compile=True) == pytest.approx(losses(compile=False), rel=5e-3)


def test_without_a_compiler_the_command_says_so_and_writes_nothing(tmp_path: Path, cache: Path) -> None:
    """With an empty PATH there is no compiler; with an empty cache there is no code compiled before."""
    environment = {**os.environ, "PATH": str(tmp_path), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "compiled")}
    environment.pop("CXX", None)
    command = [sys.executable, "-m", "gentool", "train", "vae", "--arch", "mlp", "--compile", "--device", "cpu"]
    root = str(Path(gentool.__file__).parents[1])
    ran = subprocess.run(
        [*command, "--out", "run"], cwd=tmp_path, env=environment | {"PYTHONPATH": root}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2, ran.stderr
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("gentool: --compile: torch.compile does not work here; it needs a C++ compiler, such as g++")
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "run").exists()
