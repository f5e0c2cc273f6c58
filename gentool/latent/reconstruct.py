"""What an autoencoder makes of images: pictures and a table of errors."""

import math
from collections.abc import Iterable

from torch import Tensor

from gentool.data.images import Split
from gentool.latent.codes import decode, encode
from gentool.latent.trained import Trained

CHUNK = 256


def reconstruct(trained: Trained, x: Tensor) -> Tensor:
    """x (N, C, H, W) in [0, 1] -> its reconstruction, on the CPU."""
    return decode(trained, encode(trained, x))


def errors(trained: Trained, split: Split) -> Iterable[dict[str, float]]:
    """For each image of a split: index, label where there is one, mse per pixel, psnr in dB."""
    for start in range(0, len(split), CHUNK):
        x = split.images[start : start + CHUNK].float() / 255
        mse = (reconstruct(trained, x) - x).square().flatten(1).mean(1)
        for offset, value in enumerate(mse.tolist()):
            row: dict[str, float] = {"index": start + offset}
            if split.labels is not None:
                row["label"] = int(split.labels[start + offset])
            yield row | {"mse": value, "psnr": -10 * math.log10(value) if value > 0 else math.inf}
