"""--compile: a step that is compiled once computes what the plain step computes; without a compiler, plain words."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch._dynamo import utils

import gentool
from gentool.data.images import ImageData
from gentool.progress import Reporter

COMPILER = os.environ.get("CXX", "g++")
compiles = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"--compile needs a C++ compiler ({COMPILER})")
TINY = {
    "cae": {"arch": "mlp", "hidden": 16, "latent_dim": 4},
    "vae": {"arch": "mlp", "hidden": 16, "latent_dim": 4},
    "vae --prior vamp": {"arch": "mlp", "hidden": 16, "latent_dim": 4, "prior": "vamp", "components": 5},
    "vae --prior flow": {"arch": "mlp", "hidden": 16, "latent_dim": 4, "prior": "flow"},
    "cvae": {"arch": "mlp", "hidden": 16, "latent_dim": 4},
    "lstm-ae": {"hidden": 8, "latent_dim": 4},
    "gan": {"width": 16, "latent_dim": 8},
    "cgan": {"width": 16, "latent_dim": 8, "augment": "flip,color,translation,cutout"},
    "flow": {"width": 8},
}


HOMES = {
    "cae": "reconstruction", "lstm-ae": "reconstruction", "vae": "variational", "cvae": "variational", "flow": "flow",
}  # fmt: skip
"""The file of a model's step."""


@pytest.fixture
def strict() -> Iterator[None]:
    """torch.compile fails instead of compiling a function again and again."""
    torch._dynamo.reset()
    forget()
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        yield
    torch._dynamo.reset()


def forget() -> None:
    """Nothing has been compiled so far."""
    utils.counters.clear()
    utils.clear_compilation_metrics()


def graphs() -> int:
    """The number of graphs that were compiled."""
    return int(utils.counters["stats"]["unique_graphs"])


def compiled_files() -> set[str]:
    """The last folder and the name of each file with a function that became a graph of several operations."""
    made = [one for one in utils.get_compilation_metrics() if (one.graph_op_count or 0) > 1 and one.fail_type is None]
    return {"/".join(Path(one.co_filename).parts[-2:]) for one in made if one.co_filename}


def few_images() -> ImageData:
    """128 training images and some others."""
    digits = gentool.load_data("digits").train
    assert digits.labels is not None
    return gentool.load_data(digits.images[:160], labels=digits.labels[:160], validation=0.1, test=0.1)


def losses_of(model: str, compile: bool) -> dict[str, list[float]]:
    """The losses of twelve updates, one per epoch, on 128 images."""
    settings = {"batch_size": 128, "epochs": 12, "device": "cpu", "amp": "off", **TINY[model]}
    history = gentool.train(model.split()[0], few_images(), compile=compile, **settings).history
    return {name: [row[name] for row in history if name in row] for name in history.columns if "second" not in name}


@compiles
@pytest.mark.usefixtures("strict")
@pytest.mark.filterwarnings("ignore")  # torch's own, about what it compiles
@pytest.mark.parametrize(
    "model", ["vae", *(pytest.param(name, marks=pytest.mark.slow) for name in TINY if name != "vae")]
)
def test_a_compiled_run_learns_what_a_plain_one_learns(model: str) -> None:
    plain = losses_of(model, compile=False)
    assert graphs() == 0
    compiled = losses_of(model, compile=True)
    assert graphs() > 2, "the step and the optimizer, beside the function that tries out the compiler"
    assert {f"models/{HOMES.get(model.split()[0], 'adversarial')}.py", "optim/adam.py"} <= compiled_files()
    assert plain.keys() == compiled.keys()
    for name, values in plain.items():
        assert compiled[name] == pytest.approx(values, rel=2e-3, abs=2e-3), name


@compiles
@pytest.mark.usefixtures("strict")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("limit", [2, pytest.param(None, marks=pytest.mark.slow)])
def test_each_of_many_runs_in_one_process_is_compiled(limit: int | None) -> None:
    """PyTorch gives up a function that it has compiled 8 times, or `limit` times. A run's step is the same code each
    time."""
    limit = limit or torch._dynamo.config.recompile_limit
    settings = {"batch_size": 128, "steps": 2, "device": "cpu", "amp": "off", **TINY["vae"]}
    data, found = few_images(), []
    with torch._dynamo.config.patch(recompile_limit=limit):
        for _ in range(limit + 1):
            forget()
            gentool.train("vae", data, compile=True, **settings)
            found.append((graphs(), compiled_files()))
    assert found[0][0] > 2
    assert {"models/variational.py", "optim/adam.py"} <= found[0][1]
    assert found == found[:1] * (limit + 1)


class Recorder(Reporter):
    """What a run says, and the updates that it reports."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.updates: list[int] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
        if task == "training":
            self.updates.append(done)


@compiles
@pytest.mark.usefixtures("strict")
@pytest.mark.filterwarnings("ignore")
def test_the_updates_that_compile_are_not_in_the_time_left(caplog: pytest.LogCaptureFixture) -> None:
    compiled, plain = Recorder(), Recorder()
    settings = {"batch_size": 16, "steps": 6, "device": "cpu", "amp": "off", **TINY["vae"]}
    for recorder in (compiled, plain):
        gentool.train("vae", few_images(), compile=recorder is compiled, reporter=recorder, **settings)
    assert (compiled.updates, plain.updates) == ([3, 4, 5, 6], [1, 2, 3, 4, 5, 6])
    said = "the first updates compile the training step, which can take a minute"
    assert (compiled.notices.count(said), plain.notices.count(said)) == (1, 0)
    assert "Profiler record function" not in caplog.text


@compiles
@pytest.mark.usefixtures("strict")
@pytest.mark.filterwarnings("ignore")
def test_a_learning_rate_that_changes_compiles_nothing_again() -> None:
    """Six updates, each with a learning rate of its own, need the graphs of one."""
    settings = {"batch_size": 128, "device": "cpu", "amp": "off", "schedule": "linear", **TINY["vae"]}
    counts = []
    for steps in (1, 6):
        forget()
        gentool.train("vae", few_images(), compile=True, steps=steps, **settings)
        counts.append(graphs())
    assert counts[0] == counts[1] > 2


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

    plain = losses(compile=False)
    assert graphs() == 0
    assert losses(compile=True) == pytest.approx(plain, rel=5e-3)
    assert {"seq2seq/training.py", "optim/adam.py"} <= compiled_files()


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
