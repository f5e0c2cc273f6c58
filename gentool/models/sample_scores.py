"""The score of samples during a training, which --keep best goes by: their FID in the features of a random network."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.randomness import isolated
from gentool.engine.run import Run
from gentool.errors import OptionError
from gentool.metrics.distances import fid
from gentool.models.augmentation import AugmentationOptions
from gentool.networks.random_features import RandomFeatures
from gentool.options import option

SCORE = "sample_fid"
"""The column of metrics.csv."""
SAMPLES, AT_ONCE = 512, 64
"""Samples that are scored, and how many of them are made in one pass."""
FEWEST = 2
"""Validation images that an FID needs."""


@dataclass(frozen=True, kw_only=True)
class SampleScoreOptions(AugmentationOptions):
    """The options of models whose samples are scored."""

    score_every: int | None = option(
        None,
        f"Score {SAMPLES} samples against the validation images every N epochs, and after the first and the last; 0: "
        "never.",
        min=0,
        metavar="N",
        default_text="with --keep best every epoch up to 200, every 10th up to 2,000, then every 100th; else never",
    )

    def cross_check(self) -> None:
        """Raises OptionError for --keep best without scores."""
        super().cross_check()
        if self.keep == "best" and self.score_every == 0:
            raise OptionError("--keep best: needs scores, and --score-every 0 makes none")


class SampleScore:
    """Scores samples of the same codes each time. `of` is to be called where `due` is true.

    Raises OptionError where there are too few validation images.
    """

    def __init__(self, options: SampleScoreOptions, data: ImageData, run: Run, dim: int, classes: int) -> None:
        self.run = run
        self.every = options.score_every if options.keep == "best" or options.score_every is not None else 0
        if self.every == 0:
            return
        if len(data.validation) < FEWEST:
            raise OptionError(
                f"--score-every: there are too few validation images ({len(data.validation)}); prepare more with "
                "--validation"
            )
        with isolated(0):
            self.network = RandomFeatures(4 if data.shape[0] == 4 else 3).to(run.device).eval()
        self.real = self._features(data.validation.images.split(AT_ONCE))
        self.z = run.fixed_noise("score", SAMPLES, dim)
        labels = data.train.labels
        self.labels = (
            None if not classes or labels is None else labels[torch.arange(SAMPLES) % len(labels)].to(run.device)
        )

    @property
    def due(self) -> bool:
        """Whether samples are to be scored at the end of this epoch."""
        return self.run.plan.due(self.run.step, self.every)

    @torch.no_grad()
    def of(self, decode: Callable[[Tensor, Tensor | None], Tensor]) -> dict[str, float]:
        """The score of images (N, C, H, W) in [0, 1] that codes (N, D) and their labels (N,) become."""
        labels = [None] * (SAMPLES // AT_ONCE) if self.labels is None else self.labels.split(AT_ONCE)
        parts = ((decode(z, some).float() * 255).round() for z, some in zip(self.z.split(AT_ONCE), labels, strict=True))
        return {SCORE: fid(self.real, self._features(parts))}

    @torch.no_grad()
    def _features(self, parts: Iterable[Tensor]) -> Tensor:
        """Features (N, 128) of images with values 0..255, on the CPU."""
        return torch.cat([self.network(part.to(self.run.device)).float().cpu() for part in parts])
