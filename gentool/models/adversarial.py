"""The game that gan and cgan play (Goodfellow et al. 2014, arXiv:1406.2661): their options and their one loop."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gentool.data.images import ImageData
from gentool.engine.ema import EMA, recompute_batch_norm
from gentool.engine.run import Run
from gentool.errors import OptionError
from gentool.figures.grids import grid, labelled_rows
from gentool.metrics.adversarial import accuracy, discriminator_loss, generator_loss, gradient_penalty, squared_gradient
from gentool.metrics.classes import LinearReader, class_entropy_ratio
from gentool.metrics.diversity import diversity
from gentool.models import variety
from gentool.networks.augment import augment, policies
from gentool.networks.gan import GROUP, Discriminator, Generator
from gentool.options import Schedule, TrainOptions, option, redefault

READ = 5_000
"""The reader that watches which classes the samples show is fitted to at most so many training images."""
READS = 0.6
"""It watches where it reads so large a share of the validation images right."""
NORM_BATCHES = 16
"""Batches of noise from which the averaged generator's batch-norm statistics are computed."""


@dataclass(frozen=True, kw_only=True)
class Options(variety.Options):
    """The flags of gan and cgan."""

    zoom_of_few: ClassVar[float] = 0.0  # --augment moves what the discriminator sees

    @property
    def updates(self) -> int:
        """How many updates are made by default."""
        return 20_000

    latent_dim: int = option(64, "Size of the noise vector.", min=1, max=4096)
    width: int = option(256, "Filters of the layer with the most; halved layer by layer.", min=8, max=4096)
    loss: Literal["bce", "hinge", "wgan-gp"] = option(
        "bce", "The game: cross-entropy, hinge, or Wasserstein with gradient penalty."
    )
    norm: Literal["auto", "batch", "spectral", "none"] = option(
        "auto", "The discriminator's normalisation; auto: spectral for hinge, else none."
    )
    r1: float | None = option(
        None,
        "Weight gamma of the R1 penalty on real images, every 16th update; 0: none. "
        "(default: 0.2 for bce without normalisation, else 0)",
        min=0,
    )
    critic_steps: int = option(1, "Discriminator updates for each of the generator's.", min=1, max=100)
    augment: str = option(
        "auto",
        "What the discriminator sees changed at random: none, or some of flip,color,translation,cutout; "
        "auto: flip,color,translation below 2,000 training images, else none.",
        parse=lambda text: () if text == "auto" else policies(text),
    )
    beta1: float = option(0.5, "Adam's first decay.", min=0, max=0.999)
    batch_size: int = redefault(TrainOptions, "batch_size", 64)
    lr: float = redefault(TrainOptions, "lr", 4e-4)
    schedule: Schedule = redefault(TrainOptions, "schedule", "linear")
    ema: float = redefault(TrainOptions, "ema", 0.999)

    def cross_check(self) -> None:
        super().cross_check()
        if self.loss == "wgan-gp" and self.norm == "batch":
            raise OptionError("--loss wgan-gp: its penalty is for each image alone and excludes --norm batch; use none")


R1_EVERY = 16
GP_WEIGHT = 10.0


def discriminator_norm(options: Options) -> Literal["batch", "spectral", "none"]:
    """What --norm auto means for a loss."""
    if options.norm == "auto":
        return "spectral" if options.loss == "hinge" else "none"
    return options.norm


def r1_weight(options: Options) -> float:
    """What --r1 is when it is not given."""
    if options.r1 is None:
        return 0.2 if options.loss == "bce" and discriminator_norm(options) == "none" else 0.0
    return options.r1


