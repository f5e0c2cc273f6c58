"""Which feature network tells fakes from real images? Generators whose worth is known, in the features of each.

    python benchmarks/self_supervised.py --data mnist --data cryptopunks --data cats

Half of the held-out images of a data set are the reference, the others are made into fakes. One CSV row for each fake
and network: FID, precision and recall, and FID as a multiple of the floor, which are training images. With labels,
the rank correlation of the fakes' FIDs with those in the classifier's features is on stderr.
"""

import argparse
import csv
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

import gentool
from gentool.data.images import ImageData
from gentool.evaluation.features import default_names, feature_networks
from gentool.metrics.distances import fid
from gentool.metrics.neighbours import manifold_scores

MOST, CLUSTERS, REPEATED, COMPONENTS, PATCHES = 1000, 10, 20, 32, 4


def fakes(unseen: Tensor, train: Tensor, labels: Tensor | None, random: torch.Generator) -> dict[str, Tensor]:
    """uint8 images (N, C, H, W) by what was done to unseen images or chosen of training images, float in 0..255."""
    count, size = len(unseen), min(unseen.shape[2:])
    mean = train.mean(0)

    def blurred(x: Tensor, sd: float) -> Tensor:
        side = 2 * int(3 * sd + 1) + 1
        side = min(side, 2 * size - 1)
        return gaussian_blur(x, [side, side], [sd, sd])

    def noise(sd: float) -> Tensor:
        return 255 * sd * torch.randn(unseen.shape, generator=random)

    clusters = KMeans(CLUSTERS, n_init=1, random_state=0).fit_predict(coarse(train).numpy())
    kept = torch.as_tensor(clusters) < CLUSTERS // 2
    made = {
        "unseen images": unseen,
        f"blurred, {size / 40:.1f} pixels": blurred(unseen, size / 40),
        f"blurred, {size / 20:.1f} pixels": blurred(unseen, size / 20),
        "noise of 4%": unseen + noise(0.04),
        "noise of 10%": unseen + noise(0.1),
        "shifted by a tenth": unseen.roll((max(1, size // 10), max(1, size // 10)), (2, 3)),
        "brighter by 15%": unseen * 1.15,
        "half of the clusters": train[kept][:count],
        f"{REPEATED} images, repeated": unseen[:REPEATED].repeat(-(-count // REPEATED), 1, 1, 1)[:count],
        "means of two": (unseen + unseen.roll(1, 0)) / 2,
        "clouds": clouds(train, count, random),
        f"patches of {PATCHES}x{PATCHES}, shuffled": shuffled_patches(unseen, random),
        f"{COMPONENTS} principal components": projected(unseen, train, mean),
        "Gaussian of the pixels": gaussian(train, count, random),
        "halves of two": torch.cat([unseen[..., : size // 2], unseen.roll(1, 0)[..., size // 2 :]], 3),
    }
    if labels is not None:
        made["a class is missing"] = train[labels != 0][:count]
    return {name: images.round().clamp(0, 255).to(torch.uint8) for name, images in made.items()}


def coarse(x: Tensor) -> Tensor:
    """Images as rows of at most 8x8 pixels."""
    return F.adaptive_avg_pool2d(x, 8).flatten(1)


def clouds(train: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Noise with the mean image and the mean spectrum of training images, and the correlations of their channels."""
    rest = train - train.mean(0)
    spectrum = torch.fft.fft2(rest).abs().square().mean((0, 1)).sqrt()
    noise = torch.randn(count, *train.shape[1:], generator=random)
    smooth = torch.fft.ifft2(torch.fft.fft2(noise) * spectrum).real
    smooth = smooth / smooth.std() * rest.std()
    between = torch.corrcoef(rest.transpose(0, 1).flatten(1)) if train.shape[1] > 1 else torch.ones(1, 1)
    values, vectors = torch.linalg.eigh(between)
    return train.mean(0) + torch.einsum("cd,ndhw->nchw", vectors * values.clamp_min(0).sqrt(), smooth)


def shuffled_patches(x: Tensor, random: torch.Generator) -> Tensor:
    """Each image cut into patches, in another order for each image."""
    rows, columns = (torch.tensor_split(torch.arange(side), PATCHES) for side in x.shape[2:])
    height, width = (min(map(len, parts)) for parts in (rows, columns))
    made = x.clone()
    for image, source in zip(made, x, strict=True):
        for place, chosen in enumerate(torch.randperm(PATCHES**2, generator=random).tolist()):
            to, of = divmod(place, PATCHES), divmod(chosen, PATCHES)
            (a, b), (c, d) = (rows[to[0]][0], columns[to[1]][0]), (rows[of[0]][0], columns[of[1]][0])
            image[:, a : a + height, b : b + width] = source[:, c : c + height, d : d + width]
    return made


def components(train: Tensor, mean: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Standard deviations (K,) and directions (K, values) of the main components of training images."""
    rows = (train - mean).flatten(1)
    _, values, directions = torch.svd_lowrank(rows, q=min(count, *rows.shape), niter=4)
    return values / len(rows) ** 0.5, directions.T


def projected(x: Tensor, train: Tensor, mean: Tensor) -> Tensor:
    """Images on the main components of the training images, which is what a linear autoencoder makes of them."""
    _, directions = components(train, mean, COMPONENTS)
    return mean + ((x - mean).flatten(1) @ directions.T @ directions).view_as(x)


def gaussian(train: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Samples of the Gaussian that fits the pixels of the training images best, on its 256 main components."""
    deviations, directions = components(train, train.mean(0), 256)
    codes = torch.randn(count, len(deviations), generator=random) * deviations
    return train.mean(0) + (codes @ directions).view(count, *train.shape[1:])


Network = Callable[[Tensor], Tensor]


def measure(
    data: ImageData, networks: dict[str, Network], write: Callable[[list[object]], object], samples: dict[str, Tensor]
) -> None:
    """A row for each fake and network, and the rank correlations with the classifier's order on stderr."""
    random = torch.Generator().manual_seed(0)
    held_out = torch.cat([data.validation.images, data.test.images])
    held_out = held_out[torch.randperm(len(held_out), generator=random)][: 2 * MOST]
    reference, unseen = held_out.chunk(2)
    reference = reference[: len(unseen)]
    order = torch.randperm(len(data.train), generator=random)[: 20 * MOST]
    train = data.train.images[order]
    labels = None if data.train.labels is None else data.train.labels[order]
    torch.manual_seed(0)
    made = {"training images (floor)": train[: len(unseen)]}
    made |= fakes(unseen.float(), train.float(), labels, random)
    made |= samples
    distances: dict[str, list[float]] = {}
    for name, network in networks.items():
        real = network(reference)
        for what, images in made.items():
            features = network(images)
            found = fid(real, features)
            distances.setdefault(name, []).append(found)
            scores = manifold_scores(real, features)
            times = found / distances[name][0]
            numbers = [found, times, scores["precision"], scores["recall"]]
            write([data.name, name, what, len(images), *(f"{number:.4g}" for number in numbers)])
    for name, values in distances.items():
        if "classifier" in distances and name != "classifier":
            rank = spearmanr(values[1:], distances["classifier"][1:]).statistic
            print(f"{data.name}: rank correlation of FIDs, {name} and classifier: {rank:.3f}", file=sys.stderr)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--model", action="append", default=[], help="a run whose samples are scored with its data")
    arguments = parser.parse_args()
    models = [gentool.Model.load(run) for run in arguments.model]
    writer = csv.writer(sys.stdout)
    writer.writerow(["data", "features", "what", "images", "fid", "times_floor", "precision", "recall"])
    for name in arguments.data:
        with gentool.Terminal() as terminal:
            data = gentool.load_data(name, reporter=terminal)
            names = dict.fromkeys(("random", *default_names(data), "self-supervised"))
            networks: dict[str, Network] = {}
            for kind in names:
                begun = time.process_time()
                networks |= {
                    one.name: one for one in feature_networks((kind,), data, torch.device("cpu"), reporter=terminal)
                }
                print(f"{name}: {kind}: {time.process_time() - begun:.0f} s of one core", file=sys.stderr)
        samples = {f"samples of a {one.name}, {one.path}": one for one in models if one.header.data == data.name}
        drawn = {what: (one.sample(MOST, seed=0) * 255).round().to(torch.uint8) for what, one in samples.items()}
        measure(data, networks, writer.writerow, drawn)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
