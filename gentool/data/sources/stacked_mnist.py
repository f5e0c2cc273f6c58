"""Three digits of MNIST as the red, green and blue channel of one image: a set with 1,000 modes that can be counted.

Metz et al. 2017 (arXiv:1611.02163), section 3.3.1; Srivastava et al. 2017 (arXiv:1705.07761) count the modes.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentool.data.fetch import Downloads
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import TEST, TRAIN, Pixels, Raw, own_splits
from gentool.data.sources import torchvision_sets
from gentool.errors import DataError

KIND = "stacked digits"
COUNT = 150_000
"""As many of them, 128,571, are of MNIST's training images as others use (Lin et al. 2018, arXiv:1712.04086)."""
FACTORS = ("red", "green", "blue")


def is_stacked(info: Mapping[str, Any]) -> bool:
    """Whether the content of a dataset.json says that the images were stacked here and are in colour."""
    return info["found"]["kind"] == KIND and info["shape"][0] == len(FACTORS)


def choose(seed: int, count: int, digits: int) -> NDArray[np.int64]:
    """Which of a number of digits are stacked, (count, 3): those of image i depend on (seed, i) and that number alone.

    Made of whole numbers only, from the stream of Philox (Salmon et al. 2011), which NumPy does not change.
    """
    high = np.random.Philox(key=seed).random_raw(count * len(FACTORS)).reshape(count, len(FACTORS)) >> np.uint64(32)
    return high.astype(np.int64) * digits >> 32


def read(name: str, options: PrepareOptions, downloads: Downloads) -> Raw:
    """`--count` images; training images are of MNIST's training images, test images of its test images.

    Raises DataError where the files of MNIST are not at hand.
    """
    mnist = torchvision_sets.read("mnist", options, replace(downloads, folder=downloads.folder.with_name("mnist")))
    if mnist.labels is None:
        raise DataError(f"{name}: the labels of the digits are missing; it needs all four files of MNIST")
    count = options.count or COUNT
    splits = mnist.own if mnist.own is not None else np.full(mnist.count, TRAIN, np.int8)
    parts, sizes = [], []
    for split in (TRAIN, TEST):
        digits = np.flatnonzero(splits == split)
        sizes.append((split, round(count * len(digits) / mnist.count)))
        parts.append(digits[choose(options.split_seed + split * 2**32, sizes[-1][1], len(digits))])
    chosen = np.concatenate(parts)

    def stacked(i: int) -> Pixels:
        return np.concatenate([mnist.get(int(digit)) for digit in chosen[i]], axis=2)

    return Raw(
        kind=KIND,
        count=len(chosen),
        get=stacked,
        name=lambda i: f"image {i}",
        uniform=None if mnist.uniform is None else (*mnist.uniform[:2], len(FACTORS)),
        own=None if mnist.own is None else own_splits(sizes),
        factors=mnist.labels[chosen].astype(np.float32),
        factor_names=FACTORS,
    )
