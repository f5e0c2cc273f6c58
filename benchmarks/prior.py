"""What a density fitted to the codes is worth: FID of samples from N(0, I) against samples from a fitted mixture.

    python benchmarks/prior.py --data mnist vae runs/vae-mnist cae runs/cae-mnist

Ex-post density estimation (Ghosh et al. 2020). For each model one CSV row: 10,000 samples against the test images, in
the features of the classifier of benchmarks/agreement.py (64 means over its last maps; 10 logits) and of the fixed
random network of benchmarks/quality.py. Beside them the reconstructions of the test images, and the floor: training
images against test images.
"""

import argparse
import csv
import sys
from pathlib import Path

import torch
from agreement import known_classifier
from quality import RandomFeatures, features, fid
from torch import Tensor, nn

from gentool.data.load import load
from gentool.latent.codes import encode
from gentool.latent.prior import MixturePrior
from gentool.latent.reconstruct import reconstruct
from gentool.latent.sample import sample
from gentool.latent.trained import load_trained


class Given(nn.Module):
    """Features (N, D) as they are: so that those of the real images are computed once."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return x


class Maps(nn.Module):
    """uint8 images (N, C, H, W) -> features (N, 64): means over the last maps of a classifier, times 10."""

    num_features = 64

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        assert isinstance(classifier, nn.Sequential)
        self.maps = classifier[:-3]

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x.to(next(self.parameters()).dtype) / 255).mean((2, 3)) * 10


class Logits(nn.Module):
    """uint8 images (N, C, H, W) -> the logits of a classifier (N, 10)."""

    def __init__(self, classifier: nn.Module, classes: int) -> None:
        super().__init__()
        self.classifier, self.num_features = classifier, classes

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x.to(next(self.parameters()).dtype) / 255)


def to_uint8(images: Tensor) -> Tensor:
    return (images * 255).round().to(torch.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="pairs of a model's name and its checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--components", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--classifier", type=Path, help="keep the classifier's weights here, and take them from here")
    arguments = parser.parse_args()
    data = load(arguments.data)
    classifier, accuracy = known_classifier(data, arguments.seed, arguments.classifier)
    print(f"the classifier reads {accuracy:.2%} of the test images", file=sys.stderr)
    networks = {
        "maps": Maps(classifier), "logits": Logits(classifier, len(data.classes)), "random": RandomFeatures(),
    }  # fmt: skip
    writer = csv.writer(sys.stdout)
    writer.writerow(
        ["model", "samples", *(f"fid_{name}" for name in networks), *(f"ratio_{name}" for name in networks)]
    )

    real = [features(network, data.test.images) for network in networks.values()]

    def row(model: str, what: str, images: Tensor, base: list[float] | None = None) -> list[float]:
        seen = [features(network, images) for network in networks.values()]
        found = [fid(Given(one.shape[1]), one, other) for one, other in zip(real, seen, strict=True)]
        ratios = [] if base is None else [f"{value / first:.3f}" for value, first in zip(found, base, strict=True)]
        writer.writerow([model, what, *(f"{value:.4g}" for value in found), *ratios])
        sys.stdout.flush()
        return found

    with torch.no_grad():
        row("real", "training images", data.train.images[: len(data.test)])
        for model, checkpoint in zip(arguments.models[::2], arguments.models[1::2], strict=True):
            trained = load_trained(model, Path(checkpoint))
            normal = row(checkpoint, "N(0, I)", to_uint8(sample(trained, arguments.samples, arguments.seed)))
            prior = MixturePrior.fit(encode(trained, data.train.images), arguments.components)
            drawn = sample(trained, arguments.samples, arguments.seed, prior=prior.draw)
            row(checkpoint, f"mixture of {arguments.components}", to_uint8(drawn), normal)
            rebuilt = reconstruct(trained, data.test.images.float() / 255)
            row(checkpoint, "test reconstructions", to_uint8(rebuilt), normal)


if __name__ == "__main__":
    main()
