"""Training speed beside pytorch/examples or a plain loop, at equal network, data, batch and threads.

    python benchmarks/speed.py vae --peer PATH --data FOLDER      MLP VAE 784-400-20, batch 128; FOLDER: IDX files
    python benchmarks/speed.py dcgan --peer PATH --data FOLDER    DCGAN 64x64, 512 filters, batch 64; FOLDER: images
    python benchmarks/speed.py lstm --data FOLDER                 LSTM 2 + 2 layers of 128, batch 256; FOLDER: IDX files

PATH is a checkout of github.com/pytorch/examples, which is run as it is; the LSTM's peer is plain_lstm.py beside this
file, an f32 loop over `nn.LSTM`. All contenders run in turn (A B C A B C ...), each as its own process; the stopwatch
is the same for all: the times at which they print how far they are, from the second line on. Prints one CSV row for
each contender: images per second (median over the rounds) and the ratio to the peer (median of the rounds' ratios).
"""

import argparse
import csv
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

VAE = ["--arch", "mlp", "--hidden", "400", "--ema", "0", "--latent-dim", "20", "--batch-size", "128"]
DCGAN = [
    "--width", "512", "--latent-dim", "100", "--batch-size", "64", "--norm", "batch", "--ema", "0",
    "--augment", "none", "--lr", "2e-4",
]  # fmt: skip
LSTM = ["--schedule", "constant", "--lr", "1e-3", "--ema", "0", "--clip", "0"]
IMAGES = 512
"""The DCGAN is trained on this many of the images, in one class."""


def gentool_images(images: int) -> Callable[[str], int | None]:
    """A reader of `--json` lines, for epochs of this many images."""

    def read(line: str) -> int | None:
        record = json.loads(line) if line.startswith("{") else {}
        return record["epoch"] * images if record.get("event") == "epoch" else None

    return read


def peer_vae_images(line: str) -> int | None:
    match = re.match(r"Train Epoch: (\d+) \[(\d+)/(\d+)", line)
    return None if match is None else (int(match[1]) - 1) * int(match[3]) + int(match[2])


def peer_dcgan_images(line: str) -> int | None:
    match = re.match(r"\[(\d+)/\d+\]\[(\d+)/(\d+)\] Loss_D", line)
    return None if match is None else 64 * (int(match[1]) * int(match[3]) + int(match[2]) + 1)


def plain_lstm_images(line: str) -> int | None:
    return int(line)


def speed(command: list[str], folder: Path, images: Callable[[str], int | None], seconds: float, threads: int) -> float:
    """Images per second of a process between its second line of progress and the last within `seconds` of it."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    marks: list[tuple[float, int]] = []
    with (folder / "errors.txt").open("w") as errors, subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            done = images(line)
            if done is not None:
                marks.append((time.perf_counter(), done))
            if len(marks) > 3 and marks[-1][0] - marks[1][0] > seconds:
                break
        process.kill()
    if len(marks) < 3:
        raise SystemExit(f"{' '.join(command)} printed no progress:\n{(folder / 'errors.txt').read_text()[-2000:]}")
    (first, before), (last, after) = marks[1], marks[-1]
    return (after - before) / (last - first)


def contenders(
    model: str, peer: Path | None, data: Path, scratch: Path
) -> dict[str, tuple[list[str], Callable[[str], int | None]]]:
    """Name to command and how its progress is read."""
    ours = [sys.executable, "-m", "gentool", "train"]
    options = ["--epochs", "100000", "--sample-every", "0", "--json", "--quiet", "--overwrite"]
    if model != "dcgan":
        prepared = scratch / "mnist"
        prepare = ["gentool", "prepare", "mnist", "--source", str(data), "--validation", "0", "--out", str(prepared)]
        subprocess.run([sys.executable, "-m", *prepare], check=True)
    if model == "lstm":
        train, read = [*ours, "lstm-ae", *LSTM, "--data", str(prepared), *options], gentool_images(60000)
        plain = Path(__file__).resolve().with_name("plain_lstm.py")
        rival = ([sys.executable, str(plain), str(prepared)], plain_lstm_images)
    elif model == "vae":
        assert peer is not None
        raw = scratch / "data" / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for path in data.iterdir():
            shutil.copy(path, raw)
        train, read = [*ours, "vae", *VAE, "--data", str(prepared), *options], gentool_images(60000)
        rival = ([sys.executable, str(peer / "vae" / "main.py"), "--epochs", "1000"], peer_vae_images)
    else:
        assert peer is not None
        folder = scratch / "images" / "one"
        folder.mkdir(parents=True)
        for path in sorted(data.iterdir())[:IMAGES]:
            shutil.copy(path, folder)
        prepared = scratch / "prepared"
        whole = ["--validation", "0", "--test", "0", "--out", str(prepared)]
        subprocess.run([sys.executable, "-m", "gentool", "prepare", str(folder), *whole], check=True)
        train, read = [*ours, "gan", *DCGAN, "--data", str(prepared), *options], gentool_images(IMAGES)
        script = [
            sys.executable,
            str(peer / "dcgan" / "main.py"),
            "--dataset",
            "folder",
            "--dataroot",
            str(folder.parent),
        ]
        rival = ([*script, "--niter", "1000"], peer_dcgan_images)
    return {
        "plain f32" if model == "lstm" else "pytorch/examples": rival,
        "gentool f32": ([*train, "--amp", "off", "--out", "f32"], read),
        "gentool bf16": ([*train, "--amp", "bf16", "--out", "bf16"], read),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["vae", "dcgan", "lstm"])
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15)
    arguments = parser.parse_args()
    if arguments.peer is None and arguments.model != "lstm":
        parser.error(f"{arguments.model} needs --peer")
    source = None if arguments.peer is None else arguments.peer.resolve()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        work = scratch / "work"  # the peer's VAE looks for ../data and writes to results/
        (work / "results").mkdir(parents=True)
        every = contenders(arguments.model, source, arguments.data.resolve(), scratch)
        measured: dict[str, list[float]] = {name: [] for name in every}
        for _ in range(arguments.rounds):
            for name, (command, read) in every.items():
                measured[name].append(speed(command, work, read, arguments.seconds, arguments.threads))
    writer = csv.writer(sys.stdout)
    writer.writerow(["model", "contender", "threads", "rounds", "images_per_second", "ratio_to_peer"])
    peer = next(iter(measured.values()))
    for name, speeds in measured.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(speeds, peer, strict=True))
        row = [
            arguments.model,
            name,
            arguments.threads,
            arguments.rounds,
            round(statistics.median(speeds)),
            round(ratio, 2),
        ]
        writer.writerow(row)


if __name__ == "__main__":
    main()
