"""Sweeps whose runs are jobs of submitit: on this machine, and of a Slurm that is imitated by a script."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gentool.engine.folder import owned
from gentool.jobs import sbatch_options
from gentool.seq2seq.sweep_cells import Cell

pytestmark = pytest.mark.skipif(os.name == "nt", reason="submitit does not run on Windows")
submitit = pytest.importorskip("submitit", reason="needs the extra cluster")

TINY = ["--max-operand", 9, "--hidden", "8,16", "--embedding", 8, "--steps", 4, "--device", "cpu", "--amp", "off"]
STAND_IN = r"""#!/bin/bash
# Slurm on one machine: a job is the process of its srun. ID.state and ID.pid are in the folder of this script.
here=$(dirname "$0")
case $(basename "$0") in
sbatch)
    if grep -q 'partition=nowhere' "$1"; then
        echo "sbatch: error: invalid partition specified: nowhere" >&2
        exit 1
    fi
    limit=$(cat "$here/limit" 2> /dev/null)
    if [ "$limit" = none ] || { [ "$limit" = one ] && [ -e "$here/1.state" ] && [ ! -e "$here/refused" ]; }; then
        touch "$here/refused"
        echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2
        exit 1
    fi
    id=$(($(ls "$here" | grep -c 'state$') + 1))
    cp "$1" "$here/$id.sh"
    if [ -e "$here/full" ]; then echo PENDING > "$here/$id.state"; else
        echo RUNNING > "$here/$id.state"
        export SLURM_JOB_ID=$id SLURM_NTASKS=1 SLURM_PROCID=0 SLURM_JOB_NUM_NODES=1
        {
            bash "$1" && end=COMPLETED || end=FAILED
            grep -q RUNNING "$here/$id.state" && echo $end > "$here/$id.state"
        } > /dev/null 2>&1 &
    fi
    echo "Submitted batch job $id" ;;
srun)
    while [[ $1 == --* ]]; do
        case $1 in
        --output) exec 1>> "$(echo "$2" | sed "s/%j/$SLURM_JOB_ID/; s/%t/0/")"; shift ;;
        --error) exec 2>> "$(echo "$2" | sed "s/%j/$SLURM_JOB_ID/; s/%t/0/")"; shift ;;
        esac
        shift
    done
    echo $$ > "$here/$SLURM_JOB_ID.pid"
    exec "$@" ;;
