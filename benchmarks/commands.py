"""How long commands take beside plain scripts, and whether long trainings keep their speed.

    python benchmarks/commands.py --mnist FOLDER [--rounds 3] [--epochs 10] [PART ...]

| part | contenders | beside them |
| --- | --- | --- |
| start | `--version`, `--help`, `train gan --help` | `import torch` |
| sample vae, sample gan | `sample -n 10000 --each` | the generator on batches of 100, a PNG of each image |
| embed | `embed --method tsne --points 2000` | codes in batches of 100, t-SNE, scatter plot |
| evaluate vae, evaluate gan | `evaluate` with the classifier in the cache | |
| long | epoch 2 to epoch --epochs of five trainings | epoch 1 |

--mnist has the four IDX files; the models are trained for 100 updates first. All contenders of a part run in turn
(A B A B ...), each as its own process. Prints a CSV row for each: seconds of the whole process (median, least, most),
how many times as fast it is as the one beside it, and its peak memory. For `long`, a training is one process, and its
rows have the median speed of an epoch in examples per second and its ratio to that of epoch 1.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from speed import machine, prepare  # beside this file

GENTOOL = [sys.executable, "-m", "gentool"]
PLAIN_SAMPLES = """
import sys
from pathlib import Path
import torch
from PIL import Image
import gentool

model, out = gentool.load(sys.argv[1]), Path(sys.argv[2])
out.mkdir(exist_ok=True)
network = model.network.eval()
with torch.no_grad():
    for start in range(0, 10_000, 100):
        images = network.decode(torch.randn(100, model.latent_dim), None)
        for number, image in enumerate(images.mul(255).round().byte().numpy(), start):
            Image.fromarray(image[0]).save(out / f"{number}.png")
"""
PLAIN_EMBEDDING = """
import sys
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.manifold import TSNE
import gentool

network = gentool.load(sys.argv[1]).network.eval()
images = torch.from_numpy(np.load(f"{sys.argv[2]}/images.npy"))
labels = np.load(f"{sys.argv[2]}/labels.npy")[:2_000]
with torch.no_grad():
    codes = torch.cat([network.encode(part / 255) for part in images.split(100)])[:2_000]
points = TSNE(2, init="pca", random_state=0).fit_transform(codes.numpy())
plt.scatter(*points.T, c=labels, s=3, cmap="tab10")
plt.savefig(f"{sys.argv[3]}.png", dpi=150)
np.savez(f"{sys.argv[3]}.npz", codes=codes.numpy(), labels=labels)
"""
LONG = {
    "mlp vae": ["train", "vae", "--arch", "mlp"],
    "cae": ["train", "cae"],
    "gan": ["train", "gan"],
    "lstm-ae": ["train", "lstm-ae"],
    "text2text": ["seq2seq", "train", "text2text"],
}
LONG_IMAGES = 12_800


@dataclass
class Usage:
    """Seconds of a process, and its peak memory in bytes."""

    seconds: float
    memory: int


def timed(command: list[str]) -> Usage:
    """Run a command to its end."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{errors.read().decode()}")
    return Usage(seconds, usage.ru_maxrss * 1024)


