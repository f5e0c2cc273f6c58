"""How a GAN's generator should double its maps: what each way costs, how good its samples are, and how much they weave.

    python benchmarks/upsampling.py --data cryptopunks --steps 700 --out weave

Trains `gan` once for each way and prints CSV rows. All ways compute 4x4 transposed convolutions, so an update costs the
same; `seconds` is the processor time of the updates.

- transposed: `--upsample transposed`, kernels that begin with independent values, as in DCGAN
- nearest: `--upsample nearest`, nearest upsampling and then a 3x3 convolution (Odena et al. 2016,
  doi:10.23915/distill.00003)
- nearest-start: transposed, with kernels that begin as those of `nearest`, and are free from then on
- repeated-start: kernels that begin with each value repeated over 2x2 places, so that the four phases of the stride
  begin with the same values (Aitken et al. 2017, arXiv:1707.02937), and are free from then on
- bilinear-start: kernels that begin as bilinear upsampling and then a 1x1 convolution, and are free from then on
- both-start: nearest-start, and the same for the kernels of the discriminator

`fid` compares 2,000 samples of the averaged generator with the test images, in the features of the fixed random
network. `weave_2` and `weave_4` are how far the power of rows and columns rises at a period of exactly 2 and 4 pixels,
beside the powers next to it, as a share of the same in real images: 1 where samples weave as little as real images, 4
where the power is four times too high. `sharpness` is the power above half of the highest frequency beside that of
real images. With --out, samples are drawn into that folder.
"""

import argparse
import csv
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import gentool
from gentool.data.images import ImageData
from gentool.engine.run import Run
from gentool.evaluation.features import feature_networks
from gentool.metrics.distances import fid
from gentool.models import adversarial
from gentool.networks import gan
from gentool.networks.layers import Down, NearestUp, Up

MARKS = (50, 200, 1000, 3000)
"""Updates after which samples are looked at, beside the last."""
Kernels = Up | Down
SAMPLES, WEAVING = 2000, 512
"""Samples that the FID and the spectra take."""


def scaled(kernels: Tensor) -> Tensor:
    """Kernels with the deviation of DCGAN's."""
    return kernels * 0.02 / kernels.square().mean().sqrt()


def nearest_start(layer: Kernels) -> None:
    first, second = layer.weight.shape[:2]  # kernels (A, B, 4, 4)
    layer.weight.copy_(scaled(NearestUp(first, second, (2, 2)).kernel()))