sacct)
    echo "JobID|State|NodeList"
    for file in "$here"/*.state; do echo "$(basename "$file" .state)|$(cat "$file")|here"; done ;;
squeue)
    cat "$here/$3.state" ;;
scancel)
    id=${!#}
    if [ $# = 1 ]; then echo "CANCELLED by 0" > "$here/$id.state"; fi
    if [ -e "$here/$id.pid" ]; then kill -TERM "$(cat "$here/$id.pid")"; fi ;;
esac
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the imitated Slurm, which is first on the PATH."""
    folder = tmp_path / "stand-in"
    folder.mkdir()
    for name in ("sbatch", "srun", "sacct", "squeue", "scancel"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    submitit.SlurmJob.watcher.clear()  # it remembers the jobs of earlier tests, which have the same numbers
    return folder


@pytest.fixture(params=["local", "slurm"])
def cluster(request: pytest.FixtureRequest, slurm: Path) -> str:
    """Each cluster."""
    return str(request.param)


def sweep(*words: object) -> list[object]:
    return ["seq2seq", "sweep", "text2text", *words, "--out", "swept"]


def scores(folder: Path) -> list[dict[str, str]]:
    with (folder / "runs.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def test_jobs_train_what_processes_train(cli: Callable, slurm: Path, tmp_path: Path) -> None:
    assert cli(*sweep(*TINY)).code == 0
    expected = scores(Path("swept"))
    assert len(expected) == 2
    for name, more in {"local": [], "slurm": ["--cluster-options", "partition=small,exclusive,time=1:00:00"]}.items():
        words = [*sweep(*TINY, "--jobs", 2, "--cluster", name, *more)[:-1], name]
        done = cli(*words)
        assert done.code == 0, done.err
        assert done.out == f"{name}\n"
        assert f"{name}: 2 runs of text2text, 2 at a time, as jobs ({name}) whose logs are in {name}/jobs" in done.err
        assert scores(Path(name)) == expected
        assert [path.name for path in (tmp_path / name / "jobs").iterdir()] == ["1"]
        logs = [path.read_text() for path in (tmp_path / name / "jobs" / "1").glob("*_0_log.err")]
        assert len([log for log in logs if "gentool seq2seq train text2text" in log]) == 2
        assert cli(*words).code == 0
        assert [path.name for path in (tmp_path / name / "jobs").iterdir()] == ["1"], "finished runs need no job"
    script = (slurm / "1.sh").read_text()
    for line in (
        "partition=small",
        "exclusive",
        "time=1:00:00",
        "no-requeue",
        "signal=USR2@90",
        "job-name=device=cpu,",
    ):
        assert f"#SBATCH --{line}" in script
    assert sorted(path.name for path in tmp_path.iterdir()) == ["local", "slurm", "stand-in", "swept"]


IMITATED = """
import json, pathlib, signal, sys, time
from gentool.signals import stop_with_input
folder, seed, code = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
def save(number, frame):
    (folder / "saved").touch()
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
stop_with_input()
folder.mkdir(exist_ok=True)
with (folder / "starts").open("a") as file:
    print(*sys.argv[4:], file=file)
if seed == 1:
    sys.exit(print("gentool: loss became NaN", file=sys.stderr) or code)
while code == 0 and not (folder / "saved").exists():
    time.sleep(0.02)
(folder / "result.json").write_text(json.dumps({"epoch": 1, "seconds": 2, "test_exact_match": 0.5}))
"""


@pytest.fixture
def imitated(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`imitated(5)`: trainings end well, but with exit code 5 for the seed 1; with 0 only once they were stopped."""

    def imitate(code: int) -> None:
        def words(task: str, cell: Cell, folder: Path, overwrite: bool) -> list[str]:
            more = ["--overwrite"] if overwrite else []
            return [sys.executable, "-c", IMITATED, str(folder), str(cell.seed), str(code), *more]

        monkeypatch.setattr("gentool.seq2seq.sweeps.command", words)

    return imitate


def meanwhile(file: Path, act: Callable[[], object]) -> threading.Thread:
    """Act once a file is there and has text: it is created before it is written."""

    def wait_and_act() -> None:
        until = time.monotonic() + 30
        while not (file.exists() and file.stat().st_size) and time.monotonic() < until:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def stop_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_that_diverges_is_noted(cli: Callable, cluster: str, imitated: Callable) -> None:
    imitated(5)
    done = cli(*sweep("--repeats", 3, "--jobs", 3, "--cluster", cluster))
    assert done.code == 5, done.err
    assert "seed=1: diverged (loss became NaN)" in done.err
    assert [row["diverged"] for row in scores(Path("swept"))] == ["", "1", ""]


def test_a_run_that_fails_is_named(cli: Callable, cluster: str, imitated: Callable) -> None:
    imitated(4)
    done = cli(*sweep("--repeats", 2, "--cluster", cluster))
    assert done.code == 1, done.err
    assert done.err.splitlines()[-1] == "gentool: seed=1: ended with exit code 4: loss became NaN"


def test_a_sweep_that_is_stopped_lets_its_jobs_save(cli: Callable, cluster: str, imitated: Callable) -> None:
    imitated(0)
    words = sweep("--repeats", 1, "--cluster", cluster)
    stopping = meanwhile(Path("swept/seed=0/starts").absolute(), stop_this_process)
    done = cli(*words)
    stopping.join()
    assert done.code == 75, done.err
    said = done.err.splitlines()[-1]
    assert said == "gentool: swept: stopped with 1 run left; run the same command again to continue"
    assert Path("swept/seed=0/saved").exists()
    assert not Path("swept/seed=0/result.json").exists()
    assert cli(*words).code == 0
    assert sorted(path.name for path in Path("swept/jobs").iterdir()) == ["1", "2"]


def test_a_real_training_is_stopped_and_continues(cli: Callable, tmp_path: Path) -> None:
    """By Ctrl-C in a terminal, which every process that is started from it receives."""
    words = [*TINY, "--hidden", 8, "--steps", 800, "--cluster", "local"]
    assert cli(*sweep(*words[:-2])).code == 0
    command = [sys.executable, "-m", "gentool", *map(str, sweep(*words)[:-1]), str(tmp_path / "parts")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not any((tmp_path / "parts").glob("*/metrics.csv")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1].strip().splitlines()[-1]
    assert said == f"gentool: {tmp_path}/parts: stopped with 1 run left; run the same command again to continue"
    assert process.returncode == 75
    assert any((tmp_path / "parts").glob("*/state-*.pt"))
    assert cli(*command[3:]).code == 0
    assert scores(tmp_path / "parts") == scores(Path("swept"))
    (log,) = (tmp_path / "parts").glob("*/log.txt")
    assert "resuming text2text" in log.read_text()


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2], ids=lambda number: str(number.name)
)
def test_a_job_that_slurm_stops_is_continued_by_another(
    cli: Callable, slurm: Path, imitated: Callable, number: signal.Signals
) -> None:
    """Preemption, and the signals before the time limit."""
    imitated(0)

    def stop_job() -> None:
        os.kill(int((slurm / "1.pid").read_text()), number)

    stopping = meanwhile(Path("swept/seed=0/starts").absolute(), stop_job)
    done = cli(*sweep("--cluster", "slurm", "--overwrite"))
    stopping.join()
    assert done.code == 0, done.err
    assert Path("swept/seed=0/starts").read_text() == "--overwrite\n\n", "the second job goes on"
    assert (slurm / "2.state").exists()


