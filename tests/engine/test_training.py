"""Training without the command line: in memory as in a folder, and what a reporter receives."""

import csv
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

import gentool
from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.engine import checkpoint
from gentool.engine.options import TrainOptions
from gentool.engine.run import Run
from gentool.engine.training import train
from gentool.errors import Diverged, OptionError, Stopped
from gentool.models import model_module, options_class
from gentool.progress import Reporter

TINY = {
    "cae": {"channels": (4, 8), "latent_dim": 4},
    "vae": {"channels": (4, 8), "latent_dim": 4},
    "lstm-ae": {"hidden": 8, "latent_dim": 4},
    "gan": {"width": 16, "latent_dim": 8},
    "cgan": {"width": 16, "latent_dim": 8},
}
TIMES = ("images_per_second", "seconds")


class Recorder(Reporter):
    """Keeps what it receives."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int | None]] = []
        self.details: list[str] = []
        self.notices: list[str] = []
        self.rows: list[Mapping[str, int | float]] = []

    def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
        self.steps.append((task, done, total))
        self.details.append(detail)

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def epoch(self, row: Mapping[str, int | float]) -> None:
        self.rows.append(row)


@pytest.fixture(scope="module")
def digits(cache: Path) -> ImageData:
    return load_data("digits")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def options(model: str, **settings: object) -> TrainOptions:
    common = {"epochs": 2, "batch_size": 256, "device": "cpu"}
    return options_class(model)(**{**common, **TINY[model], **settings})


def fit(
    model: str, data: ImageData, folder: Path | None = None, reporter: Reporter | None = None, **settings: object
) -> Run:
    loop = model_module(model).train
    return train(
        loop, model, options(model, **settings).for_data(data), data, folder=folder, reporter=reporter or Reporter()
    )


@pytest.mark.parametrize("model", TINY)
def test_a_run_in_memory_equals_one_in_a_folder_and_writes_nothing(digits: ImageData, model: str) -> None:
    state = torch.get_rng_state()
    run = fit(model, digits)
    assert not list(Path().iterdir())
    assert torch.equal(torch.get_rng_state(), state)
    saved = fit(model, digits, Path("run"))
    assert run.network is not None
    content = checkpoint.load(Path("run/model.pt"), "model")[1]
    assert checkpoint.digest(run.network.state_dict()) == checkpoint.digest(content["weights"])
    with Path("run/metrics.csv").open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    for row, in_memory, in_folder in zip(rows, run.journal.rows, saved.journal.rows, strict=True):
        assert in_folder == row
        assert in_memory.keys() == row.keys()
        assert all(in_memory[name] == row[name] for name in row if name not in TIMES)
    assert run.result is not None
    assert saved.result is not None
    assert run.result.keys() == saved.result.keys()
    assert all(run.result[name] == saved.result[name] for name in run.result if name not in TIMES)


def test_a_reporter_receives_every_update_notice_and_epoch(digits: ImageData) -> None:
    reporter = Recorder()
    run = fit("vae", digits, reporter=reporter)
    assert list(dict.fromkeys(reporter.steps)) == [("training", step, 10) for step in range(1, 11)]
    assert reporter.rows == run.journal.rows
    assert [row["epoch"] for row in reporter.rows] == [1, 2]
    loss = f"epoch 2/2  loss {reporter.rows[1]['loss']:.4g}"
    assert reporter.details[-1].startswith(loss)
    assert reporter.details[-1].endswith(" images/s")
    first, second, test, done = reporter.notices
    assert first == "training vae on digits, 1,527 images 8x8 grey"
    assert second.startswith("2 epochs of 5 updates, ")
    assert test.startswith("on the test set: negative_elbo ")
    assert done.startswith("done in ")


def test_a_finished_run_is_left_as_it_is(digits: ImageData) -> None:
    fit("cae", digits, Path("run"))
    before = {path: path.stat().st_mtime_ns for path in Path("run").rglob("*")}
    reporter = Recorder()
    run = fit("cae", digits, Path("run"), reporter)
    assert run.network is None
    assert run.result is not None
    assert run.result["epoch"] == 2
    assert {path: path.stat().st_mtime_ns for path in Path("run").rglob("*")} == before
    assert reporter.notices == [
        "run: finished already, 2 epochs of 5 updates; raise --epochs to continue, or give --overwrite to start again"
    ]


def test_a_stopped_run_in_memory_says_that_nothing_is_saved(digits: ImageData) -> None:
    class Stopping(Reporter):
        def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
            if done == 7:
                signal.raise_signal(signal.SIGTERM)

    expected = r"^stopped in epoch 2 of 2, update 2; the run has no folder to save it in$"
    with pytest.raises(Stopped, match=expected):
        fit("vae", digits, reporter=Stopping())
    with pytest.raises(Stopped) as stopped:
        gentool.train("vae", digits, options("vae"), reporter=Stopping())
    assert [row["epoch"] for row in stopped.value.model.history] == [1], "the model after its last whole epoch"
    assert stopped.value.model.sample(2).shape == (2, 1, 8, 8)
    assert not list(Path().iterdir())


def test_divergence_in_memory_names_no_folder(digits: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Run.record

    def poison(run: Run, terms: Mapping[str, torch.Tensor]) -> None:
        record(run, {**terms, "loss": terms["loss"] * float("nan")} if run.step == 7 else terms)

    monkeypatch.setattr(Run, "record", poison)
    with pytest.raises(
        Diverged, match=r"^loss became NaN or infinite in epoch 2, update 8\W+Try a lower --lr"
    ) as caught:
        fit("vae", digits, amp="off")
    assert "state" not in str(caught.value)
    assert "saved" not in str(caught.value)
    assert "--amp off" not in str(caught.value), "it is off"


@pytest.mark.parametrize(("settings", "flag"), [({"gif": True}, "--gif"), ({"log": "tensorboard"}, "--log")], ids=str)
def test_what_needs_a_folder_is_refused_without_one(digits: ImageData, settings: dict[str, object], flag: str) -> None:
    expected = f"^{flag}: writes into the run's folder, but this run has none$"
    with pytest.raises(OptionError, match=expected):
        fit("vae", digits, **settings)


@pytest.mark.slow  # torch.compile starts a C++ compiler
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("model", ["cae", "vae", "gan"])
def test_a_compiled_step_computes_the_same(digits: ImageData, model: str) -> None:
    plain = fit(model, digits, amp="off", schedule="linear")
    compiled = fit(model, digits, Path("run"), amp="off", schedule="linear", compile=True)
    name = "discriminator" if model == "gan" else "loss"
    for one, other in zip(plain.journal.rows, compiled.journal.rows, strict=True):
        assert one[name] == pytest.approx(other[name], rel=1e-3)
        assert one["lr"] == other["lr"]
    grown = fit(model, digits, Path("run"), amp="off", schedule="linear", compile=True, epochs=3)
    assert len(grown.journal.rows) == 3
