"""How the share of near copies that a training watches judges faked samples of few images.

    python benchmarks/near_copies.py --data cryptopunks --data faces --data mnist --data cats

For each data set and number of training images, drawn at random six times, one CSV row per kind of fake: the mean and
the largest share of 256 fakes that count as near copies. Copies should be near 1, everything else near 0.
"""

import argparse
import csv
import sys

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

import gentool
from gentool.metrics.copying import coarse, distinct, near_copies

FAKES, DRAWS, MOST = 256, 6, 12_000
TRAIN = (30, 90, 300, 1500)


def fakes(train: Tensor, unseen: Tensor, random: torch.Generator) -> dict[str, Tensor]:
    """Images (256, C, H, W), 0..255, by what was done to training images (N, C, H, W) or unseen ones (256, C, H, W)."""
    copies = train[torch.randint(len(train), (FAKES,), generator=random)]

    def noisy(x: Tensor, sd: float) -> Tensor:
        return x + 255 * sd * torch.randn(x.shape, generator=random)

    return {
        "copies": copies,
        "copies, noise of 4%": noisy(copies, 0.04),
        "copies, noise of 10%": noisy(copies, 0.1),
        "half copies, half unseen images": torch.cat([copies[: FAKES // 2], unseen[: FAKES // 2]]),
        "copies, brighter by 15%": copies * 1.15,
        "unseen images": unseen,
        "unseen images, blurred": gaussian_blur(unseen, [7, 7], [1.0, 1.0]),
        "unseen images, noise of 10%": noisy(unseen, 0.1),
        "means of two training images": (copies + copies[torch.randperm(FAKES, generator=random)]) / 2,
        "the mean image, noise of 4%": noisy(train.mean(0).expand_as(unseen), 0.04),
        "noise": noisy(torch.full_like(unseen, 128), 0.2),
    }


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True)
    arguments = parser.parse_args()
    writer = csv.writer(sys.stdout)
    writer.writerow(["data", "training images", "fakes", "mean", "largest"])
    for name in arguments.data:
        images = gentool.load_data(name).train.images[:MOST].float()
        random = torch.Generator().manual_seed(0)
        for count in TRAIN:
            shares: dict[str, list[float]] = {}
            for _ in range(DRAWS):
                order = torch.randperm(len(images), generator=random)
                train, unseen = images[order[:count]], images[order[count : count + FAKES]]
                known = distinct(coarse(train))
                for kind, fake in fakes(train, unseen, random).items():
                    shares.setdefault(kind, []).append(near_copies(coarse(fake), known))
            for kind, values in shares.items():
                writer.writerow([name, count, kind, f"{sum(values) / DRAWS:.3f}", f"{max(values):.3f}"])
            sys.stdout.flush()


if __name__ == "__main__":
    main()