def test_a_job_that_is_cancelled_ends_the_sweep(cli: Callable, slurm: Path, imitated: Callable) -> None:
    imitated(0)
    cancelling = meanwhile(Path("swept/seed=0/starts").absolute(), lambda: subprocess.run(["scancel", "1"], check=True))
    done = cli(*sweep("--cluster", "slurm"))
    cancelling.join()
    assert (done.code, done.err.splitlines()[-1][:40]) == (75, "gentool: swept: stopped with 1 run left;")
    assert not (slurm / "2.state").exists()


def test_jobs_that_wait_are_cancelled(cli: Callable, slurm: Path, imitated: Callable) -> None:
    imitated(0)
    (slurm / "full").touch()
    stopping = meanwhile(slurm / "1.state", stop_this_process)
    done = cli(*sweep("--repeats", 2, "--cluster", "slurm"))
    stopping.join()
    assert (done.code, done.err.splitlines()[-1][:41]) == (75, "gentool: swept: stopped with 2 runs left;")
    assert (slurm / "1.state").read_text().startswith("CANCELLED")
    assert not (slurm / "2.state").exists()


def test_a_job_that_is_lost_is_named_with_its_log(cli: Callable, cluster: str, slurm: Path, imitated: Callable) -> None:
    imitated(0)
    monkey = pytest.MonkeyPatch()
    monkey.setattr(submitit.SlurmJob, "_results_timeout_s", 0)

    def kill() -> None:
        if cluster == "slurm":
            os.kill(int((slurm / "1.pid").read_text()), signal.SIGKILL)
        else:
            (file,) = Path("swept/jobs/1").absolute().glob("*_submitted.pkl")
            controller = file.name.partition("_")[0]
            task = subprocess.run(["pgrep", "-P", controller], capture_output=True, text=True, check=True).stdout
            os.kill(int(task), signal.SIGKILL)

    with monkey.context():
        killing = meanwhile(Path("swept/seed=0/starts").absolute(), kill)
        done = cli(*sweep("--cluster", cluster))
        killing.join()
    assert done.code == 1, done.err
    said = done.err.splitlines()[-1]
    assert said.startswith("gentool: seed=0: its job ")
    assert said.endswith("_0_log.err")
    assert ("(FAILED)" in said) == (cluster == "slurm")
    assert Path(said.rpartition("see ")[2]).is_file()
    while not Path("swept/seed=0/saved").exists():
        time.sleep(0.02)


