"""Training speed beside five peers and a hand-written loop, at equal network, data, batch and threads.

    python benchmarks/speed.py --mnist FOLDER [--images FOLDER] [--examples PATH] [--pytorch-gan PATH] [--python PATH]
                               [--rounds 3] [--seconds 15] [CASE ...]

| case | network | peer |
| --- | --- | --- |
| mlp-vae | 784-400-20, batch 128 | vae of pytorch/examples |
| dcgan | 64x64, 512 filters, batch 64 | dcgan of pytorch/examples |
| mlp-gan | 28x28, 128-256-512-1024 against 512-256, batch 64 | gan.py of PyTorch-GAN |
| conv-vae | 28x28, 128-256-512-1024 filters, batch 128 | pythae's trainer |
| conv-ae | 28x28, 32-64 filters, batch 128 | Keras on torch, and on jax |
| lstm-ae | 28 rows, 2 + 2 layers of 128, batch 128 | a PyTorch loop over a DataLoader |
| seq2seq | a+b up to 99, LSTMs of 128, batch 128 | Keras on torch, and a PyTorch loop over a DataLoader |

--mnist has the four IDX files, --images pictures for dcgan; --examples and --pytorch-gan are checkouts of
github.com/pytorch/examples and github.com/eriklindernoren/PyTorch-GAN, which are run as they are; --python has pythae,
keras and jax. A peer that is not given is left out. The other contenders are loops.py beside this file in f32 and bf16,
and gentool with --amp off and with the --amp auto of its defaults, which here keeps its choice from the first round.

All contenders of a case run in turn (A B C A B C ...), each as its own process. The stopwatch is the same for all: the
times at which they print how far they are, from the first line after --warm-up seconds of training on. Prints a CSV row
for each contender: examples per second (median, least, most), the ratio to the case's first contender (median of the
rounds' ratios) and to the f32 loop, the floating-point operations of an example, their share of the speed of a
1536x1536 product in the same precision (measured in every round as well), and the peak memory of the process.
"""

import argparse
import csv
import importlib.metadata
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
TRAIN = ["--epochs", "100000", "--sample-every", "0", "--json", "--quiet", "--ema", "0", "--schedule", "constant"]
GENTOOL: dict[str, list[str]] = {
    "mlp-vae": ["vae", "--arch", "mlp", "--hidden", "400", "--latent-dim", "20"],
    "dcgan": ["gan", "--width", "512", "--latent-dim", "100", "--norm", "batch", "--augment", "none", "--lr", "2e-4"],
    "mlp-gan": ["gan", "--arch", "mlp", "--latent-dim", "100", "--r1", "0", "--augment", "none", "--lr", "2e-4"],
    "conv-vae": ["vae", "--channels", "128,256,512,1024", "--latent-dim", "16", "--lr", "1e-3"],
    "conv-ae": ["cae", "--channels", "32,64", "--latent-dim", "64", "--lr", "1e-3"],
    "lstm-ae": ["lstm-ae", "--batch-size", "128", "--lr", "1e-3", "--clip", "0"],
    "seq2seq": ["text2text", "--recipe", "classic", "--operators", "+", "--hidden", "128", "--batch-size", "128",
                "--weight-decay", "0", "--lr", "1e-3", "--clip", "0"],
}  # fmt: skip
BATCHES = dict.fromkeys(GENTOOL, 128) | {"dcgan": 64, "mlp-gan": 64}
COUNTS = {"mlp-vae": 60_000, "dcgan": 512, "mlp-gan": 60_000, "conv-vae": 1_280, "conv-ae": 12_800, "lstm-ae": 6_400,
          "seq2seq": 10_000}  # fmt: skip
"""The examples of an epoch: gentool says how far it is at the end of each."""
PRODUCT = """
import sys, time, torch
kind = getattr(torch, sys.argv[1])
a = torch.ones(1536, 1536, dtype=kind)
best = float("inf")
for _ in range(30):
    began = time.perf_counter()
    a @ a
    best = min(best, time.perf_counter() - began)
print(2 * 1536**3 / best)
"""


@dataclass
class Contender:
    """A command, and how the number of examples so far is read from a line that it prints (None: not there)."""

    name: str
    command: list[str]
    read: Callable[[str], int | None]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    precision: str = "float32"


def number(line: str) -> int | None:
    """The line is the number of examples."""
    return int(line) if line.strip().isdigit() else None


def gentool_examples(batch: int) -> Callable[[str], int | None]:
    """A reader of `--json` lines."""

    def read(line: str) -> int | None:
        record = json.loads(line) if line.startswith("{") else {}
        return record["step"] * batch if record.get("event") == "epoch" else None

    return read


def examples_vae(line: str) -> int | None:
    match = re.match(r"Train Epoch: (\d+) \[(\d+)/(\d+)", line)
    return None if match is None else (int(match[1]) - 1) * int(match[3]) + int(match[2])


