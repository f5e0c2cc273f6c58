"""Several processes compute what one would, and stop, end and resume together.

Some are started by torchrun, as a user does. The others are forked from this process, which has imported everything.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import torch
import torch.distributed as dist
from torch import nn

from gentool.engine import checkpoint
from gentool.engine.run import Run
from gentool.engine.world import World, WorldBatchNorm
from tests.attack.kills import import_all
from tests.attack.processes import run_in_child
from tests.conftest import TINY

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available() and sys.platform == "linux"), reason="needs gloo and Linux"
)

COMMON = ["--batch-size", 64, "--amp", "off", "--device", "cpu"]
DIGITS = ["--data", "digits", *COMMON, "--steps", 20]
COMMANDS: dict[str, list[object]] = {
    **{name: ["train", name, *DIGITS, *options] for name, options in TINY.items()},
    "batch norm": ["train", "gan", *DIGITS, *TINY["gan"], "--norm", "batch", "--augment", "flip,color,translation"],
    "mlp gan": ["train", "gan", *DIGITS, "--arch", "mlp", "--hidden", "16,32", "--discriminator-hidden", 16,
                "--keep", "best"],
    "wgan-gp": ["train", "cgan", *DIGITS, *TINY["cgan"], "--loss", "wgan-gp", "--norm", "none", "--critic-steps", 2],
    "flip and zoom": ["train", "vae", *DIGITS, *TINY["vae"], "--flip", "--zoom", 0.2],
    "learnt mixture": ["train", "vae", *DIGITS, *TINY["vae"], "--prior", "mixture", "--components", 6],
    "vamp": ["train", "vae", *DIGITS, *TINY["vae"], "--prior", "vamp", "--components", 7, "--iwae", 2],
    "uneven": ["train", "cae", *DIGITS, *TINY["cae"], "--batch-size", 50],
    "text2text": [
        "seq2seq", "train", "text2text", "--max-operand", 9, "--hidden", 16, "--embedding", 8, "--dropout", 0,
        "--steps", 20, *COMMON,
    ],
}  # fmt: skip
IN_FOUR = ("lstm-ae", "cgan", "flow", "batch norm", "uneven", "text2text")
"""Those that also run in four processes."""
GENTOOL = ("-m", "gentool")
LONG: list[object] = ["train", "vae", "--data", "digits", *TINY["vae"], *COMMON, "--epochs", 25]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def start(count: int, *words: object) -> "subprocess.Popen[str]":
    """A script or `-m gentool` in several processes."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", count, "--master-addr", "127.0.0.1"]
    command = [sys.executable, *launcher, "--master-port", free_port(), *words]
    return subprocess.Popen(
        [str(word) for word in command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip


def messages(text: str) -> list[str]:
    """The lines of gentool's, among those of torchrun."""
    return [line for line in text.splitlines() if line.startswith("gentool: ")]


def forked(count: int, folder: Path, *words: object) -> tuple[list[int], str]:
    """The exit codes and messages of processes that run a command as under torchrun, forked from this one.

    Once one fails, the others get SIGTERM, as from torchrun, which looks every tenth of a second.
    """
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "TORCHELASTIC_RUN_ID": "test"}
    common |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(count))
    logs = [folder / f"log-{rank}" for rank in range(count)]

    def begin(rank: int) -> list[str]:
        os.environ.update(common, RANK=str(rank), LOCAL_RANK=str(rank))
        for stream, path in (1, os.devnull), (2, logs[rank]):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        return [str(word) for word in words]

    def run(rank: int) -> NoReturn:
        code = run_in_child(lambda: begin(rank))
        if dist.is_initialized():
            dist.destroy_process_group()
        os._exit(code)

    import_all()
    running = {os.fork() or run(rank): rank for rank in range(count)}
    codes, failed = [0] * count, False
    while running:
        for child in list(running):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                codes[running.pop(child)] = os.waitstatus_to_exitcode(status)
                failed = failed or status != 0
        time.sleep(0.1)
        for other in running if failed else ():
            os.kill(other, signal.SIGTERM)
    return codes, "".join(path.read_text() for path in logs)


def ran(count: int, folder: Path, *words: object) -> str:
    """The messages of a command that several processes complete."""
    codes, text = forked(count, folder, *words)
    assert codes == [0] * count, text
    return text