def repeated_start(layer: Kernels) -> None:
    layer.weight.copy_(
        0.02 * torch.randn(*layer.weight.shape[:2], 2, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    )


def bilinear_start(layer: Kernels) -> None:
    window = torch.tensor([1.0, 3, 3, 1])
    layer.weight.copy_(scaled(torch.randn(*layer.weight.shape[:2], 1, 1) * window * window[:, None]))


WAYS: dict[str, tuple[Callable[[Kernels], None] | None, tuple[type[nn.Module], ...]]] = {
    "transposed": (None, ()),
    "nearest": (None, ()),
    "nearest-start": (nearest_start, (Up,)),
    "repeated-start": (repeated_start, (Up,)),
    "bilinear-start": (bilinear_start, (Up,)),
    "both-start": (nearest_start, (Up, Down)),
}
"""What is done to which layers once they have DCGAN's initial values."""


def spectrum(images: Tensor) -> list[Tensor]:
    """The powers of images (N, C, H, W) by frequency: along rows (W // 2 + 1,), and along columns (H // 2 + 1,)."""
    images = images.float() - images.float().mean((2, 3), keepdim=True)
    return [torch.fft.rfft(images, dim=dim).abs().square().mean([d for d in range(4) if d != dim]) for dim in (3, 2)]


def rise(powers: list[Tensor], period: int) -> float:
    """The power at exactly this period, beside the mean of those next to it: the mean over rows and columns."""
    rises = []
    for power in powers:
        at = 2 * (len(power) - 1) // period
        beside = [power[at - 1], *power[at + 1 : at + 2]]
        rises.append(power[at] / torch.stack(beside).mean())
    return torch.stack(rises).mean().item()


def sharpness(powers: list[Tensor]) -> float:
    """The power above half of the highest frequency."""
    return sum(power[len(power) // 2 + 1 :].sum().item() for power in powers)


class Watched:
    """Trains with a way, measures the time of the updates, and the samples after some of them."""

    def __init__(self, way: str, data: ImageData, steps: int, seed: int, out: Path | None) -> None:
        self.way, self.data, self.steps, self.seed, self.out = way, data, steps, seed, out
        self.rows: list[list[object]] = []
        self.real = [spectrum(data.test.images[: 4 * WEAVING] / 255)]

    def train(self, **options: object) -> gentool.Model:
        initialise, record = gan.initialise, Run.record
        change, kinds = WAYS[self.way]

        def begun(module: nn.Module, *, he: bool = False) -> None:
            initialise(module, he=he)
            with torch.no_grad():
                for layer in list(module.modules()):
                    if change and isinstance(layer, kinds):
                        change(layer)

        def recorded(run: Run, losses: dict[str, Tensor]) -> None:
            record(run, losses)
            if run.step + 1 in MARKS or run.step + 1 == self.steps:
                self.look(run)

        gan.initialise, Run.record = begun, recorded  # type: ignore[assignment]
        self.away, self.begun = 0.0, time.process_time()
        try:
            return gentool.train("gan", self.data, steps=self.steps, seed=self.seed, **options)
        finally:
            gan.initialise, Run.record = initialise, record  # type: ignore[method-assign]

    def look(self, run: Run) -> None:
        """Measure samples of the averaged generator, as commands would draw them."""
        now = time.process_time()
        average = run.parts["ema"].average()
        adversarial.refresh_batch_norm(average, run, run.options, 0)
        z = run.fixed_noise("upsampling", WEAVING, run.options.latent_dim)
        with torch.no_grad():
            images = torch.cat([average.decode(part) for part in z.split(64)])
        powers, real = spectrum(images), self.real[0]
        weaves = [rise(powers, period) / rise(real, period) for period in (2, 4)]
        sharp = sharpness(powers) / sharpness(real)
        self.rows.append([run.step + 1, f"{now - self.begun - self.away:.1f}", *(f"{n:.3g}" for n in (*weaves, sharp))])
        if self.out is not None:
            self.out.mkdir(parents=True, exist_ok=True)
            name = f"{self.data.name}-{self.way}-{self.seed}-{run.step + 1:05d}.png"
            gentool.save_png(gentool.grid(images[:32], columns=8), self.out / name)
        self.away += time.process_time() - now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, action="append", help="0 by default; may be given several times")
    parser.add_argument("--way", action="append", choices=WAYS, help="all by default; may be given several times")
    parser.add_argument("--width", type=int, help="that of gan by default")
    parser.add_argument("--colours", type=int, help="those of gan by default")
    parser.add_argument("--lr", type=float, help="that of gan by default")
    parser.add_argument("--out", type=Path, help="draw samples into this folder")
    arguments = parser.parse_args()
    data = gentool.load_data(arguments.data)
    (features,) = feature_networks(("random",), data, torch.device("cpu"))
    real = features(data.test.images[:SAMPLES])
    writer = csv.writer(sys.stdout)
    writer.writerow(["data", "way", "seed", "update", "seconds", "weave_2", "weave_4", "sharpness", "fid"])
    for seed in arguments.seed or [0]:
        for way in arguments.way or WAYS:
            watched = Watched(way, data, arguments.steps, seed, arguments.out)
            upsample = "nearest" if way == "nearest" else "transposed"
            how = {"width": arguments.width, "colours": arguments.colours, "lr": arguments.lr, "upsample": upsample}
            model = watched.train(**how, device="cpu", amp="off", sample_every=0)
            score = fid(real, features((model.sample(SAMPLES) * 255).round().to(torch.uint8)))
            for row in watched.rows:
                writer.writerow([data.name, way, seed, *row, f"{score:.4g}" if row is watched.rows[-1] else ""])
            sys.stdout.flush()


if __name__ == "__main__":
    main()
