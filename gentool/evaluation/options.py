"""What an evaluation measures."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from gentool.errors import OptionError
from gentool.options import Validated, one_of, option

NETWORKS = ("classifier", "self-supervised", "random", "inception")
MIN_IMAGES = 12
"""Samples, test images and training images that are needed at least: density looks at the fifth neighbour, in
half-samples too."""
OF_LIKELIHOODS = ("k", "bound_images", "binarise")
"""The options of models with a likelihood."""
BOUND_IMAGES, BOUND_PIXEL_VALUES = 1000, 1024
"""The importance-weighted bound is that of this many test images of up to this many pixel values. Of larger ones there
are fewer: each is decoded K times."""


def name_in_scores(network: str) -> str:
    """What a feature network is called in the names of scores and files: `selfsupervised`."""
    return network.replace("-", "")


def bound_images_for(shape: tuple[int, int, int]) -> int:
    """The default number of test images for the importance-weighted bound, by their shape (C, H, W)."""
    return min(BOUND_IMAGES, max(MIN_IMAGES, BOUND_IMAGES * BOUND_PIXEL_VALUES // math.prod(shape)))


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(Validated):
    """What is scored, for `evaluate` and `compare`."""

    panel: ClassVar[str] = "Scores"

    samples: int = option(10_000, "Number of samples to score; at most the number of training images.", min=MIN_IMAGES)
    seed: int = option(0, "Seed of the samples.", min=0, max=2**31 - 1)
    features: tuple[str, ...] | None = option(
        None,
        "Feature networks, separated by commas: classifier (trained once on the labels of the data), self-supervised "
        "(trained once on the images of the data), random (fixed, for any images), inception (Inception v3).",
        parse=one_of(NETWORKS),
        default_text="classifier for labelled data, else self-supervised",
    )
    weights: Path | None = option(
        None,
        "Weights of Inception v3 for --features inception, from torchvision or torch-fidelity.",
        metavar="PATH",
        default_text="inception.pth in the cache folder",
    )
    k: int = option(200, "Samples per image for the importance-weighted bound of a VAE.", min=1, max=1_000_000)
    bound_images: int | None = option(
        None,
        "Compute the importance-weighted bound on the first N test images.",
        min=2,
        metavar="N",
        default_text=f"{BOUND_IMAGES:,}; fewer above {BOUND_PIXEL_VALUES:,} pixel values, such as "
        f"{bound_images_for((3, 64, 64))} at 64x64 in colour",
    )
    binarise: Literal["means", "static", "threshold"] = option(
        "means",
        "Pixels for the likelihood of a VAE: the grey values as means of Bernoulli pixels (means), one fixed draw of "
        "such pixels (static), or on if above a half (threshold).",
    )

    def cross_check(self) -> None:
        """Raises OptionError for weights without their network."""
        if self.weights is not None and "inception" not in (self.features or ()):
            raise OptionError("--weights: only with --features inception")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ScoreOptions):
    """The options of `gentool evaluate`."""

    half_samples: int = option(
        20,
        "Draw N half-samples for the 95% intervals of the samples' scores; 0: no intervals.",
        min=0,
        max=10_000,
        metavar="N",
        alias="bootstrap",
    )
    seeds: int = option(
        1, "Draw the samples with N seeds and report mean and standard deviation.", min=1, max=1000, metavar="N"
    )

    def cross_check(self) -> None:
        """Raises OptionError for a standard deviation of one half-sample."""
        super().cross_check()
        if self.half_samples == 1:
            raise OptionError("--half-samples: needs at least 2 for a standard deviation; about 100 are usual")
