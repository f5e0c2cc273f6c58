"""How good a generator is, beside the floor that real images set.

    python benchmarks/quality.py gan runs/gan-cryptopunks --data cryptopunks

Draws samples and prints one CSV row for them and one for each reference: half of the real images against the other half
(the floor), and the samples snapped to the data's commonest colours. Features come from a fixed random convolutional
network (seed 0): FIDs compare within this script only.
"""

import argparse
import copy
import csv
import math
import sys
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from gentool.data.load import load
from gentool.latent.sample import commonest_colours, sample, snap
from gentool.latent.trained import load_trained
from gentool.metrics.fidelity import distinct_share, palette_score, precision_recall

PALETTE = 128
POINTS = 2500


class RandomFeatures(nn.Module):
    """uint8 images (N, 3, H, W) -> features (N, 128): means over the last map of a fixed random network."""

    num_features = 128

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 3, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(128, 128, 3, 2, 1),
        )  # fmt: skip
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                scale = math.sqrt(2 / (layer.in_channels * 9))
                layer.weight.data.normal_(0, scale, generator=generator)
                layer.bias.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layers(x.expand(-1, 3, -1, -1).to(next(self.parameters()).dtype) / 127.5 - 1)
        return maps.mean((2, 3)) * 10


@torch.inference_mode()
def features(network: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([network(part) for part in images.split(500)])


def fid(network: nn.Module, real: Tensor, fake: Tensor) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = FrechetInceptionDistance(
            feature=copy.deepcopy(network), input_img_size=tuple(real.shape[1:])
        ).set_dtype(torch.float64)
        for part in real.split(500):
            metric.update(part, real=True)
        for part in fake.split(500):
            metric.update(part, real=False)
        return metric.compute().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    real = load(arguments.data).whole().images
    real = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(0))]
    trained = load_trained(arguments.model, arguments.checkpoint)
    classes = len(trained.header.classes) if getattr(trained.network, "classes", 0) else 0
    labels = torch.arange(arguments.samples) % classes if classes else None
    fake = sample(trained, arguments.samples, arguments.seed, labels)
    half = len(real) // 2
    count = min(half, arguments.samples)
    palette = commonest_colours(real, PALETTE)
    sets = {
        "real half against half": real[half : half + count],
        "samples": (fake * 255).round().to(torch.uint8),
        f"samples --palette {PALETTE}": (snap(fake, palette) * 255).round().to(torch.uint8),
    }
    colours = commonest_colours(real, 2**24)
    network = RandomFeatures()
    reference = features(network, real[:half])
    originals = {image.numpy().tobytes() for image in real}
    writer = csv.writer(sys.stdout)
    writer.writerow(
        ["what", "images", "fid_random", "precision", "recall", "palette", "palette_foreground", "distinct", "in_data"]
    )
    for name, images in sets.items():
        precision, recall = precision_recall(reference[:POINTS], features(network, images)[:POINTS])
        everywhere, foreground = palette_score(images, colours, colours[0])
        copies = sum(image.numpy().tobytes() in originals for image in images) / len(images)
        numbers = [
            fid(network, real[:half], images),
            precision,
            recall,
            everywhere,
            foreground,
            distinct_share(images),
            copies,
        ]
        writer.writerow([name, len(images), *(f"{number:.4g}" for number in numbers)])


if __name__ == "__main__":
    main()
