"""Does a conditional model draw what it is asked for? An independent classifier says.

    python benchmarks/agreement.py cgan runs/cgan-mnist --data mnist

Prints the accuracy of gentool's classifier of the data on the real test images, and the share of samples of each label,
equally many of all, that it reads as that label. `gentool evaluate` has this among its numbers, of labels as often as
the data have them.
"""

import argparse
import csv
import sys
from pathlib import Path

import torch

from gentool.data.load import load
from gentool.engine.terminal import Terminal
from gentool.evaluation.classifier import known_classifier, read
from gentool.latent.sample import sample
from gentool.latent.trained import load_trained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = load(arguments.data)
    trained = load_trained(arguments.model, arguments.checkpoint)
    known = known_classifier(data, trained.device, Terminal())
    labels = torch.arange(arguments.samples) % len(data.classes)
    drawn = (sample(trained, arguments.samples, arguments.seed, labels) * 255).round().to(torch.uint8)
    agrees = read(known.network, drawn) == labels
    writer = csv.writer(sys.stdout)
    writer.writerow(["what", "images", "share"])
    writer.writerow(["classifier on real test images", len(data.test), f"{known.accuracy:.4f}"])
    writer.writerow(["agreement with the requested label", arguments.samples, f"{agrees.float().mean().item():.4f}"])
    for label, name in enumerate(data.classes):
        share = agrees[labels == label].float().mean().item()
        writer.writerow([f"label {name}", int((labels == label).sum()), f"{share:.4f}"])


if __name__ == "__main__":
    main()
