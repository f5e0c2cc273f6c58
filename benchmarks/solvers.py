"""Which solver of the ODE, and how many steps, make the best samples of a flow.

    python benchmarks/solvers.py runs/flow-mnist --data mnist --features classifier midpoint,10 heun,10 heun,5,1.1

A way is a solver, a number of steps and, if you like, the guidance. For each one CSV row: how often it computes the
network for a sample, the processor time of all samples, and their scores beside the test images. The first row is the
floor: training images.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import torch

import gentool
from gentool.evaluation.features import feature_networks
from gentool.metrics.distances import fid
from gentool.metrics.neighbours import manifold_scores

POINTS = 2500
"""Images for precision, recall, density and coverage."""


def passes(solver: str, steps: int, guidance: float) -> int:
    """How often the network is computed for a sample."""
    once = {"euler": steps, "midpoint": 2 * steps, "heun": 2 * steps - 1}[solver]
    return once if guidance in (0, 1) else 2 * once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("ways", nargs="+", metavar="SOLVER,STEPS[,GUIDANCE]")
    parser.add_argument("--data", required=True)
    parser.add_argument("--features", default="random", choices=("random", "classifier", "self-supervised"))
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with gentool.Terminal() as terminal:
        data = gentool.load_data(arguments.data, reporter=terminal)
        model = gentool.Model.load(arguments.run)
        (features,) = feature_networks((arguments.features,), data, model.device, reporter=terminal)
    reference = features(data.test.images)
    writer = csv.writer(sys.stdout)
    writer.writerow(["way", "network_passes", "cpu_seconds", "fid", "precision", "recall", "density", "coverage"])

    def row(name: str, times: int | str, seconds: float | str, images: torch.Tensor) -> None:
        found = features(images)
        scores = manifold_scores(reference[:POINTS], found[:POINTS])
        shown = (scores[key] for key in ("precision", "recall", "density", "coverage"))
        writer.writerow([name, times, seconds, f"{fid(reference, found):.4f}", *(f"{score:.3f}" for score in shown)])
        sys.stdout.flush()

    row("training images", "", "", data.train.images[: arguments.samples])
    for way in arguments.ways:
        solver, steps, guidance = [*way.split(","), "1"][:3]
        chosen = model.with_sampling(solver=solver, sample_steps=int(steps), guidance=float(guidance))
        began = time.process_time()
        images = (chosen.sample(arguments.samples, seed=arguments.seed) * 255).round().to(torch.uint8)
        seconds = f"{time.process_time() - began:.0f}"
        row(way, passes(solver, int(steps), float(guidance)), seconds, images)


if __name__ == "__main__":
    main()
