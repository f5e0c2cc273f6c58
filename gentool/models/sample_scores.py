"""What is measured of samples during a training: their FID in the features of a random network, which --keep best goes
by, and whether they copy the training images, where these are few."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.alarms import COPYING, Alarm, Row
from gentool.engine.randomness import isolated
from gentool.engine.run import Run
from gentool.errors import OptionError
from gentool.metrics.copying import coarse, distinct, near_copies
from gentool.metrics.distances import fid
from gentool.models.augmentation import AugmentationOptions
from gentool.networks.random_features import RandomFeatures
from gentool.options import option, redefault

SCORE, COPIES = "sample_fid", "near_copies"
"""The columns of metrics.csv."""
SAMPLES, AT_ONCE = 512, 64
"""Samples that are scored, and how many of them are made in one pass."""
FEWEST, FEWEST_DISTINCT = 2, 3
"""Validation images that an FID needs, and training images that their ratios need."""
WATCHED, WATCH_EVERY, MOST_COPIES = 128, 250, 0.15
"""Near copies are counted among 128 samples every 250 updates. The alarm is raised above a share of .15; real images
outside the training set reach .08 at most (benchmarks/near_copies.py)."""


@dataclass(frozen=True, kw_only=True)
class SampleScoreOptions(AugmentationOptions):
    """The options of models whose samples are scored: those that do not encode, and need no zooming."""

    default_zoom: ClassVar[float] = 0.0
    zoom: float | None = redefault(AugmentationOptions, "zoom", None, default_text="0")
    score_every: int | None = option(
        None,
        f"Score {SAMPLES} samples against the validation images every N epochs, and after the first and the last; 0: "
        "never.",
        min=0,
        metavar="N",
        default_text="with --keep best the default of --sample-every, else never",
    )

    def cross_check(self) -> None:
        """Raises OptionError for --keep best without scores."""
        super().cross_check()
        if self.keep == "best" and self.score_every == 0:
            raise OptionError("--keep best: needs scores, but --score-every 0 computes none")

    def resolved(self, data: ImageData) -> dict[str, Any]:  # type: ignore[override]
        """The values in force of options that leave the choice to gentool, for this data."""
        default = "as --sample-every" if self.keep == "best" else 0
        return super().resolved(data) | {"score_every": default if self.score_every is None else self.score_every}


class SampleScore:
    """Scores samples of the same codes each time, at the ends of the epochs where that is due.

    The FID is for --keep best and --score-every. Of few training images, it is also watched whether samples copy them.

    Raises OptionError where there are too few validation images.
    """

    def __init__(self, options: SampleScoreOptions, data: ImageData, run: Run, dim: int, classes: int) -> None:
        self.run = run
        self.every = options.score_every if options.keep == "best" or options.score_every is not None else 0
        if self.every != 0 and len(data.validation) < FEWEST:
            option_given = "--keep best" if options.score_every is None else "--score-every"
            raise OptionError(
                f"{option_given}: there are too few validation images ({len(data.validation)}); prepare more with "
                "--validation"
            )
        if self.every != 0:
            with isolated(0):
                self.network = RandomFeatures(4 if data.shape[0] == 4 else 3).to(run.device).eval()
            self.real = self._features(data.validation.images.split(AT_ONCE))
        train = distinct(coarse(data.train.images.float() / 255)) if data.few else None
        self.train = train if train is not None and len(train) >= FEWEST_DISTINCT else None
        self.z = run.fixed_noise("score", SAMPLES, dim)
        self.labels: Tensor | None = None
        if classes and data.train.labels is not None:
            self.labels = data.train.labels[torch.arange(SAMPLES) % len(data.train)].to(run.device)

    @property
    def due(self) -> bool:
        """Whether samples are to be scored or watched at the end of this epoch."""
        return self._scored or self._watched

    @property
    def _scored(self) -> bool:
        return self.run.plan.due(self.run.step, self.every)

    @property
    def _watched(self) -> bool:
        """Every `WATCH_EVERY` updates, and at the end."""
        plan, now = self.run.plan, self.run.step
        before = plan.end_of(plan.epochs_begun(now) - 1)
        crossed = now // WATCH_EVERY > before // WATCH_EVERY
        return self.train is not None and (crossed or now >= plan.total_steps)

    @torch.no_grad()
    def of(self, decode: Callable[[Tensor, Tensor | None], Tensor]) -> dict[str, float]:
        """The columns of images (N, C, H, W) in [0, 1] that codes (N, D) and their labels (N,) become."""
        count = SAMPLES if self._scored else WATCHED
        images = torch.cat([
            decode(self.z[rows], None if self.labels is None else self.labels[rows]).float()
            for rows in torch.arange(count, device=self.z.device).split(AT_ONCE)
        ])  # fmt: skip
        measured: dict[str, float] = {}
        if self._scored:
            measured[SCORE] = fid(self.real, self._features((images * 255).round().split(AT_ONCE)))
        if self._watched and self.train is not None:
            measured[COPIES] = near_copies(coarse(images[:WATCHED]).cpu(), self.train)
        return measured

    @torch.no_grad()
    def _features(self, parts: Iterable[Tensor]) -> Tensor:
        """Features (N, 128) of images with values 0..255, on the CPU."""
        return torch.cat([self.network(part.to(self.run.device)).float().cpu() for part in parts])


def copying(rows: Sequence[Row]) -> Iterator[Alarm]:
    """An alarm for samples that are training images with small changes."""
    share = rows[-1].get(COPIES, 0.0)
    if share > MOST_COPIES:
        yield Alarm(
            COPYING,
            f"copying: {share:.0%} of the samples are training images with small changes; stop earlier, or use more "
            "images",
        )
