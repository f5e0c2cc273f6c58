"""What a density fitted to the codes gains: FID of samples from N(0, I) against samples from a fitted
mixture and from a fitted flow.

    python benchmarks/prior.py --data mnist vae runs/vae-mnist cae runs/cae-mnist

Ex-post density estimation (Ghosh et al. 2020). For each model one CSV row: 10,000 samples against the test images, in
the features of gentool's classifier of the data, in that classifier's logits, and in the features of the fixed random
network. Beside them the reconstructions of the test images, and the floor: training images against test images.
"""

import argparse
import csv
import sys
from functools import partial

import torch
from torch import Tensor, nn

import gentool
from gentool.evaluation.features import feature_networks
from gentool.metrics.distances import fid


def logits(classifier: nn.Module, images: Tensor) -> Tensor:
    """The logits (N, classes) of uint8 images (N, C, H, W)."""
    return torch.cat([classifier(part.float() / 255) for part in images.split(128)])


def to_uint8(images: Tensor) -> Tensor:
    return (images * 255).round().to(torch.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="pairs of a model's name and its checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--components", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with gentool.Terminal() as terminal:
        data = gentool.load_data(arguments.data, reporter=terminal)
        networks = feature_networks(("classifier", "random"), data, torch.device("cpu"), reporter=terminal)
    classifier = next(network.classifier for network in networks if network.classifier is not None)
    views = {network.name: network for network in networks} | {"logits": partial(logits, classifier)}
    writer = csv.writer(sys.stdout)
    writer.writerow(["model", "samples", *(f"fid_{name}" for name in views), *(f"ratio_{name}" for name in views)])

    def row(model: str, what: str, images: Tensor, base: list[float] | None = None) -> list[float]:
        distances = [fid(reference[name], view(images)) for name, view in views.items()]
        ratios = [] if base is None else [f"{value / first:.3f}" for value, first in zip(distances, base, strict=True)]
        writer.writerow([model, what, *(f"{value:.4g}" for value in distances), *ratios])
        sys.stdout.flush()
        return distances

    with torch.no_grad():
        reference = {name: view(data.test.images) for name, view in views.items()}
        row("real", "training images", data.train.images[: len(data.test)])
        for name, checkpoint in zip(arguments.models[::2], arguments.models[1::2], strict=True):
            model = gentool.Model.load(checkpoint, name=name)
            draw = partial(model.sample, arguments.samples, seed=arguments.seed)
            normal = row(checkpoint, "N(0, I)", to_uint8(draw()))
            mixture = model.fit_prior(data, components=arguments.components)
            row(checkpoint, f"mixture of {arguments.components}", to_uint8(draw(prior=mixture)), normal)
            flow = model.fit_prior(data, kind="flow")
            row(checkpoint, "flow", to_uint8(draw(prior=flow)), normal)
            row(checkpoint, "test reconstructions", to_uint8(model.reconstruct(data.test.images)), normal)


if __name__ == "__main__":
    main()