class GAN(Generator):
    """The generator as model.pt holds it."""

    gaussian_prior = True
    """Codes are drawn from N(0, I)."""

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, D) and, when conditional, labels (N,) or (N, classes) -> pixels (N, C, H, W) in [0, 1]."""
        return (self(z, labels).float().tanh() + 1) / 2


def build(options: Options, shape: tuple[int, int, int], classes: int) -> GAN:
    """The network that model.pt holds."""
    return GAN(shape, options.latent_dim, options.width, classes=classes)


def play(options: Options, data: ImageData, run: Run, classes: int) -> None:
    """Train a generator against a discriminator, both given the class label when `classes` is not 0."""
    generator = run.place(build(options, data.shape, classes))
    discriminator = run.place(
        Discriminator(data.shape, options.width, norm=discriminator_norm(options), classes=classes)
    )
    betas = (options.beta1, 0.999)
    generator_adam = run.adam(generator, options.lr, betas=betas)
    discriminator_adam = run.adam(discriminator, options.lr, betas=betas)
    ema = EMA(generator, options.ema)
    # In one pass where no statistic of the discriminator would mix real and generated images.
    apart = discriminator_norm(options) == "batch" or run.batch_size % GROUP != 0
    gamma = r1_weight(options)
    changes = policies(_automatic(options.augment, data))
    fixed_z, fixed_labels = _fixed(run, options, classes)
    run.resume(
        generator=generator, discriminator=discriminator, ema=ema,
        generator_adam=generator_adam, discriminator_adam=discriminator_adam,
    )  # fmt: skip
    vary = variety.changes(options, data, run)
    reader = class_reader(data, run)

    for _ in run.epochs():
        generator.train()
        for x, labels in run.batches():
            real, labels = vary(x) * 2 - 1, labels if classes else None
            randomness = run.generator("augmentation")
            judge = partial(discriminator, labels=labels)
            with run.autocast():
                fake = generator(run.noise("z", len(x), options.latent_dim), labels).float().tanh()
                shown = augment(real, changes, randomness), augment(fake.detach(), changes, randomness)
                if apart:
                    real_logits, fake_logits = (judge(images).float() for images in shown)
                else:
                    both = None if labels is None else labels.repeat(2)
                    real_logits, fake_logits = discriminator(torch.cat(shown), both).float().chunk(2)
            loss = discriminator_loss(options.loss, real_logits, fake_logits)
            losses = {"discriminator": loss, "real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
            losses["diversity"] = diversity(fake.detach(), real)
            if reader:
                losses["class_entropy_ratio"] = class_entropy_ratio(reader, (fake.detach() + 1) / 2, (real + 1) / 2)
            if options.loss != "wgan-gp":  # whose logits have no zero between real and generated
                losses["discriminator_accuracy"] = accuracy(real_logits, fake_logits)
            if gamma and run.step % R1_EVERY == 0:
                losses["r1"] = squared_gradient(judge, real).mean()
                loss = loss + 0.5 * gamma * R1_EVERY * losses["r1"]
            if options.loss == "wgan-gp":
                share = torch.rand((len(x), 1, 1, 1), generator=randomness, device=x.device)
                losses["gradient_penalty"] = gradient_penalty(judge, real, fake, share)
                loss = loss + GP_WEIGHT * losses["gradient_penalty"]
            run.descend(discriminator_adam, loss)

            if (run.step + 1) % options.critic_steps == 0:
                with frozen(discriminator), run.autocast():
                    logits = judge(augment(fake, changes, randomness)).float()
                losses["generator"] = generator_loss(options.loss, logits)
                run.descend(generator_adam, losses["generator"])
                ema.update()
            run.record(losses)

        network = ema.network
        if run.pictures_due or run.save_due:
            refresh_batch_norm(network, run, options, classes)
        if run.pictures_due:
            with torch.no_grad():
                pictures = network.eval().decode(fixed_z, fixed_labels)
            rows = list(data.classes) if classes else []
            run.save_picture("samples", labelled_rows(pictures, rows) if classes else grid(pictures))
        run.save(network)
    run.finish()


def class_reader(data: ImageData, run: Run) -> LinearReader | None:
    """What tells roughly which class an image shows; None where there are no classes, or it cannot tell them."""
    if data.train.labels is None or len(data.classes) < 2:
        return None
    spread = slice(None, None, -(-len(data.train) // READ))
    images, labels = data.train.images[spread], data.train.labels[spread]
    reader = LinearReader(images / 255, labels, len(data.classes), run.device)
    right = [reader(x).eq(y).float() for x, y in run.in_order(data.validation) if y is not None]
    return reader if right and torch.cat(right).mean() >= READS else None


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """No gradients for the network's weights: the generator's update needs only those of its input."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def refresh_batch_norm(network: nn.Module, run: Run, options: Options, classes: int) -> None:
    """Give the averaged generator batch-norm statistics of its own, from the same noise every time."""
    count = run.batch_size

    def batches() -> Iterator[tuple[Tensor, Tensor | None]]:
        for index in range(NORM_BATCHES):
            labels = torch.arange(count, device=run.device) % classes if classes else None
            yield run.fixed_noise(f"batch norm {index}", count, options.latent_dim), labels

    recompute_batch_norm(network, lambda batch: network(*batch), batches())


def _automatic(names: str, data: ImageData) -> str:
    few = "flip,color,translation" if data.shape[0] == 3 else "translation"
    return names if names != "auto" else few if data.few else "none"


def _fixed(run: Run, options: Options, classes: int) -> tuple[Tensor, Tensor | None]:
    """The noise of the pictures: 64 samples, or eight for each class with the same eight z in every row."""
    if not classes:
        return run.fixed_noise("samples", 64, options.latent_dim), None
    z = run.fixed_noise("samples", 8, options.latent_dim)
    return z.repeat(classes, 1), torch.arange(classes, device=run.device).repeat_interleave(8)