def examples_dcgan(line: str) -> int | None:
    match = re.match(r"\[(\d+)/\d+\]\[(\d+)/(\d+)\] Loss_D", line)
    return None if match is None else 64 * (int(match[1]) * int(match[3]) + int(match[2]) + 1)


def pytorch_gan(line: str) -> int | None:
    match = re.match(r"\[Epoch (\d+)/\d+\] \[Batch (\d+)/(\d+)\]", line)
    return None if match is None else 64 * (int(match[1]) * int(match[3]) + int(match[2]) + 1)


@dataclass
class Speed:
    """Examples per second of a process, and its peak memory in bytes."""

    examples: float
    memory: int


def speed(contender: Contender, arguments: argparse.Namespace) -> Speed:
    """Run a contender until it has trained for --warm-up and --seconds."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads), "PYTHONUNBUFFERED": "1"}
    environment |= {"MKL_NUM_THREADS": str(arguments.threads), **contender.environment}
    marks: list[tuple[float, int]] = []
    contender.folder.mkdir(parents=True, exist_ok=True)
    with (contender.folder / "errors.txt").open("w") as errors:
        process = subprocess.Popen(
            contender.command, cwd=contender.folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert process.stdout is not None
        began = None
        for line in process.stdout:
            now, done = time.perf_counter(), contender.read(line)
            if done is None:
                continue
            began = began or now
            if now - began >= arguments.warm_up:
                marks.append((now, done))
            if len(marks) > 1 and marks[-1][0] - marks[0][0] > arguments.seconds:
                break
        process.kill()
        process.stdout.close()
        usage = os.wait4(process.pid, 0)[2]
        process.returncode = -9
    if len(marks) < 2:
        said = (contender.folder / "errors.txt").read_text()[-2000:]
        raise SystemExit(f"{contender.name}: {' '.join(contender.command)} printed no progress:\n{said}")
    (first, before), (last, after) = marks[0], marks[-1]
    return Speed((after - before) / (last - first), usage.ru_maxrss * 1024)


def product_speed(kind: str, threads: int) -> float:
    """Floating-point operations per second of a matrix product."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    return float(subprocess.check_output([sys.executable, "-c", PRODUCT, kind], env=environment, text=True))


def prepare(source: Path | str, out: Path, *options: str) -> Path:
    """A prepared set, all of it for training."""
    words = ["prepare", str(source), "--validation", "0", "--quiet", "--out", str(out), *options]
    subprocess.run([sys.executable, "-m", "gentool", *words], check=True, stdout=subprocess.DEVNULL)
    return out


def peers(case: str, arguments: argparse.Namespace, scratch: Path, prepared: Path) -> list[Contender]:
    """Those of the case's peers that were given."""
    images, work = prepared / "images.npy", scratch / case
    other = [] if arguments.python is None else [arguments.python]
    if case == "mlp-vae" and arguments.examples:
        script = arguments.examples.resolve() / "vae" / "main.py"
        data = scratch / "data" / "MNIST" / "raw"  # the script looks for ../data, and writes to results/
        copied(arguments.mnist, data)
        (work / "results").mkdir(parents=True, exist_ok=True)
        return [Contender("pytorch/examples", [sys.executable, str(script), "--epochs", "1000"], examples_vae, work)]
    if case == "dcgan" and arguments.examples:
        script = arguments.examples.resolve() / "dcgan" / "main.py"
        options = ["--dataset", "folder", "--dataroot", str(scratch / "images"), "--niter", "1000", "--ngf", "64"]
        return [Contender("pytorch/examples", [sys.executable, str(script), *options], examples_dcgan, work)]
    if case == "mlp-gan" and arguments.pytorch_gan:
        script = arguments.pytorch_gan.resolve() / "implementations" / "gan" / "gan.py"
        copied(arguments.mnist, work / "data" / "mnist" / "MNIST" / "raw")  # it looks for ../../data/mnist
        command = [sys.executable, str(script), "--n_epochs", "1000"]
        return [Contender("PyTorch-GAN", command, pytorch_gan, work / "implementations" / "gan")]
    if case == "conv-vae" and other:
        return [Contender("pythae", [*other, str(HERE / "peers" / "pythae_vae.py"), str(images)], number, work)]
    if case in ("conv-ae", "seq2seq"):
        script = HERE / "peers" / ("keras_autoencoder.py" if case == "conv-ae" else "keras_seq2seq.py")
        found = [
            Contender(
                f"Keras on {kind}", [*other, str(script), *[str(images)] * (case == "conv-ae")], number, work,
                {"KERAS_BACKEND": kind},
            )
            for kind in ("torch", "jax") if other
        ]  # fmt: skip
        if case == "seq2seq":
            plain = [sys.executable, str(HERE / "peers" / "plain_seq2seq.py")]
            found.append(Contender("PyTorch and DataLoader", plain, number, work))
        return found
    if case == "lstm-ae":
        plain = [sys.executable, str(HERE / "peers" / "plain_lstm.py"), str(images)]
        return [Contender("PyTorch and DataLoader", plain, number, work)]
    return []


