"""Flow matching (Lipman et al. 2022, arXiv:2210.02747) with an MLP: noise becomes an image along an ODE."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.images import ImageData
from gentool.engine.ema import EMA
from gentool.engine.options import TrainOptions
from gentool.engine.run import Run
from gentool.figures.grids import grid
from gentool.options import Validated, option, redefault

Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """The options of `gentool train rectified`."""

    hidden: int = option(256, "Units of a hidden layer.", min=8, max=8192)
    ema: float = redefault(TrainOptions, "ema", 0.99)


@dataclass(frozen=True, kw_only=True)
class SamplingOptions(Validated):
    """How the ODE is solved."""

    solver: Literal["euler", "heun"] = option("heun", "Solver of the ODE.")
    solver_steps: int = option(8, "Steps from noise to image.", min=1, max=1000)


class Rectified(nn.Module):
    """The velocity v(x, t) that leads from noise at t = 0 to images in [-1, 1] at t = 1."""

    classes, gaussian_prior = 0, True

    def __init__(self, options: Options, shape: Shape) -> None:
        super().__init__()
        self.shape, self.latent_dim = shape, math.prod(shape)
        layers = [nn.Linear(self.latent_dim + 1, options.hidden), nn.SiLU()]
        layers += [nn.Linear(options.hidden, options.hidden), nn.SiLU()]
        self.velocity = nn.Sequential(*layers, nn.Linear(options.hidden, self.latent_dim))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """x (N, D) and t (N, 1) in [0, 1] -> the velocity (N, D)."""
        return self.velocity(torch.cat([x, t], dim=1)).float()

    def decode(self, z: Tensor, labels: Tensor | None = None, options: SamplingOptions | None = None) -> Tensor:
        """Noise z (N, D) -> images (N, C, H, W) in [0, 1]. There are no labels."""
        options = options or SamplingOptions()
        x, h = z, 1 / options.solver_steps
        for step in range(options.solver_steps):
            t = torch.full((x.shape[0], 1), step * h, device=x.device)
            v = self(x, t)
            if options.solver == "heun":
                v = (v + self(x + h * v, t + h)) / 2
            x = x + h * v
        return ((x.unflatten(1, self.shape) + 1) / 2).clamp(0, 1)


def build(options: Options, shape: Shape, classes: int) -> Rectified:
    """The network that model.pt holds."""
    return Rectified(options, shape)


def train(options: Options, data: ImageData, run: Run) -> None:
    """Regress the velocity of straight lines from noise to images (equation 23 of the paper with sigma 0)."""
    network = run.place(build(options, data.shape, len(data.classes)))
    optimizer = run.adam(network, options.lr)
    ema = EMA(network, options.ema)
    run.resume(network=network, ema=ema, optimizer=optimizer)
    z = run.fixed_noise("samples", 64, network.latent_dim)

    def update(x: Tensor, noise: Tensor, t: Tensor) -> dict[str, Tensor]:
        with run.autocast():
            v = network(t * x + (1 - t) * noise, t)
        loss = F.mse_loss(v, x - noise)
        run.descend(optimizer, loss)
        return {"loss": loss}

    update = run.compiled(update)
    for _ in run.epochs():
        for x, _ in run.batches():
            noise, t = run.noise("noise", network.latent_dim), run.uniform("t", 1)
            run.record(update(x.flatten(1) * 2 - 1, noise, t))
            ema.update()
        average = ema.average()
        if run.pictures_due:
            with torch.no_grad():
                run.show("samples", grid(average.decode(z)))
        run.save(average)
    run.finish()
