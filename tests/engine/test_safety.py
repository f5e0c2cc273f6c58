"""A run's folder has one owner, one newest state, and nothing in it is believed that a state does not vouch for."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gentool
from gentool import files
from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.engine import checkpoint
from gentool.engine.device import finite
from gentool.engine.ema import EMA
from gentool.engine.folder import owned
from gentool.engine.metrics_file import MetricsFile
from gentool.engine.run import Run
from gentool.errors import CheckpointError, Diverged, OptionError, Stopped
from gentool.latent.model import Model
from gentool.progress import Reporter
from tests.conftest import Outcome


class Notices(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def notice(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def fit(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Model]:
    """Train a tiny model in `folder`; a state is saved every epoch, of 5 updates."""
    monkeypatch.setattr("gentool.engine.run.SAVE_SECONDS", 0.0)
    digits: ImageData = load_data("digits")

    def train(**settings: Any) -> Model:
        tiny = {"arch": "mlp", "hidden": 16, "latent_dim": 4, "batch_size": 256, "device": "cpu", "epochs": 3}
        return gentool.train("vae", digits, out=settings.pop("out", folder), **{**tiny, **settings})

    return train


def weights(folder: Path) -> str:
    return checkpoint.digest(checkpoint.load(folder / "model.pt", "model")[1]["weights"])


# One owner


HOLD = "import sys\nfrom pathlib import Path\nfrom gentool.engine.folder import owned\n\
with owned(Path(sys.argv[1]), print):\n    print('held', flush=True)\n    sys.stdin.read()"


@pytest.fixture
def holder(folder: Path) -> Any:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_by_name(cli: Callable[..., Outcome], folder: Path, holder: Any) -> None:
    done = cli("train", "vae", "--data", "digits", "--arch", "mlp", "--hidden", "8", "--epochs", "1", "--out", folder)
    assert done.code == 2
    assert f"{folder}: process {holder.pid} on " in done.err
    assert "is training here; wait until it ends, or give another --out" in done.err
    assert sorted(path.name for path in folder.iterdir()) == [".lock", ".owner"]


def test_the_folder_is_free_when_its_owner_was_killed(fit: Callable[..., Model], folder: Path, holder: Any) -> None:
    holder.kill()
    holder.wait()
    fit()
    assert not list(folder.glob(".*"))


def test_a_run_that_another_process_began_meanwhile(fit: Callable[..., Model], folder: Path, cache: Path) -> None:
    from gentool.models.vae import Options

    digits = load_data("digits")
    options = Options(arch="mlp", hidden=(16,), latent_dim=4, batch_size=256, device="cpu", epochs=3)
    late = Run("vae", options, digits, folder=folder)
    fit()
    before = weights(folder)
    with (
        pytest.raises(
            OptionError, match="another process has trained here in the meantime; run the same command again"
        ),
        late,
    ):
        late.resume()
    assert weights(folder) == before


def test_owning_is_undone_by_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="x"), owned(folder, print):
        raise ValueError("x")
    with owned(folder, print):
        assert (folder / ".owner").read_text().startswith(f"process {os.getpid()} on ")
    assert list(folder.iterdir()) == []


# Cut short


def test_a_run_that_was_killed_before_its_options(fit: Callable[..., Model], folder: Path) -> None:
    folder.mkdir()
    for name in (f".options.json.{files._machine()}-4194305.tmp", ".lock", ".owner"):
        (folder / name).write_text("")
    fit()
    assert not list(folder.glob(".*"))


def test_foreign_hidden_files_are_not_trained_beside(fit: Callable[..., Model], folder: Path) -> None:
    folder.mkdir()
    (folder / ".mine.tmp").write_text("")
    with pytest.raises(OptionError, match="not empty, and not a gentool run"):
        fit()


def test_temporary_files_of_a_killed_process_are_removed(fit: Callable[..., Model], folder: Path) -> None:
    fit(epochs=1)
    gone = f"{files._machine()}-4194305.tmp"  # more than Linux counts to
    for name in (f".model.pt.{gone}", f"samples/.epoch-0002.png.{gone}"):
        (folder / name).write_text("")
    elsewhere = folder / ".model.pt.01234567-4194305.tmp"
    elsewhere.write_text("")
    fit(epochs=2)
    assert list(folder.rglob(".*")) == [elsewhere]


@pytest.mark.parametrize("removed", range(1, 8))
def test_overwriting_that_is_killed_can_be_repeated(
    fit: Callable[..., Model], folder: Path, monkeypatch: pytest.MonkeyPatch, removed: int
) -> None:
    class Killed(BaseException):
        pass

    fit(epochs=2)
    unlink, done = Path.unlink, []

    def unlink_and_die(path: Path, missing_ok: bool = False) -> None:
        if path.name not in (".lock", ".owner"):
            if len(done) == removed:
                raise Killed
            done.append(path)
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink_and_die)
        with pytest.raises(Killed):
            fit(epochs=2, seed=1, overwrite=True)
    fit(epochs=2, seed=1, overwrite=True)
    fit(epochs=2, seed=1, out=folder.with_name("whole"))
    assert weights(folder) == weights(folder.with_name("whole"))
    assert sorted(path.name for path in folder.iterdir()) == sorted(p.name for p in folder.with_name("whole").iterdir())


def test_overwriting_keeps_what_the_run_did_not_write(fit: Callable[..., Model], folder: Path) -> None:
    fit(epochs=1)
    mine = [folder / name for name in ("my.gif", "state-mine.pt", "samples/mine.png", "wandb/mine.txt", "notes/a.txt")]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    old = folder / "samples/epoch-0009.png"
    old.write_text("old")
    fit(epochs=1, overwrite=True)
    assert all(path.read_text() == "mine" for path in mine)
    assert not old.exists()


@pytest.mark.parametrize("name", ["log.txt", "samples", "metrics.csv"])
def test_nothing_is_written_through_links(fit: Callable[..., Model], folder: Path, name: str) -> None:
    fit(epochs=1)
    elsewhere = folder.with_name("elsewhere")
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    before = elsewhere.read_bytes() if elsewhere.is_file() else sorted(elsewhere.iterdir())
    with pytest.raises(OptionError, match=rf"{name}: a link, and the run would write through it"):
        fit(epochs=2)
    assert (elsewhere.read_bytes() if elsewhere.is_file() else sorted(elsewhere.iterdir())) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_files_keep_their_permissions(fit: Callable[..., Model], folder: Path) -> None:
    fit(epochs=1)
    for name in ("model.pt", "report.html", "metrics.csv"):
        (folder / name).chmod(0o600)
    fit(epochs=2)
    assert (folder / "model.pt").stat().st_mode & 0o777 == 0o600
    assert (folder / "metrics.csv").stat().st_mode & 0o777 == 0o600


# One newest state


@pytest.mark.parametrize("damage", ["missing", "earlier", "broken"])
def test_the_model_follows_from_the_newest_state(fit: Callable[..., Model], folder: Path, damage: str) -> None:
    fit(epochs=1)
    early = (folder / "model.pt").read_bytes()
    fit(epochs=3)
    expected = weights(folder)
    if damage == "missing":
        (folder / "model.pt").unlink()
    else:
        (folder / "model.pt").write_bytes(early if damage == "earlier" else early[:1000])
    notices = Notices()
    fit(epochs=3, reporter=notices)
    assert weights(folder) == expected
    assert notices.lines[0] == (
        f"{folder / 'model.pt'}: did not match the newest state, and is written again (update 15)"
    )
    assert "finished already" in notices.lines[1]
    again = Notices()
    fit(epochs=3, reporter=again)
    assert len(again.lines) == 1


def test_a_whole_run_is_only_read(fit: Callable[..., Model], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one on a disk that is read-only."""
    fit()

    def write(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("filelock.FileLock.acquire", write)
    monkeypatch.setattr("gentool.files.os.replace", write)
    fit()


def test_a_finished_run_without_states_is_not_trained_again(fit: Callable[..., Model], folder: Path) -> None:
    fit()
    before = weights(folder)
    for path in folder.glob("state-*.pt"):
        path.unlink()
    with pytest.raises(OptionError, match="finished, but its states are gone; give --overwrite to train again"):
        fit()
    assert weights(folder) == before


def test_a_state_of_another_run_is_not_taken(fit: Callable[..., Model], folder: Path) -> None:
    fit(epochs=3)
    fit(epochs=3, seed=7, out=folder.with_name("other"))
    expected = weights(folder)
    newest = max(folder.glob("state-*.pt"))
    newest.write_bytes(max(folder.with_name("other").glob("state-*.pt")).read_bytes())
    (folder / "result.json").unlink()
    notices = Notices()
    fit(epochs=3, reporter=notices)
    assert any(f"{newest}: belongs to another run (--seed was 7, is 0)" in line for line in notices.lines)
    assert weights(folder) == expected


def test_a_state_that_is_not_finite_is_not_taken(fit: Callable[..., Model], folder: Path) -> None:
    fit(epochs=3)
    expected = weights(folder)
    newest = max(folder.glob("state-*.pt"))
    header, content = checkpoint.load(newest, "state")
    next(iter(content["model"]["weights"].values())).view(-1)[0] = float("nan")
    checkpoint.save(newest, "state", header, content)
    (folder / "result.json").unlink()
    notices = Notices()
    fit(epochs=3, reporter=notices)
    assert any("holds values that are NaN or infinite; trying the one before it" in line for line in notices.lines)
    assert weights(folder) == expected


def test_a_damaged_state_does_not_push_out_a_good_one(fit: Callable[..., Model], folder: Path) -> None:
    fit(epochs=2)
    older, newest = sorted(folder.glob("state-*.pt"))
    newest.write_bytes(b"broken")
    fit(epochs=3)  # from the older one: epochs 2 and 3
    assert [path.name for path in sorted(folder.glob("state-*.pt"))] == ["state-000000010.pt", "state-000000015.pt"]
    assert all(checkpoint.load(path, "state") for path in folder.glob("state-*.pt"))
    assert older.name == "state-000000005.pt"


# metrics.csv


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("1", "7", 1), lambda text: text[: len(text) // 2], lambda text: "",
        lambda text: "\n".join(text.splitlines()[:1]), lambda text: text.replace(",", ";"), lambda text: "\x00" + text,
    ],
)  # fmt: skip
def test_damaged_rows_are_written_again(fit: Callable[..., Model], folder: Path, damage: Callable[[str], str]) -> None:
    fit(epochs=2)
    text = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(damage(text))
    notices = Notices()
    fit(epochs=3, reporter=notices)
    assert (folder / "metrics.csv").read_text().startswith(text)
    assert len((folder / "metrics.csv").read_text().splitlines()) == 4
    assert any("metrics.csv: was damaged, and is written again from the state" in line for line in notices.lines)


