"""Training speed of several processes beside one with as many threads.

    python benchmarks/processes.py [--processes 2] [--rounds 3] [--epochs 3]

In f32 and in turn (A B A B ...): one process with N threads, and N processes of torchrun with one thread each. Prints
one CSV row for each training: images per second in the last epoch (median over the rounds), and the ratio (median of
the rounds' ratios).
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = [
    ["train", "vae", "--data", "mnist", "--arch", "mlp", "--batch-size", "128"],
    ["train", "vae", "--data", "mnist", "--arch", "mlp", "--batch-size", "1024"],
    ["train", "cae", "--data", "mnist"],
    ["train", "gan", "--data", "digits"],
    ["seq2seq", "train", "text2text"],
]


def speed(words: list[str], processes: int, threads: int, epochs: int) -> float:
    """Images, or queries, per second in the last epoch."""
    launcher = ["-m", "gentool"]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), *launcher]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *launcher, *words, "--epochs", str(epochs), "--amp", "off", "--out", f"{folder}/run"]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, check=True, env=environment, capture_output=True)
        with (Path(folder) / "run/metrics.csv").open() as file:
            last = list(csv.DictReader(file))[-1]
    return float(next(value for name, value in last.items() if name.endswith("_per_second")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    writer = csv.writer(sys.stdout)
    writer.writerow(["training", "one_process", "several_processes", "ratio"])
    count = options.processes
    for words in CASES:
        one, several = [], []
        for _ in range(options.rounds):
            one.append(speed(words, 1, count, options.epochs))
            several.append(speed(words, count, 1, options.epochs))
        ratio = statistics.median(b / a for a, b in zip(one, several, strict=True))
        medians = (f"{statistics.median(values):.0f}" for values in (one, several))
        writer.writerow([" ".join(words), *medians, f"{ratio:.2f}"])
        sys.stdout.flush()


if __name__ == "__main__":
    main()
