"""Adding a model takes one file and one line: every command takes `new_model/rectified.py` as if it were gentool's own.

It is sampled by solving an ODE, with options for sampling that are no training options, and it has no encoder.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gentool
import gentool.models
from gentool.engine import checkpoint
from gentool.errors import OptionError

FOLDER = Path(__file__).parent / "new_model"
SCRIPT = """
import json, sys, signal
import gentool.models
gentool.models.__path__.append(sys.argv[1])
gentool.models.MODELS["rectified"] = "Rectified flow of an MLP."
from gentool.cli.app import run
from gentool.engine.run import Run

record = Run.record
def record_and_stop(self, terms):
    record(self, terms)
    if self.step + 1 == int(self.options.seed == 7) * 9:
        signal.raise_signal(signal.SIGTERM)
Run.record = record_and_stop

codes = []
for command in json.loads(sys.argv[2]):
    print("$", *command, file=sys.stderr)
    codes.append(run(command))
    Run.record = record if codes[-1] == 75 else Run.record
print(json.dumps(codes))
"""


@pytest.fixture
def rectified(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new model in this process."""
    monkeypatch.setattr(gentool.models, "__path__", [*gentool.models.__path__, str(FOLDER)])
    monkeypatch.setitem(gentool.models.MODELS, "rectified", "Rectified flow.")
    monkeypatch.delitem(sys.modules, "gentool.models.rectified", raising=False)


def run_all(folder: Path, *commands: str) -> tuple[list[int], str, str]:
    """Run commands one after the other in one process that knows the new model."""
    arguments = [sys.executable, "-c", SCRIPT, str(FOLDER), json.dumps([command.split() for command in commands])]
    ran = subprocess.run(arguments, capture_output=True, text=True, cwd=folder, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1]), ran.stdout, ran.stderr


def weights(path: Path) -> str:
    return checkpoint.digest(checkpoint.load(path / "model.pt", "model")[1])


def test_every_command_takes_the_new_model(tmp_path: Path, runs: Path) -> None:
    train = "train rectified --data digits --hidden 32 --epochs 2 --batch-size 256 --device cpu --seed"
    codes, out, err = run_all(
        tmp_path,
        "train --help",
        f"{train} 1 --out a",
        f"{train} 7 --out b",  # stopped in its 9th update
        f"{train} 7 --out b",
        f"{train} 7 --out c",
        "sample rectified a -n 4 --out heun.png",
        "sample rectified a -n 4 --solver euler --solver-steps 1 --out euler.png",
        "interpolate rectified a --rows 2 --solver-steps 2 --out walk.png",
        "project rectified a --index 3 --steps 2 --out found.png",
        "evaluate rectified a --samples 64 --half-samples 2 --features random --solver-steps 3 --out scores",
        f"compare a {runs / 'vae'} --samples 64 --features random --k 2 --out side-by-side",
        "report a",
        "export rectified a --format torch.export --solver-steps 2 --out exported",
        "reconstruct rectified a",
        "embed rectified a",
        "sample rectified a --labels 3",
        f"sample vae {runs / 'vae'} --solver euler",
        "evaluate rectified a --k 5",
    )
    assert codes[:5] == [0, 0, 75, 0, 0], err
    assert codes[5:13] == [0] * 8, err
    assert codes[13:] == [2] * 5, err
    assert "rectified" in out
    assert weights(tmp_path / "b") == weights(tmp_path / "c"), "a resumed run is an uninterrupted one"

    def pixels(name: str) -> np.ndarray:
        return np.asarray(Image.open(tmp_path / name))

    assert not np.array_equal(pixels("heun.png"), pixels("euler.png"))
    facts = json.loads((tmp_path / "scores" / "evaluation.json").read_text())
    assert facts["sampling"] == {"solver": "heun", "solver_steps": 3}
    assert json.loads((tmp_path / "exported" / "config.json").read_text())["sampling"]["solver_steps"] == 2
    assert "rectified" in (tmp_path / "side-by-side" / "comparison.md").read_text()
    for line in (
        "a rectified has no encoder and cannot reconstruct images (models with one: cae, vae, cvae and lstm-ae)",
        "a rectified has no encoder and cannot embed images",
        "--labels: a rectified is not conditional (conditional models: cvae, cgan and flow)",
        "--solver: a vae has no such option",
        "--k: a rectified has no likelihood (models with one: vae and cvae)",
    ):
        assert f"gentool: {line}" in err, err