def test_rows_after_the_state_are_no_damage(fit: Callable[..., Model], folder: Path) -> None:
    fit(epochs=2)
    text = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(text + text.splitlines()[-1] + "\n")
    notices = Notices()
    fit(epochs=3, reporter=notices)
    assert len((folder / "metrics.csv").read_text().splitlines()) == 4
    assert not any("damaged" in line for line in notices.lines)


@pytest.mark.parametrize("text", ["epoch,loss\n1,x\n", "epoch,loss\n1\n", "epoch,loss\n1,2,3\n", "\xff\xfe\n1\n"])
def test_a_table_that_is_none_is_one_line(
    cli: Callable[..., Outcome], fit: Callable[..., Model], folder: Path, text: str
) -> None:
    fit(epochs=1)
    (folder / "metrics.csv").write_bytes(text.encode("latin-1"))
    done = cli("report", folder)
    assert done.code == 4
    assert done.err.count("\n") == 1
    assert "metrics.csv: damaged" in done.err


def test_columns_that_come_later(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.csv")
    file.append({"epoch": 1, "a": 0.1})
    file.append({"epoch": 2, "a": 0.2, "b": 3})
    file.append({"epoch": 3, "b": 4})
    assert (tmp_path / "metrics.csv").read_text() == "epoch,a,b\n1,0.1,\n2,0.2,3\n3,,4\n" == file.text()
    assert MetricsFile(tmp_path / "metrics.csv").numbers() == file.numbers()
    file.truncate(1)
    assert (tmp_path / "metrics.csv").read_text() == "epoch,a\n1,0.1\n"


# NaN


def test_finite_looks_everywhere() -> None:
    assert finite({"a": [torch.ones(2), {"b": torch.zeros(0)}], "c": 3, "d": "x", "e": torch.tensor([1])})
    assert not finite({"a": [torch.ones(2), {"b": torch.tensor([1.0, float("inf")])}]})
    assert finite(torch.nn.Linear(2, 2))


def test_an_average_that_is_not_finite_is_not_saved(
    fit: Callable[..., Model], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(epochs=1, ema=0.9)
    before = weights(folder)
    update = EMA.update

    def spoil(average: EMA[Any]) -> None:
        update(average)
        next(average.network.parameters()).data.view(-1)[0] = float("nan")

    monkeypatch.setattr(EMA, "update", spoil)
    with pytest.raises(Diverged, match="weights became NaN or infinite in epoch 2"):
        fit(epochs=2, ema=0.9)
    assert weights(folder) == before


def test_nothing_is_saved_when_a_broken_run_is_stopped(
    fit: Callable[..., Model], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Run.record

    def spoil_and_stop(run: Run, terms: Any) -> None:
        record(run, terms)
        if run.step == 6:
            with torch.no_grad():
                next(run.parts["vae"].parameters()).view(-1)[0] = float("nan")
            run.stop.requested = True

    monkeypatch.setattr(Run, "record", spoil_and_stop)
    with pytest.raises(Diverged, match="weights became NaN or infinite"):
        fit(epochs=3)
    assert [path.name for path in folder.glob("state-*.pt")] == ["state-000000005.pt"]


def test_losses_on_the_validation_images_are_checked(
    fit: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = Run.record_validation

    def spoil(run: Run, terms: Any) -> None:
        validate(run, {**terms, "loss": float("nan")})

    monkeypatch.setattr(Run, "record_validation", spoil)
    with pytest.raises(
        Diverged, match="validation_loss became NaN or infinite in epoch 1, update 5; nothing was saved yet"
    ):
        fit(epochs=1)


# Signals


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_closed_terminal_stops_as_sigterm_does(
    fit: Callable[..., Model], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Run.record

    def hang_up(run: Run, terms: Any) -> None:
        record(run, terms)
        if run.step == 6:
            signal.raise_signal(signal.SIGHUP)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "record", hang_up)
        with pytest.raises(Stopped):
            fit(epochs=3)
    assert max(folder.glob("state-*.pt")).name == "state-000000007.pt"
    fit(epochs=3)


def test_a_table_that_is_damaged_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,loss\n1,x\n")
    with pytest.raises(CheckpointError, match="damaged: row 1 has 'x' in column loss"):
        MetricsFile(tmp_path / "metrics.csv")
