"""Flow matching (Lipman et al. 2023, arXiv:2210.02747; Liu et al. 2023, arXiv:2209.03003): noise becomes an image along
an ordinary differential equation, whose velocity a U-Net has learnt.

Of labelled images it learns the classes as well, with guidance that needs no classifier (Ho & Salimans 2022,
arXiv:2207.12598): in training, some labels are left out.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.images import ImageData, Split
from gentool.engine.ema import EMA
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Schedule
from gentool.engine.run import Run
from gentool.errors import OptionError
from gentool.metrics.diversity import diversity
from gentool.metrics.flow_matching import even_times, paired_noise, straight_path
from gentool.models.augmentation import augmentation
from gentool.models.sample_pictures import fixed_codes, sample_picture
from gentool.models.sample_scores import SCORE, SampleScore, SampleScoreOptions, copying
from gentool.networks.layers import Shape
from gentool.networks.ode import Solver, Velocity, solve, steps_along
from gentool.networks.unet import UNet
from gentool.options import Validated, option, redefault

CLIP = 1.0
"""The gradient's norm is clipped to this."""
WITHOUT_LABEL = 0.1
"""The share of training images whose label is left out, so that the network also knows images of any class."""
DATA_SD = 0.5
"""About the standard deviation of pixels in [-1, 1]."""
NEAR = 0.05
"""The error of the velocity, which grows without bound towards the end, counts as if this much time were left."""
PICTURE_STEPS, MOST_ROWS = 5, 16
"""Steps of the solver for the pictures of a training, and the most classes that they show: samples take time."""


@dataclass(frozen=True, kw_only=True)
class Options(SampleScoreOptions):
    """The options of `gentool train flow`."""

    updates: ClassVar[int] = 10_000

    width: int = option(48, "Channels of the U-Net's largest feature maps.", min=8, max=1024)
    conditional: bool = option(True, "Learn the classes of labelled images, so that you can choose one when sampling.")
    pairing: Literal["independent", "ot"] = option(
        "independent",
        "How noise and training images are paired: at random (independent), or by optimal transport within each batch "
        "(ot).",
    )
    lr: float = redefault(TrainOptions, "lr", 3e-3)
    schedule: Schedule = redefault(TrainOptions, "schedule", "warmup")
    ema: float = redefault(TrainOptions, "ema", 0.999)


@dataclass(frozen=True, kw_only=True)
class SamplingOptions(Validated):
    """How noise is made an image."""

    solver: Solver = option("midpoint", "ODE solver. Euler computes the velocity once per step, the others twice.")
    sample_steps: int = option(10, "Steps from noise to image.", min=1, max=10_000)
    guidance: float = option(
        1.0, "How strongly samples follow their class: 0 not at all, 1 as trained, above 1 more.", min=0.0, max=100.0
    )


class Flow(nn.Module):
    """The velocity v(x, t) that carries noise at t = 0 to pixels in [-1, 1] at t = 1.

    A code z is the noise, a number for each pixel value.
    """

    gaussian_prior = True

    def __init__(self, options: Options, shape: Shape, classes: int) -> None:
        super().__init__()
        self.shape, self.latent_dim = shape, math.prod(shape)
        self.classes = classes if options.conditional else 0
        self.unet = UNet(shape, options.width, self.classes)

    def forward(self, x: Tensor, t: Tensor, weights: Tensor | None = None) -> Tensor:
        """x (N, C, H, W), t (N,) in [0, 1], weights (N, classes) -> the image in [-1, 1] to which x leads.

        The network sees x in units of its standard deviation. It predicts the image and not the velocity, which follows
        from it: a small network knows images better than noise (Li & He 2025, arXiv:2511.13720).
        """
        time = t.view(-1, 1, 1, 1)
        sd = ((time * DATA_SD).square() + (1 - time).square()).sqrt()
        return self.unet(x / sd, t, weights).float()

    def velocity(self, labels: Tensor | None, guidance: float) -> Velocity:
        """The velocity for labels (N,) or weights of the classes (N, classes), as a function of x and one time."""
        if guidance != 1 and not self.classes:
            raise OptionError("--guidance: only for a flow trained with classes")
        weights = None if labels is None else self.weights(labels)

        def velocity(x: Tensor, t: float) -> Tensor:
            time = torch.full((x.shape[0],), t, device=x.device)
            if weights is None or guidance == 0:
                image = self(x, time)
            elif guidance == 1:
                image = self(x, time, weights)
            else:
                image = torch.lerp(self(x, time), self(x, time, weights), guidance)
            return (image - x) / (1 - t)

        return velocity

    def weights(self, labels: Tensor) -> Tensor:
        """Labels (N,), or weights of the classes (N, classes) -> weights (N, classes)."""
        return labels if labels.is_floating_point() else F.one_hot(labels, self.classes).float()

    def decode(self, z: Tensor, labels: Tensor | None = None, options: SamplingOptions | None = None) -> Tensor:
        """Noise z (N, D) and, if conditional, labels (N,) or (N, classes) -> pixels (N, C, H, W) in [0, 1]."""
        options = options or SamplingOptions()
        velocity = self.velocity(labels, options.guidance)
        return pixels(solve(velocity, z.unflatten(1, self.shape), options.sample_steps, options.solver))

    def trajectory(self, z: Tensor, labels: Tensor | None, options: SamplingOptions) -> Iterator[Tensor]:
        """The images (N, C, H, W) in [0, 1] on the way from noise z (N, D), after each step of the solver."""
        velocity = self.velocity(labels, options.guidance)
        for x in steps_along(velocity, z.unflatten(1, self.shape), options.sample_steps, options.solver):
            yield pixels(x)

    def invert(self, x: Tensor, labels: Tensor | None, noise: Tensor, options: SamplingOptions) -> Tensor:
        """Images (N, C, H, W) in [0, 1] -> codes (N, D) that become nearly them, along the path backwards.

        An image has no noise, and all that is near it leads to it: so the way back begins a little before the end, at
        the image with a little of `noise` (N, D). The codes are then as long as those of N(0, I).
        """
        begin = torch.full((x.shape[0],), 1 - NEAR, device=x.device)
        x, _ = straight_path(x * 2 - 1, noise.unflatten(1, self.shape), begin)
        velocity = self.velocity(labels, options.guidance)
        return solve(velocity, x, options.sample_steps, options.solver, start=1 - NEAR, end=0.0).flatten(1)

    def error(self, x: Tensor, labels: Tensor | None, noise: Tensor, t: Tensor) -> Tensor:
        """The mean squared error (N,) of the velocity towards images (N, C, H, W) in [0, 1], from noise at times t."""
        return self.squared_error(x * 2 - 1, noise, t, None if labels is None else self.weights(labels))

    def squared_error(self, x: Tensor, noise: Tensor, t: Tensor, weights: Tensor | None) -> Tensor:
        """`error`, with pixels in [-1, 1] and the classes as weights."""
        point, _ = straight_path(x, noise, t)
        left = (1 - t).clamp_min(NEAR)
        return (self(point, t, weights) - x).square().mean((1, 2, 3)) / left.square()


