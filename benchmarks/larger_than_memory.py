"""Training on a set that is larger than memory, beside a set that is held in it.

    python benchmarks/larger_than_memory.py FOLDER [--gigabytes 20] [--limit 2] [--rounds 3] [--steps 480]

Prepares two sets of drawn shapes of 64x64 into FOLDER, one of the given size and one of 0.9 GB, unless they are there:
20 GB take some minutes. Then it trains a small convolutional autoencoder on each in turn, in one thread and in f32,
with nothing of the sets in the system's memory at the beginning. The large set is prepared and trained on in a memory
cgroup of `--limit` GiB, if you are root and the system has cgroups of version 1; otherwise standard error says so, and
the training (not preparing) may have this and half a GiB for itself (RLIMIT_DATA, which also counts what is not used).

Prints a CSV row: medians of images per second, of their ratio, of the peak of the memory that a training on the disk
has for itself, and of what it reads from it; and the peak of the cgroup, which includes what the system keeps of the
files. One epoch of the small set has 486 updates.
"""

import argparse
import csv
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

CGROUP = Path(f"/sys/fs/cgroup/memory/gentool-{os.getpid()}")
ROW = 64 * 64 * 3
WORDS = ["train", "cae", "--channels", "8", "--amp", "off", "--sample-every", "0", "--overwrite"]


def make_cgroup(gib: float) -> Path | None:
    """A memory cgroup with a limit; None, and a line that says so, where there can be none."""
    try:
        CGROUP.mkdir()
        (CGROUP / "memory.limit_in_bytes").write_text(str(int(gib * 2**30)))
    except OSError as error:
        print(f"no cgroup, a limit on the training's own memory in its place: {error}", file=sys.stderr)
        return None
    return CGROUP


def gentool(*words: object, cgroup: Path | None = None, own_gib: float | None = None) -> dict[str, float]:
    """A command in one thread, in a cgroup or with a limit on its own memory: its peak in MiB, and the MiB it read."""

    def limit() -> None:
        if cgroup is not None:
            (cgroup / "tasks").write_text(str(os.getpid()))
        elif own_gib is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (int((own_gib + 0.5) * 2**30),) * 2)

    command = [sys.executable, "-m", "gentool", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    peak = read = 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=limit, env=environment) as process:
        while process.poll() is None:
            facts = f"/proc/{process.pid}"
            try:
                lines = Path(f"{facts}/status").read_text() + Path(f"{facts}/io").read_text()
            except OSError:  # it has just ended, or this is not Linux
                lines = ""
            numbers = dict(line.split()[:2] for line in lines.splitlines() if len(line.split()) > 1)
            peak = max(peak, float(numbers.get("RssAnon:", 0)) / 2**10)
            read = max(read, float(numbers.get("read_bytes:", 0)) / 2**20)
            time.sleep(0.2)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return {"peak": peak, "read": read}


def train(folder: Path, steps: int, cgroup: Path | None, own_gib: float | None) -> dict[str, float]:
    """The speed of a training in its last epoch, and what `gentool` says of it."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError as error:
        print(f"the system keeps what it has of the files: {error}", file=sys.stderr)
    run = folder.with_name(f"{folder.name}-run")
    facts = gentool(*WORDS, "--data", folder, "--steps", steps, "--out", run, cgroup=cgroup, own_gib=own_gib)
    with (run / "metrics.csv").open() as file:
        return facts | {"speed": float(list(csv.DictReader(file))[-1]["images_per_second"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--limit", type=float, default=2, metavar="GIB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=480)
    options = parser.parse_args()
    sets = {"disk": options.gigabytes, "memory": 0.9}
    cgroup = make_cgroup(options.limit)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in sets}
    peak = ""
    try:
        for name, gigabytes in sets.items():
            if not (options.folder / name).is_dir():
                count = int(gigabytes * 1e9 / ROW)
                group = cgroup if name == "disk" else None
                gentool("prepare", "shapes", "--count", count, "--out", options.folder / name, cgroup=group)
        if cgroup is not None:
            (cgroup / "memory.max_usage_in_bytes").write_text("0")
        for _ in range(options.rounds):
            for name in sets:
                limits = (cgroup, options.limit) if name == "disk" else (None, None)
                runs[name].append(train(options.folder / name, options.steps, *limits))
        if cgroup is not None:
            peak = f"{int((cgroup / 'memory.max_usage_in_bytes').read_text()) / 2**20:.0f}"
    finally:
        if cgroup is not None:
            cgroup.rmdir()
    disk, memory = (statistics.median(run["speed"] for run in runs[name]) for name in sets)
    ratio = statistics.median(a["speed"] / b["speed"] for a, b in zip(runs["disk"], runs["memory"], strict=True))
    writer = csv.writer(sys.stdout)
    writer.writerow(
        ["gigabytes", "limit_gib", "peak_own_mib", "peak_cgroup_mib", "read_mib", "disk_per_second",
         "memory_per_second", "ratio"]
    )  # fmt: skip
    own, read = (statistics.median(run[name] for run in runs["disk"]) for name in ("peak", "read"))
    writer.writerow(
        [
            options.gigabytes,
            options.limit,
            f"{own:.0f}",
            peak,
            f"{read:.0f}",
            f"{disk:.0f}",
            f"{memory:.0f}",
            f"{ratio:.2f}",
        ]
    )


if __name__ == "__main__":
    main()
