"""Commands as jobs of a cluster, which submitit submits.

Every job imports this module, so it imports no torch.
"""

import contextlib
import itertools
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Lock
from types import FrameType, TracebackType
from typing import Any, ClassVar, Literal, Self

from gentool.errors import GentoolError, OptionError, Stopped
from gentool.options import Validated, option, words
from gentool.processes import Ended, last_line, threads_for
from gentool.progress import SILENT, Reporter
from gentool.signals import STOPS_WITH_INPUT

OWN_SBATCH_OPTIONS = (
    "array", "error", "job-name", "no-requeue", "nodes", "ntasks", "ntasks-per-node", "open-mode", "output", "requeue",
    "signal",
)  # fmt: skip
"""The options of sbatch that gentool sets itself: a run is one process, and gentool continues it."""
STOPPING = ("SIGTERM", "SIGUSR1", "SIGUSR2")
"""What Slurm sends before it ends a job: SIGTERM, or what submitit asks for 90 seconds before the time limit."""
UNDER_WAY = ("", "COMPLETING", "PENDING", "REQUEUED", "RUNNING", "UNKNOWN")
ACCOUNTING_SECONDS = 30.0
"""How long Slurm's accounting may take to know how a job has ended."""
CORES_FOR_SRUN = '[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"'
"""Since Slurm 22.05, srun no longer takes --cpus-per-task from sbatch."""
LONGEST_LOCAL_MINUTES = 10 * 365 * 24 * 60
"""The time limit of a local job. The default of submitit, 2 minutes, is too short for a training."""
POLL_SECONDS = {"local": 0.2, "slurm": 1.0}
"""Between two looks for the result of a job, which may be on a file system of the network."""
SUBMIT_AGAIN_SECONDS = 30.0
"""Between two tries to submit a job that sbatch has refused, such as for a limit on the jobs of a user."""
ASK_AGAIN_SECONDS = 5.0
"""A job that is about to begin does not hear a request to stop, so it is repeated."""
FOLDER = "jobs"


def sbatch_options(text: str) -> tuple[str, ...]:
    """`partition=gpu,time=4:00:00,exclusive` as its parts; one with a comma stands in quotes. Raises ValueError."""
    parts = words(text)
    for part in parts:
        name = part.partition("=")[0]
        if not re.fullmatch(r"[a-z][a-z0-9-]*(=.+)?", part):
            raise ValueError("expected long sbatch options such as partition=gpu,time=4:00:00,gpus=1")
        if name in OWN_SBATCH_OPTIONS:
            raise ValueError(f"gentool sets {name} itself")
    return parts


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(Validated):
    """Where runs are trained."""

    panel: ClassVar[str] = "Cluster"

    cluster: Literal["slurm", "local"] | None = option(
        None,
        "Train each run as a separate job: with Slurm, or on this machine to try it out (local).",
        default_text="no jobs",
    )
    cluster_options: tuple[str, ...] | None = option(
        None,
        "sbatch options for each job, such as partition=gpu,time=4:00:00,gpus=1.",
        metavar="NAME=VALUE[,...]",
        parse=sbatch_options,
        only_with={"cluster": "slurm"},
    )

    def check_cluster(self, folder: Path) -> None:
        """Raises OptionError where there is no such cluster, submitit is not installed, or the folder has a `%`."""
        if self.cluster is None:
            return
        if os.name == "nt":
            raise OptionError(f"--cluster {self.cluster}: not on Windows")
        if find_spec("submitit") is None:
            raise OptionError(f"--cluster {self.cluster}: needs another package: pip install submitit")
        missing = [program for program in ("sbatch", "srun") if self.cluster == "slurm" and not shutil.which(program)]
        if missing:
            raise OptionError(
                f"--cluster slurm: there is no {missing[0]} on the PATH; run this where you submit jobs to Slurm"
            )
        if "%" in str(folder.absolute()):
            raise OptionError(f"--out {folder}: Slurm and submitit give % a meaning; choose a folder without it")