def pixels(x: Tensor) -> Tensor:
    """Values around [-1, 1] -> pixels in [0, 1]."""
    return ((x + 1) / 2).clamp(0, 1)


def build(options: Options, shape: Shape, classes: int) -> Flow:
    """The network that model.pt holds."""
    return Flow(options, shape, classes)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Learn the velocity of straight paths from noise to images."""
    if options.pairing == "ot" and not run.world.alone:
        raise OptionError("--pairing ot: not with several processes, which would pair rows differently from one")
    flow = run.place(build(options, data.shape, len(data.classes)))
    optimizer = run.adam(flow, options.lr)
    ema = EMA(flow, options.ema)
    scoring = SampleScore(options, data, run, flow.latent_dim, flow.classes)
    run.watch(copying)
    run.resume(flow=flow, ema=ema, optimizer=optimizer)
    augment = augmentation(options, data, run)
    z, labels = fixed_codes(run, flow.latent_dim, min(flow.classes, MOST_ROWS))
    pictures = SamplingOptions(sample_steps=PICTURE_STEPS)

    def update(x: Tensor, noise: Tensor, t: Tensor, weights: Tensor | None) -> dict[str, Tensor]:
        with run.autocast():
            loss = flow.squared_error(x, noise, t, weights).mean()
        run.descend(optimizer, loss, clip=CLIP)
        return {"loss": loss}

    update = run.compiled(update)
    for _ in run.epochs():
        for images, classes in run.batches():
            x, noise = augment(images) * 2 - 1, run.noise("noise", *data.shape)
            weights = None
            if flow.classes and classes is not None:
                weights = flow.weights(classes) * (run.uniform("label", 1) >= WITHOUT_LABEL)
            if options.pairing == "ot":
                noise = paired_noise(x, noise, classes if flow.classes else None)
            run.record(update(x, noise, run.noise("time").sigmoid(), weights))
            ema.update()
        average = ema.average()
        measured = {f"validation_{name}": v for name, v in held_out_losses(average, data.validation, run).items()}
        if run.pictures_due:
            with torch.no_grad():
                samples = average.decode(z, labels, pictures)
            measured["diversity"] = diversity(samples, run.examples(len(samples))).item()
            run.show("samples", sample_picture(samples, labels, data.classes))
        if scoring.due:
            measured |= scoring.of(partial(average.decode, options=pictures))
        run.record_epoch(measured)
        run.save(average, best_by=SCORE)
    run.finish(held_out_losses(ema.network, data.test, run))


@torch.no_grad()
def held_out_losses(flow: Flow, split: Split, run: Run) -> dict[str, float]:
    """The loss over a split, from the same noise and at the same times in every epoch."""
    sums, noise = {"loss": 0.0}, torch.empty(0)
    t = even_times(len(split)).to(run.device)
    classes = split.labels.to(run.device) if flow.classes and split.labels is not None else None
    for rows, x in run.shared_out(split):
        if len(noise) < len(x):  # one batch of noise for all batches
            noise = run.fixed_noise("evaluation", len(x), *flow.shape)
        labels = None if classes is None else classes[rows]
        sums["loss"] += flow.error(x, labels, noise[: len(x)], t[rows]).sum().item()
    return {name: total / len(split) for name, total in run.totals(sums).items()} if len(split) else {}