def weights(folder: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = checkpoint.load(folder / "model.pt", "model")[1]["weights"]
    return loaded


def rows(folder: Path) -> list[str]:
    """metrics.csv without its last two columns, which are times."""
    return [line.rsplit(",", 2)[0] for line in (folder / "metrics.csv").read_text().splitlines()]


@pytest.mark.parametrize(
    ("count", "name"), [*((2, name) for name in COMMANDS), *((4, name) for name in IN_FOUR)]
)  # fmt: skip
def test_several_processes_compute_what_one_does(count: int, name: str, tmp_path: Path, cli: Any) -> None:
    assert f"{count} processes" in ran(count, tmp_path, *COMMANDS[name], "--out", tmp_path / "several")
    assert cli(*COMMANDS[name], "--out", tmp_path / "one").code == 0
    # Batch norm: Adam makes whole steps of gradients near 0, and these are rounded in another way.
    near = 1e-3 if name == "batch norm" else 1e-5
    torch.testing.assert_close(weights(tmp_path / "several"), weights(tmp_path / "one"), rtol=0, atol=near)
    columns, *expected = rows(tmp_path / "one")
    assert ("sample_fid" in columns) == ("--keep" in COMMANDS[name])
    for one, other in zip(expected, rows(tmp_path / "several")[1:], strict=True):
        for column, a, b in zip(columns.split(","), one.split(","), other.split(","), strict=True):
            # Diversity and the entropy of classes are those of the rows of each process.
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-3 if column == "sample_fid" else 0.2)


