"""Does a conditional model draw the class that it is asked for? An independent classifier decides.

    python benchmarks/agreement.py cgan runs/cgan-mnist --data mnist

Prints the accuracy of gentool's classifier of the data on the real test images, and for each label the share of samples
that it assigns to that label, with equal numbers of all labels. `gentool evaluate` has this among its numbers, with
labels as frequent as in the data.
"""

import argparse
import csv
import sys
from pathlib import Path

import torch

import gentool
from gentool.evaluation.classifier import classifier_of, predict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prior", choices=["gmm"], help="codes from a mixture for each class, not from N(0, I)")
    arguments = parser.parse_args()
    with gentool.Terminal() as terminal:
        data = gentool.load_data(arguments.data, reporter=terminal)
        model = gentool.Model.load(arguments.checkpoint, name=arguments.model)
        classifier = classifier_of(data, model.device, reporter=terminal)
    labels = torch.arange(arguments.samples) % len(data.classes)
    prior = model.fit_prior(data) if arguments.prior else None
    samples = model.sample(arguments.samples, seed=arguments.seed, labels=labels, prior=prior)
    agrees = predict(classifier.network, (samples * 255).round().to(torch.uint8)) == labels
    writer = csv.writer(sys.stdout)
    writer.writerow(["what", "images", "share"])
    writer.writerow(["classifier on real test images", len(data.test), f"{classifier.accuracy:.4f}"])
    writer.writerow(["agreement with the requested label", arguments.samples, f"{agrees.float().mean().item():.4f}"])
    for label, name in enumerate(data.classes):
        share = agrees[labels == label].float().mean().item()
        writer.writerow([f"label {name}", int((labels == label).sum()), f"{share:.4f}"])


if __name__ == "__main__":
    main()
