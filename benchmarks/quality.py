"""How good a generator is, beside the floor that real images set.

    python benchmarks/quality.py gan runs/gan-cryptopunks --data cryptopunks

Draws samples and prints one CSV row for them and one for each reference: half of the real images against the other half
(the floor), and the samples snapped to the data's commonest colours. Features come from gentool's fixed random network;
`gentool evaluate` compares with the test images instead.
"""

import argparse
import csv
import sys
from pathlib import Path

import torch

import gentool
from gentool.evaluation.features import feature_networks
from gentool.latent.palette import commonest_colours, snap
from gentool.metrics.distances import fid
from gentool.metrics.images import distinct_share, palette_score
from gentool.metrics.neighbours import manifold_scores

PALETTE = 128
POINTS = 2500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with gentool.Terminal() as terminal:
        data = gentool.load_data(arguments.data, reporter=terminal)
        model = gentool.Model.load(arguments.checkpoint, name=arguments.model)
        (features,) = feature_networks(("random",), data, model.device, reporter=terminal)
    real = data.whole().images
    real = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(0))]
    fake = model.sample(arguments.samples, seed=arguments.seed)
    half = len(real) // 2
    count = min(half, arguments.samples)
    palette = commonest_colours(real, PALETTE)
    sets = {
        "real half against half": real[half : half + count],
        "samples": (fake * 255).round().to(torch.uint8),
        f"samples --palette {PALETTE}": (snap(fake, palette) * 255).round().to(torch.uint8),
    }
    colours = commonest_colours(real, 2**24)
    reference = features(real[:half])
    originals = {image.numpy().tobytes() for image in real}
    writer = csv.writer(sys.stdout)
    writer.writerow(
        ["what", "images", "fid_random", "precision", "recall", "palette", "palette_foreground", "distinct", "in_data"]
    )
    for name, images in sets.items():
        fake_features = features(images)
        scores = manifold_scores(reference[:POINTS], fake_features[:POINTS])
        everywhere, foreground = palette_score(images, colours, colours[0])
        copies = sum(image.numpy().tobytes() in originals for image in images) / len(images)
        numbers = [
            fid(reference, fake_features),
            scores["precision"],
            scores["recall"],
            everywhere,
            foreground,
            distinct_share(images),
            copies,
        ]
        writer.writerow([name, len(images), *(f"{number:.4g}" for number in numbers)])


if __name__ == "__main__":
    main()