def test_all_processes_have_one_order_of_a_set_on_the_disk(
    tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = COMMANDS["cae"]
    assert cli(*words, "--out", tmp_path / "memory").code == 0
    for name, value in ("images.IN_MEMORY", 0), ("disk.BLOCK", 512), ("disk.WINDOW", 10240):
        monkeypatch.setattr(f"gentool.data.{name}", value)
    ran(2, tmp_path, *words, "--out", tmp_path / "two")
    assert cli(*words, "--out", tmp_path / "one").code == 0
    torch.testing.assert_close(weights(tmp_path / "two"), weights(tmp_path / "one"), rtol=0, atol=1e-5)
    assert rows(tmp_path / "one") != rows(tmp_path / "memory")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training in two processes that nobody has stopped."""
    folder = tmp_path_factory.mktemp("whole")
    ran(2, folder, *LONG, "--out", folder / "run")
    return folder / "run"


@pytest.fixture
def training(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The same training, which has saved its first state."""
    process = start(2, *GENTOOL, *LONG, "--out", tmp_path / "run")
    while not list((tmp_path / "run").glob("state-*.pt")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def processes_of(folder: Path) -> list[int]:
    """The processes that train in a folder, without torchrun."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().decode(errors="replace").split("\0")
        if str(folder) in words and "torch.distributed.run" not in words:
            found.append(int(path.parent.name))
    return sorted(found)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_stop_reaches_all(
    number: signal.Signals, training: "subprocess.Popen[str]", whole: Path, tmp_path: Path
) -> None:
    if number is signal.SIGINT:
        os.killpg(training.pid, number)  # as a terminal does: to torchrun and to its processes
    else:
        training.send_signal(number)
    text = training.communicate(timeout=30)[1]
    assert len(messages(text)) == 1, text
    assert "stopped in epoch" in messages(text)[0]
    assert not processes_of(tmp_path / "run")
    assert "resuming" in ran(2, tmp_path, *LONG, "--out", tmp_path / "run")
    assert rows(tmp_path / "run") == rows(whole)
    torch.testing.assert_close(weights(tmp_path / "run"), weights(whole), rtol=0, atol=0)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_death_of_one_ends_all_and_any_number_goes_on(
    rank: int, training: "subprocess.Popen[str]", whole: Path, tmp_path: Path, cli: Any
) -> None:
    os.kill(processes_of(tmp_path / "run")[rank], signal.SIGKILL)
    text = training.communicate(timeout=30)[1]
    assert training.returncode == 1
    assert all("another process of this training has ended" in line for line in messages(text)), text
    assert text.count("Traceback") == 1, text  # that of torchrun
    assert not processes_of(tmp_path / "run")
    if rank:
        assert cli(*LONG, "--out", tmp_path / "run").code == 0
    else:
        ran(3, tmp_path, *LONG, "--out", tmp_path / "run")
    torch.testing.assert_close(weights(tmp_path / "run"), weights(whole), rtol=0, atol=1e-4)


def test_a_divergence_reaches_all(tmp_path: Path) -> None:
    words = ["train", "vae", "--data", "digits", "--lr", 10, *COMMON, "--out", tmp_path / "run"]
    codes, text = forked(2, tmp_path, *words)
    assert codes in ([5, 5], [5, 75]), "the second may be ended before it has found the same"
    assert len(messages(text)) == 1, text
    assert "became NaN or infinite" in messages(text)[0]


def test_a_finished_run_is_left_as_it_is(whole: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert ran(2, tmp_path, *LONG, "--out", whole).count("finished already") == 1
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sample", "vae", "x.pt"], 2, "torchrun: only train and seq2seq train can run in several processes"),
        ([*LONG, "--batch-size", 1], 2, "--batch-size 1: fewer images than processes (2)"),
        ([*LONG, "--compile"], 2, "--compile: not with several processes"),
        (["train", "vae", "--data", "nowhere"], 3, "'nowhere' is neither a data set nor a file"),
    ],
)
def test_mistakes_are_said_once(words: list[object], code: int, said: str, tmp_path: Path) -> None:
    more = [] if words[0] == "sample" else ["--out", tmp_path / "run"]
    codes, text = forked(2, tmp_path, *words, *more)
    assert code in codes
    assert set(codes) <= {code, 128 + signal.SIGTERM, -signal.SIGTERM}, (
        "one that had hardly begun is ended without a word"
    )
    assert len(messages(text)) == 1, text
    assert said in messages(text)[0]


def test_the_script_for_slurm(tmp_path: Path, cli: Any) -> None:
    """On two machines, which are this one twice."""
    stand_ins = {
        "scontrol": "echo 127.0.0.1",
        "srun": '[ "$SRUN_CPUS_PER_TASK" = 1 ] || exit 9; "$@" & "$@" & wait -n && wait -n',
        "torchrun": f'exec {sys.executable} -m torch.distributed.run "$@"',
    }
    for name, line in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{line}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "here,here", "SLURM_CPUS_PER_TASK": "1"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", ROOT / "examples/slurm.sh", *map(str, COMMANDS["cae"]), "--out", tmp_path / "two"],
        env={**os.environ, **slurm, "PATH": path, "PORT": str(free_port())},
        stderr=subprocess.PIPE, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stderr
    assert cli(*COMMANDS["cae"], "--out", tmp_path / "one").code == 0
    torch.testing.assert_close(weights(tmp_path / "two"), weights(tmp_path / "one"), rtol=0, atol=1e-5)


def test_the_rows_of_the_processes_are_all_rows_once() -> None:
    for count, size in ((64, 2), (64, 3), (50, 4), (7, 7), (12, 5)):
        parts = [World(rank, size).share(count) for rank in range(size)]
        assert [number for part in parts for number in range(count)[part]] == list(range(count))
        assert all(part.stop > part.start for part in parts)
        if count == 64:
            assert all(part.start % 4 == 0 for part in parts)


@pytest.mark.parametrize(
    ("plain", "shape"), [(nn.BatchNorm2d(3), (8, 3, 5, 4)), (nn.BatchNorm1d(3), (8, 3))], ids=["2d", "1d"]
)
def test_batch_norm_of_one_process_is_that_of_pytorch(
    plain: nn.BatchNorm1d | nn.BatchNorm2d, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.distributed.all_reduce", lambda tensor: None)
    x = torch.randn(shape, requires_grad=True)
    own = WorldBatchNorm(3)
    weight = torch.randn(shape)
    for norm in (own, plain):
        with torch.no_grad():
            assert norm.weight is not None
            norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    grads = [torch.autograd.grad((norm(x) * weight).sum(), [x, *norm.parameters()]) for norm in (own, plain)]
    torch.testing.assert_close(own(x), plain(x))
    torch.testing.assert_close(grads[0], grads[1])
    torch.testing.assert_close(own.state_dict(), plain.state_dict())


def test_each_process_draws_dropout_of_its_own() -> None:
    def drawn(world: World) -> torch.Tensor:
        settings = SimpleNamespace(seed=0, compile=False)
        run = SimpleNamespace(world=world, options=settings, step=3, device=torch.device("cpu"), optimizers=[])
        Run._begin_update(run)  # type: ignore[arg-type]
        return torch.rand(3)

    assert torch.equal(drawn(World(0, 2)), drawn(World()))
    assert not torch.equal(drawn(World(1, 2)), drawn(World()))
    assert not torch.equal(drawn(World(1, 2)), drawn(World(2, 3)))
