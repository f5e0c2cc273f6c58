"""How fast images are prepared, beside a plain loop that opens, converts and resizes them.

    python benchmarks/prepare.py FOLDER [--size 64] [--rounds 3]

Each side is a process of its own, in turn. The loop runs on one core and keeps the images in one array; it checks
nothing. gentool reads the same files with all its checks (sizes, damage, copies, colours, splits) and all cores, and
writes nothing. Prints a CSV row per side: medians of seconds, CPU seconds, images per second and per CPU second, and
peak memory.
"""

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image


def plain_loop(folder: Path, size: int) -> int:
    """The images of a folder as one array, grey where the first is."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    with Image.open(files[0]) as first:
        mode = "L" if first.mode == "L" else "RGB"
    images = np.empty((len(files), size, size, *((3,) if mode == "RGB" else ())), np.uint8)
    for row, file in enumerate(files):
        with Image.open(file) as image:
            images[row] = np.asarray(image.convert(mode).resize((size, size), Image.Resampling.LANCZOS))
    return len(images)


def gentool_rows(folder: Path, size: int) -> int:
    """The same, with gentool's checks."""
    from gentool.data.detect import read_path
    from gentool.data.pipeline import prepare_rows
    from gentool.data.prepare import PrepareOptions

    options = PrepareOptions(size=(size, size))
    rows = prepare_rows(read_path(folder, options), options, scratch=lambda shape: np.empty(shape, np.uint8))
    return len(rows.readable)


SIDES = {"plain loop": plain_loop, "gentool": gentool_rows}


def cpu_seconds() -> float:
    """The CPU time of this process and of those that it started and that have ended."""
    every = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in every)


def measure(side: str, folder: Path, size: int) -> dict[str, float]:
    """One side in this process, after its imports."""
    if side == "gentool":
        import gentool.data.detect
        import gentool.data.pipeline  # noqa: F401
    began, cpu = time.perf_counter(), cpu_seconds()
    count = SIDES[side](folder, size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "images": count, "seconds": time.perf_counter() - began, "cpu": cpu_seconds() - cpu, "peak_mib": peak,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(measure(arguments.side, arguments.folder, arguments.size)))
        return
    results: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(arguments.rounds):
        for side in SIDES:
            words = [sys.executable, __file__, str(arguments.folder), "--size", str(arguments.size), "--side", side]
            results[side].append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    writer = csv.writer(sys.stdout)
    writer.writerow(["side", "images", "seconds", "cpu_seconds", "images_per_second", "per_cpu_second", "peak_mib"])
    for side, runs in results.items():
        seconds, cpu, peak = (statistics.median(run[name] for run in runs) for name in ("seconds", "cpu", "peak_mib"))
        count = int(runs[0]["images"])
        writer.writerow(
            [side, count, round(seconds, 2), round(cpu, 2), round(count / seconds), round(count / cpu), round(peak)]
        )


if __name__ == "__main__":
    main()