def test_a_run_that_another_job_still_trains_is_named(cli: Callable) -> None:
    words = sweep("--max-operand", 9, "--steps", 2, "--cluster", "local")
    with owned(Path("swept/steps=2,max-operand=9,seed=0"), print):
        Path("swept/sweep.json").write_text(
            json.dumps({"task": "text2text", "options": {"max_operand": "9", "steps": "2"}, "seed": 0, "repeats": 1})
        )
        done = cli(*words)
    assert done.code == 1, done.err
    assert "seed=0: ended with exit code 2: swept/steps=2,max-operand=9,seed=0: process" in done.err
    assert "is training here; wait until it ends" in done.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cluster-options", "time=5"], "--cluster-options: only with --cluster slurm"),
        (["--cluster", "local", "--cluster-options", "time=5"], "--cluster-options: only with --cluster slurm"),
        (["--cluster", "slrm"], "--cluster: 'slrm' is not one of 'slurm', 'local'."),
        (
            ["--cluster", "slurm", "--cluster-options", "time:5"],
            "--cluster-options: 'time:5': expected long sbatch options such as partition=gpu,time=4:00:00,gpus=1",
        ),
        (
            ["--cluster", "slurm", "--cluster-options", "ntasks=2"],
            "--cluster-options: 'ntasks=2': gentool sets ntasks itself",
        ),
        (
            ["--cluster", "slurm"],
            "--cluster slurm: there is no sbatch on the PATH; run this where you submit jobs to Slurm",
        ),
        (
            ["--cluster", "local", "--out", "50%"],
            "--out 50%: Slurm and submitit give % a meaning; choose a folder without it",
        ),
    ],
    ids=str,
)
def test_what_is_refused_is_refused_before_anything_is_written(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.setenv("PATH", "")
    done = cli("seq2seq", "sweep", "text2text", *words)
    assert (done.code, done.err) == (2, f"gentool: {message}\n")
    assert not list(Path().iterdir())


def test_sbatch_refuses(cli: Callable, slurm: Path, imitated: Callable) -> None:
    imitated(0)
    done = cli(*sweep("--cluster", "slurm", "--cluster-options", "partition=nowhere"))
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "gentool: --cluster slurm: sbatch refused the job of seed=0: "
        "sbatch: error: invalid partition specified: nowhere"
    )


def test_a_limit_on_jobs_is_waited_for(
    cli: Callable, slurm: Path, imitated: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitated(5)
    (slurm / "limit").write_text("one")
    monkeypatch.setattr("gentool.jobs.SUBMIT_AGAIN_SECONDS", 0.05)
    done = cli(*sweep("--cluster", "slurm", "--jobs", 3, "--repeats", 3))
    assert done.code == 5, done.err
    assert len(scores(Path("swept"))) == 3
    assert {re.sub(r"seed=\d", "seed=N", line) for line in done.err.splitlines() if "refused" in line} == {
        "sbatch refused the job of seed=N: sbatch: error: QOSMaxSubmitJobPerUserLimit; "
        "trying again while other jobs are running"
    }
    (slurm / "limit").write_text("none")
    done = cli(*sweep("--cluster", "slurm", "--jobs", 3, "--repeats", 3, "--overwrite"))
    assert done.code == 2
    assert "gentool: --cluster slurm: sbatch refused the job of seed=" in done.err


@pytest.mark.parametrize("words", [["seq2seq", "sweep", "text2text"], ["compare", "--train", "vae"]], ids=" ".join)
def test_without_submitit(cli: Callable, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr("gentool.jobs.find_spec", lambda name: None)
    done = cli(*words, "--cluster", "local")
    assert done.code == 2
    assert done.err.splitlines()[-1] == ("gentool: --cluster local: needs another package: pip install submitit")
    assert not list(Path().iterdir())


def test_options_of_sbatch_with_commas_stand_in_quotes() -> None:
    assert sbatch_options('gpus=1,"nodelist=a1,a2",exclusive') == ("gpus=1", "nodelist=a1,a2", "exclusive")