def commands(part: str, scratch: Path, mnist: Path) -> dict[str, list[str]]:
    """The contenders of a part by name. The last is what the others are compared with, if there are two or more."""
    kind, _, model = part.partition(" ")
    out = ["--quiet", "--overwrite", "--out", str(scratch / ("out.png" if kind == "sample" else kind))]
    if kind == "start":
        return {
            "gentool --version": [*GENTOOL, "--version"],
            "gentool --help": [*GENTOOL, "--help"],
            "gentool train gan --help": [*GENTOOL, "train", "gan", "--help"],
            "import torch": [sys.executable, "-c", "import torch"],
        }
    name = model or "vae"
    run = scratch / name
    if not run.exists():
        data = ["--data", str(mnist), "--steps", "100", "--sample-every", "0", "--quiet", "--out", str(run)]
        timed([*GENTOOL, "train", name, *data])
    if kind == "sample":
        words = [sys.executable, "-c", PLAIN_SAMPLES, str(run), str(scratch / "plain")]
        return {
            f"gentool sample {name}": [*GENTOOL, "sample", name, str(run), "-n", "10000", "--each", *out],
            "plain script": words,
        }
    if kind == "embed":
        words = [sys.executable, "-c", PLAIN_EMBEDDING, str(run), str(mnist), str(scratch / "plain")]
        method = ["--method", "tsne", "--points", "2000", "--data", str(mnist), *out]
        return {"gentool embed vae": [*GENTOOL, "embed", name, str(run), *method], "plain script": words}
    return {f"gentool evaluate {name}": [*GENTOOL, "evaluate", name, str(run), "--data", str(mnist), *out]}


def long(training: str, epochs: int, scratch: Path, images: Path) -> tuple[list[float], Usage]:
    """The speed of each epoch of a training, and what it used."""
    run = scratch / "long" / training.replace(" ", "-")
    data = [] if training == "text2text" else ["--data", str(images)]
    words = [*LONG[training], *data, "--epochs", str(epochs), "--sample-every", "0", "--quiet", "--overwrite"]
    usage = timed([*GENTOOL, *words, "--out", str(run)])
    with (run / "metrics.csv").open() as file:
        column = "queries_per_second" if training == "text2text" else "images_per_second"
        return [float(row[column]) for row in csv.DictReader(file)], usage


def main() -> None:
    parts = ["start", "sample vae", "sample gan", "embed", "evaluate vae", "evaluate gan", "long"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", default=parts)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part not in parts:
            parser.error(f"{part}: not one of {', '.join(parts)}")
    print(machine(), file=sys.stderr)
    writer = csv.writer(sys.stdout)
    writer.writerow(["part", "contender", "rounds", "median", "least", "most", "ratio", "peak_memory_mib"])

    def row(part: str, name: str, values: list[float], ratios: list[float], memory: int) -> None:
        ratio = round(statistics.median(ratios), 2) if ratios else ""
        numbers = [float(f"{value:.4g}") for value in (statistics.median(values), min(values), max(values))]
        writer.writerow([part, name, len(values), *numbers, ratio, memory // 2**20])
        sys.stdout.flush()

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        mnist = prepare("mnist", scratch / "mnist", "--source", str(arguments.mnist))
        np.save(scratch / "some.npy", np.load(mnist / "images.npy")[:LONG_IMAGES])
        some = prepare(scratch / "some.npy", scratch / "some", "--test", "0")
        for part in arguments.parts:
            if part == "long":
                for training in LONG:
                    runs = [long(training, arguments.epochs, scratch, some) for _ in range(arguments.rounds)]
                    for epoch in (1, 2, arguments.epochs):
                        speeds = [speeds[epoch - 1] for speeds, _ in runs]
                        ratios = [speeds[epoch - 1] / speeds[0] for speeds, _ in runs]
                        row(part, f"{training}, epoch {epoch}", speeds, ratios, max(used.memory for _, used in runs))
                continue
            contenders = commands(part, scratch, mnist)
            for command in contenders.values() if part != "start" else ():
                timed(command)  # fills the caches
            found: dict[str, list[Usage]] = {name: [] for name in contenders}
            for _ in range(arguments.rounds):
                for name, command in contenders.items():
                    found[name].append(timed(command))
            beside = list(found.values())[-1]
            for name, used in found.items():
                seconds = [one.seconds for one in used]
                pairs = zip(beside, used, strict=True) if len(found) > 1 else ()
                ratios = [theirs.seconds / mine.seconds for theirs, mine in pairs]
                row(part, name, seconds, ratios, max(one.memory for one in used))


if __name__ == "__main__":
    main()
