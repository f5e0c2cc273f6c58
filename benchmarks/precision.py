"""Whether `--amp auto` takes the fastest precision: each model's updates in f32 and bf16, beside what auto takes.

    python benchmarks/precision.py [--threads 2] [--rounds 3] [--seconds 2]

Trains on MNIST (prepared), digits and arithmetic in f32, bf16 and with auto in turn (A B C A B C ...), in one process.
Prints one CSV row for each training: milliseconds for an update (the median over a run's updates, and of these the
median over the rounds), what auto took in each round, and by how many per cent the worst of it is slower than the best.
"""

import argparse
import csv
import itertools
import os
import statistics
import sys
import tempfile
import time
from typing import Any

import torch

import gentool
from gentool import seq2seq
from gentool.progress import Reporter

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("vae", "mnist", {"arch": "mlp"}),
    ("vae", "mnist", {"arch": "mlp", "hidden": (400,), "latent_dim": 20}),
    ("vae", "mnist", {"arch": "mlp", "hidden": (64,)}),
    ("vae", "mnist", {}),
    ("cae", "mnist", {}),
    ("cae", "mnist", {"channels": (8, 16)}),
    ("lstm-ae", "mnist", {}),
    ("gan", "mnist", {}),
    ("cgan", "mnist", {}),
    ("vae", "digits", {}),
    ("cae", "digits", {}),
    ("gan", "digits", {}),
    ("text2text", "arithmetic", {}),
    ("text2text", "arithmetic", {"recipe": "classic"}),
]


class Clock(Reporter):
    """The times at which updates end; `taken` is what --amp auto says. Stops the training after some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.times: list[float] = []
        self.taken = ""

    def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
        if task == "training":
            self.times.append(time.perf_counter())
            if self.times[-1] - self.times[0] > self.seconds and len(self.times) > 10:
                raise TimeoutError

    def notice(self, text: str) -> None:
        if text.startswith("--amp auto: "):
            self.taken = text.removeprefix("--amp auto: ").partition(",")[0]


def milliseconds(model: str, data: object, settings: dict[str, Any], amp: str, seconds: float) -> tuple[float, str]:
    """The median time of an update, and what auto took."""
    clock = Clock(seconds)
    try:
        if model == "text2text":
            seq2seq.train(model, amp=amp, steps=100_000, reporter=clock, **settings)
        else:
            gentool.train(model, data, amp=amp, steps=100_000, reporter=clock, **settings)
    except TimeoutError:
        pass
    times = clock.times[2:]
    return 1e3 * statistics.median(after - before for before, after in itertools.pairwise(times)), clock.taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sets = {name: gentool.load_data(name) for name in ("mnist", "digits")}
    writer = csv.writer(sys.stdout)
    columns = ["model", "data", "options", "f32_ms", "bf16_ms", "auto_ms", "auto_took", "slower_than_best_percent"]
    writer.writerow(columns)
    for model, data, settings in CASES:
        found: dict[str, list[float]] = {"off": [], "bf16": [], "auto": []}
        taken = []
        for _ in range(options.rounds):
            for amp, values in found.items():
                with tempfile.TemporaryDirectory() as cache:  # an empty one, which notes no choice
                    os.environ["GENTOOL_DATA"] = cache
                    value, took = milliseconds(model, sets.get(data), settings, amp, options.seconds)
                values.append(value)
                taken += [took] if took else []
        f32, bf16, auto = (statistics.median(values) for values in found.values())
        chosen = {"f32": f32, "bf16": bf16}
        slower = max(100 * (chosen[took] / min(f32, bf16) - 1) for took in taken)
        shown = " ".join(f"{name}={value}" for name, value in settings.items())
        writer.writerow(
            [model, data, shown, f"{f32:.2f}", f"{bf16:.2f}", f"{auto:.2f}", "/".join(taken), f"{slower:.1f}"]
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
