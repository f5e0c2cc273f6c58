"""What an evaluation measures."""

from dataclasses import dataclass

from gentool.evaluation.likelihood import Binarisation


@dataclass(frozen=True)
class Settings:
    """What to measure: `samples` of each of `seeds` seeds from `seed` on, `bootstrap` half-samples for the intervals,
    and of a VAE the bound of `k` samples on the first `bound_images` images, binarised as `binarise` says."""

    samples: int = 10_000
    seed: int = 0
    seeds: int = 1
    bootstrap: int = 20
    k: int = 200
    bound_images: int = 1000
    binarise: Binarisation = "means"