@pytest.mark.usefixtures("rectified")
def test_python_takes_the_new_model() -> None:
    data = gentool.load_data("digits")
    model = gentool.train("rectified", data, hidden=32, epochs=1, batch_size=256, device="cpu")
    assert not model.encodes
    assert model.latent_dim == 64
    fine = model.with_sampling(solver="euler", solver_steps=100).sample(4)
    coarse = model.with_sampling(solver="euler", solver_steps=1).sample(4)
    heun = model.sample(4)
    assert heun.shape == (4, 1, 8, 8)
    assert (heun - fine).abs().mean() < (coarse - fine).abs().mean(), "the default solver is nearer to the solution"
    with pytest.raises(OptionError, match="--solver: 'rk4' is not one of euler, heun"):
        model.with_sampling(solver="rk4")


@pytest.mark.usefixtures("rectified")
def test_sampling_options_are_merged_into_those_before(tmp_path: Path) -> None:
    model = gentool.train("rectified", "digits", hidden=8, steps=1, out=tmp_path / "run", device="cpu")
    assert vars(model.sampling) == {"solver": "heun", "solver_steps": 8}
    euler = model.with_sampling(solver="euler")
    assert vars(euler.sampling) == {"solver": "euler", "solver_steps": 8}
    both = euler.with_sampling(solver_steps=3)
    assert vars(both.sampling) == {"solver": "euler", "solver_steps": 3}
    assert vars(both.with_sampling().sampling) == vars(both.sampling)
    assert vars(model.sampling) == {"solver": "heun", "solver_steps": 8}, "the model itself stays as it is"
    assert (both.path, both.header, both.rows) == (model.path, model.header, model.rows)
    loaded = gentool.load(tmp_path / "run", device="cpu", solver="euler", solver_steps=3)
    assert vars(loaded.sampling) == vars(both.sampling)
    assert torch.equal(loaded.sample(4), both.sample(4))
    assert not torch.equal(loaded.sample(4), model.sample(4))
    assert vars(gentool.load(tmp_path / "run", solver_steps=2).sampling) == {"solver": "heun", "solver_steps": 2}
    assert vars(both.untrained().sampling) == vars(both.sampling)


@pytest.mark.usefixtures("rectified")
def test_sampling_options_that_are_none_are_refused(tmp_path: Path, runs: Path) -> None:
    model = gentool.train("rectified", "digits", hidden=8, steps=1, out=tmp_path / "run", device="cpu")
    with pytest.raises(OptionError, match=r"^'solvr' is not an option here\. Did you mean 'solver'\?$"):
        model.with_sampling(solvr="euler")
    with pytest.raises(OptionError, match=r"^--solver-steps: 0 is out of range; it must be between 1 and 1000$"):
        gentool.load(tmp_path / "run", solver_steps=0)
    with pytest.raises(OptionError, match=r"^a vae has no sampling options$"):
        gentool.load(runs / "vae", solver="euler")


@pytest.mark.usefixtures("rectified")
def test_the_new_model_learns() -> None:
    data = gentool.load_data("digits")
    model = gentool.train("rectified", data, epochs=30, device="cpu", amp="off", seed=1)
    losses = model.history["loss"]
    assert losses[0] > 1.3 > 0.85 > losses[-1]
    real = data.test.images.float() / 255
    assert torch.cdist(model.sample(32).flatten(1), real.flatten(1)).min(1).values.mean() < 2.6