def copied(source: Path, target: Path) -> None:
    """Copy the files of a folder."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        shutil.copy(path, target)


def contenders(case: str, arguments: argparse.Namespace, scratch: Path) -> list[Contender]:
    """The peers, the loops, gentool."""
    mnist, prepared = scratch / "sets" / "mnist", scratch / "sets" / case
    if not mnist.exists():
        prepare("mnist", mnist, "--source", str(arguments.mnist))
    count = COUNTS[case]
    if case == "dcgan":
        folder = scratch / "images" / "one"
        folder.mkdir(parents=True)
        for path in sorted(arguments.images.iterdir())[:count]:
            shutil.copy(path, folder)
        prepare(folder, prepared, "--test", "0")
    elif count < COUNTS["mlp-vae"]:
        np.save(scratch / "some.npy", np.load(mnist / "images.npy")[:count])
        prepare(scratch / "some.npy", prepared, "--test", "0")
    else:
        prepared = mnist
    found = peers(case, arguments, scratch, prepared)
    loop = [sys.executable, str(HERE / "loops.py"), case, str(prepared)]
    work = scratch / case
    found.append(Contender("loop f32", loop, number, work))
    found.append(Contender("loop bf16", [*loop, "--bf16"], number, work, precision="bfloat16"))
    kind = ["seq2seq", "train"] if case == "seq2seq" else ["train"]
    data = [] if case == "seq2seq" else ["--data", str(prepared)]
    ours = [sys.executable, "-m", "gentool", *kind, *GENTOOL[case], *TRAIN, *data, "--overwrite", "--out"]
    read = gentool_examples(BATCHES[case])
    found.append(Contender("gentool --amp off", [*ours, "off", "--amp", "off"], read, work))
    found.append(Contender("gentool", [*ours, "auto"], read, work))
    return found


def chosen(contender: Contender) -> str:
    """The precision that --amp auto has chosen."""
    found = json.loads((contender.folder / "auto" / "environment.json").read_text())
    return "bfloat16" if found["precision"].startswith("bfloat16") else "float32"


def measure(case: str, arguments: argparse.Namespace, scratch: Path, writer: "csv.DictWriter[str]") -> None:
    """All rounds of a case, and its rows."""
    every = contenders(case, arguments, scratch)
    loop = next(one for one in every if one.name == "loop f32")
    operations = int(subprocess.check_output([*loop.command, "--flops"], text=True))
    found: dict[str, list[Speed]] = {one.name: [] for one in every}
    products: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for _ in range(arguments.rounds):
        for kind, speeds in products.items():
            speeds.append(product_speed(kind, arguments.threads))
        for one in every:
            found[one.name].append(speed(one, arguments))
    for one in every:
        precision = chosen(one) if one.name == "gentool" else one.precision
        examples = [run.examples for run in found[one.name]]
        shares = [run * operations / most for run, most in zip(examples, products[precision], strict=True)]

        def ratio(other: str, examples: list[float] = examples) -> float:
            pairs = zip(examples, found[other], strict=True)
            return round(statistics.median(mine / theirs.examples for mine, theirs in pairs), 2)

        writer.writerow({
            "case": case, "contender": one.name, "precision": precision, "threads": arguments.threads,
            "rounds": arguments.rounds, "examples_per_second": round(statistics.median(examples)),
            "least": round(min(examples)), "most": round(max(examples)), "ratio": ratio(every[0].name),
            "ratio_to_loop": ratio("loop f32"), "mflop_per_example": round(operations / 1e6, 1),
            "share_of_product": round(statistics.median(shares), 2),
            "peak_memory_mib": max(run.memory for run in found[one.name]) // 2**20,
        })  # fmt: skip
        sys.stdout.flush()


def machine() -> str:
    """The processor, and versions. Without an import of torch, whose memory would count as that of each process."""
    info = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    torch = importlib.metadata.version("torch")
    return f"{names[0] if names else platform.processor()}, torch {torch}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", default=list(GENTOOL))
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--examples", type=Path)
    parser.add_argument("--pytorch-gan", type=Path)
    parser.add_argument("--python")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--warm-up", type=float, default=10)
    arguments = parser.parse_args()
    for case in arguments.cases:
        if case not in GENTOOL:
            parser.error(f"{case}: not one of {', '.join(GENTOOL)}")
    print(machine(), file=sys.stderr)
    columns = ["case", "contender", "precision", "threads", "rounds", "examples_per_second", "least", "most", "ratio",
               "ratio_to_loop", "mflop_per_example", "share_of_product", "peak_memory_mib"]  # fmt: skip
    writer = csv.DictWriter(sys.stdout, columns)
    writer.writeheader()
    with tempfile.TemporaryDirectory() as name:
        for case in arguments.cases:
            if case == "dcgan" and arguments.images is None:
                print("dcgan: left out, because there is no --images", file=sys.stderr)
                continue
            measure(case, arguments, Path(name), writer)


if __name__ == "__main__":
    main()
