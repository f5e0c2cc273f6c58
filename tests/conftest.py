"""One thread, a cache of its own, the command line as a function, and tiny trained models, for all tests."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: tests run side by side
os.environ["COLUMNS"] = "120"

import pytest

for _signal in ("SIGINT", "SIGHUP"):  # which a shell and nohup ignore for what runs behind them
    if hasattr(signal, _signal) and signal.getsignal(getattr(signal, _signal)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _signal), signal.default_int_handler if _signal == "SIGINT" else signal.SIG_DFL)

TINY = {
    "cae": ["--channels", "4,8", "--latent-dim", "4"],
    "vae": ["--arch", "mlp", "--hidden", "16", "--latent-dim", "4"],
    "cvae": ["--channels", "4,8", "--latent-dim", "4"],
    "lstm-ae": ["--hidden", "8", "--latent-dim", "4"],
    "gan": ["--width", "16", "--latent-dim", "8"],
    "cgan": ["--width", "16", "--latent-dim", "8"],
    "flow": ["--width", "8", "--ema", "0.9"],
}


LONG = (
    "test_reports", "test_world", "test_export", "test_training", "test_commands", "test_learning", "test_jobs",
    "test_explorer", "test_compilation", "test_documents", "test_embedding", "test_cvae", "test_flow",
)  # fmt: skip
"""The files that take longest. They are begun first, so that no process works alone at the end."""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, because some tests wait."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was attacked: `record_property(what, number)` of the tests, summed up at the end."""
    counts: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for what, number in report.user_properties:
                counts[what] += int(str(number))
    if counts:
        terminalreporter.write_line(", ".join(f"{number:,} {what}" for what, number in sorted(counts.items())))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of prepared data, shared by all tests of a session."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["GENTOOL_DATA"] = str(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def quick_networks() -> Iterator[None]:
    """A tenth of the usual training for the networks that evaluations learn."""
    from gentool.evaluation import classifier, self_supervised

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "UPDATES", 200)
        patch.setattr(classifier, "EPOCHS", 4)
        patch.setattr(self_supervised, "UPDATES", 40)
        yield


@pytest.fixture(autouse=True)
def one_panel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`losses.png` of a training in this process shows the first panel only, unless the test is marked `all_panels`.

    To draw them all takes longer than a tiny training.
    """
    if request.node.get_closest_marker("all_panels"):
        return
    from gentool.figures.curves import CurvePanel, draw_curves
    from gentool.figures.style import Plot

    def draw_first(panels: Sequence[CurvePanel], x: Sequence[float], **settings: str) -> Plot:
        return draw_curves(panels[:1], x, **settings)

    monkeypatch.setattr("gentool.engine.journal.draw_curves", draw_first)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GENTOOL_DATA", str(folder))
    return folder


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Outcome]:
    """Run `gentool ...` in this process, in an empty folder."""
    from gentool.cli.app import run

    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[None]]:
    """`with stopping(7):` sends SIGTERM to a training in its 7th update."""
    from gentool.engine.run import Run

    record = Run.record

    @contextmanager
    def stopping_at(update: int) -> Iterator[None]:
        def record_and_stop(run: Run, terms: Mapping[str, Any]) -> None:
            record(run, terms)
            if run.step + 1 == update:
                signal.raise_signal(signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr(Run, "record", record_and_stop)
            yield

    return stopping_at


@pytest.fixture
def trained_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The runs that a sweep trains, by name: with the command of each, but in this process.

    Starting another process takes longer than a tiny training.
    """
    from gentool.cli.app import run
    from gentool.launcher import gentool_command
    from gentool.seq2seq.sweep_cells import Cell
    from gentool.seq2seq.sweeps import Workers, command

    names: list[str] = []

    def train(workers: Workers, cell: Cell) -> None:
        words = command(workers.task, cell, workers.folder / cell.name, workers.overwrite)
        starts = gentool_command()
        assert words[: len(starts)] == starts
        names.append(cell.name)
        assert run(words[len(starts) :]) == 0

    monkeypatch.setattr(Workers, "train", train)
    monkeypatch.chdir(tmp_path)
    return names


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A tiny trained model of each kind, made once for all tests of what is done with a trained model."""
    from gentool.cli.app import run

    folder = tmp_path_factory.mktemp("runs")
    for model, options in TINY.items():
        common = ["--data", "digits", "--epochs", "1", "--batch-size", "256", "--quiet", "--out", str(folder / model)]
        assert run(["train", model, *common, *options]) == 0
    return folder


@pytest.fixture(scope="session")
def browser() -> str:
    """The path of a browser that runs headless."""
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if found is None:
        pytest.skip("needs Chromium or Chrome")
    return found