class Jobs:
    """Runs commands as jobs, `at_a_time` at a time. submitit's files are in FOLDER/jobs/1, 2, ... for each use."""

    def __init__(self, options: ClusterOptions, folder: Path, at_a_time: int, *, reporter: Reporter = SILENT) -> None:
        self.options, self.folder, self.at_a_time, self.reporter = options, folder, at_a_time, reporter
        self.under_way = 0
        self.poll = POLL_SECONDS[str(options.cluster)]
        self.where = f", as jobs ({options.cluster}) whose logs are in {folder / FOLDER}"
        self.stopped, self.lock = Event(), Lock()
        self.environment: dict[str, str | None] = {}
        if options.cluster == "local":  # submitit hides the GPUs of this machine
            hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
            self.environment = {"OMP_NUM_THREADS": threads_for(at_a_time), "CUDA_VISIBLE_DEVICES": hidden}

    def __enter__(self) -> Self:
        import submitit

        logging.getLogger("submitit").handlers.clear()  # they write to stdout; warnings still go to stderr
        place = next(
            place for number in itertools.count(1) if not (place := self.folder / FOLDER / str(number)).exists()
        )
        place.mkdir(parents=True)  # a new one: job numbers come again, and nobody else's pickles are read
        self.executor: submitit.LocalExecutor | submitit.SlurmExecutor
        if self.options.cluster == "local":
            self.executor = submitit.LocalExecutor(place)
            self.executor.update_parameters(timeout_min=LONGEST_LOCAL_MINUTES)
        else:
            given: dict[str, str | bool] = {"no_requeue": True}
            for part in self.options.cluster_options or ():
                name, equals, value = part.partition("=")
                given[name.replace("-", "_")] = value if equals else True
            self.executor = submitit.SlurmExecutor(place)
            self.executor.update_parameters(  # None is the cluster's own default, where submitit has another one
                time=None, wckey=None, setup=[CORES_FOR_SRUN], additional_parameters=given
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def run(self, name: str, command: Sequence[str], *, continues: bool = True) -> Ended | None:
        """Run a command in a job to its end, and in further jobs where Slurm stops it: at a time limit, by preemption.

        `continues`: the command goes on from where it was stopped. Returns None after `stop` for a command that was not
        started or did not end by itself. A job that sbatch refuses is submitted again while others are under way, since
        the cluster may limit their number. Raises OptionError where sbatch refuses a job and there are no others,
        GentoolError where a job is lost, which names its log, and where Slurm stops one that does not continue.
        """
        # Ctrl-C and the end of a terminal reach every process that is started from it; jobs are asked by `stop`.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        while True:
            job = self._submit(name, command)
            if job is None:
                return None
            try:
                ended = self._ended(name, job)
            finally:
                with self.lock:
                    self.under_way -= 1
            if ended is None or ended.code != Stopped.exit_code or not self._was_stopped_by_slurm(job):
                return ended
            if not continues:
                raise GentoolError(f"{name}: Slurm stopped its job; give it more time in --cluster-options")
            command = [word for word in command if word != "--overwrite"]

    def stop(self) -> None:
        """Let the commands under way save and end, and start no other."""
        with self.lock:
            self.stopped.set()

    def _submit(self, name: str, command: Sequence[str]) -> Any:
        """The job of a command; None after `stop`."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        refused = ""
        while True:
            with self.lock:
                if self.stopped.is_set():
                    return None
                if self.options.cluster == "slurm":
                    self.executor.update_parameters(job_name=name)
                try:
                    job = self.executor.submit(run_in_job, list(command), self.environment)
                except (FailedJobError, FailedSubmissionError) as error:
                    said = f"sbatch refused the job of {name}: {' '.join(str(error).split())}"
                    if not self.under_way:
                        raise OptionError(f"--cluster slurm: {said}") from None
                    if said != refused:
                        self.reporter.notice(f"{said}; trying again while other jobs are running")
                    refused = said
                else:
                    self.under_way += 1
                    return job
            self.stopped.wait(SUBMIT_AGAIN_SECONDS)

    def _ended(self, name: str, job: Any) -> Ended | None:
        """How the command of a job has ended; None after `stop` for one that did not begin, or was lost."""
        from submitit.core.utils import UncompletedJobError

        asked = float("-inf")
        while not self._is_done(job, force=False):
            if self.stopped.is_set() and time.monotonic() - asked >= ASK_AGAIN_SECONDS:
                if self._is_done(job, force=True):
                    break
                if not self._ask_to_stop(job):
                    return None
                asked = time.monotonic()
            time.sleep(self.poll)
        local = self.options.cluster == "local"
        with contextlib.suppress(UncompletedJobError):
            if not local or job.paths.result_pickle.exists():  # submitit waits for the file, which may be far away
                return Ended(*job.result())
        if self.stopped.is_set():
            return None
        state = "" if local else f" ({job.state})"
        raise GentoolError(f"{name}: its job {job.job_id} ended without a result{state}; see {job.paths.stderr}")

    def _is_done(self, job: Any, force: bool) -> bool:
        with self.lock:  # what submitit knows of the jobs is shared by all threads
            return bool(job.done(force_check=force)) or job.state == "PREEMPTED"  # which submitit takes for requeued

    def _was_stopped_by_slurm(self, job: Any) -> bool:
        """Whether a job was stopped that neither `stop` nor a person with scancel has stopped."""
        if self.options.cluster == "local":
            return False
        state, until = "", time.monotonic() + ACCOUNTING_SECONDS
        while state in UNDER_WAY and time.monotonic() < until and not self.stopped.wait(self.poll):
            with self.lock:
                state = job.get_info(mode="force").get("State", "")
        return not (self.stopped.is_set() or state.startswith("CANCELLED"))

    def _ask_to_stop(self, job: Any) -> bool:
        """Send SIGTERM to a job. Returns False for one that has not begun, and will not."""
        if self.options.cluster == "local":
            os.kill(int(job.job_id), signal.SIGTERM)  # `cancel` would leave it one second to save
            return True
        asked = ["squeue", "--noheader", "--jobs", job.job_id, "--format", "%T"]
        state = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        waits = state == "PENDING"
        cancel = ["scancel", job.job_id] if waits else ["scancel", "--signal=TERM", job.job_id]
        subprocess.run(cancel, capture_output=True, check=False)  # it may have ended meanwhile
        return not waits


def run_in_job(command: Sequence[str], environment: Mapping[str, str | None]) -> tuple[int, str]:
    """Run a command in a job. Returns its exit code and the last line that it said on stderr.

    The signals of Slurm become SIGTERM, on which a training saves. The command stops as well when this process dies.
    `environment` are variables that differ from those of the job; None for one that is not there.
    """
    sys.stderr.write(f"{shlex.join(command)}\n")
    came: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if process is not None:
            process.terminate()

    for name in STOPPING:
        signal.signal(getattr(signal, name), stop)
    changed = {STOPS_WITH_INPUT: "1", **environment}
    variables = {name: value for name, value in (os.environ | changed).items() if value is not None}
    # Slurm may send a signal to every process of a job, and SIGUSR2 would end a training at once.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    process = subprocess.Popen(
        command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if came:
        process.terminate()
    assert process.stderr is not None
    with process:
        said = process.stderr.read()
    sys.stderr.write(said.decode(errors="backslashreplace"))
    return process.returncode, last_line(said)
