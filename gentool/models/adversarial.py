"""What gan and cgan share: their options and the training loop of the adversarial game (Goodfellow et al. 2014,
arXiv:1406.2661)."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from gentool.data.images import FEW, ImageData
from gentool.data.sources.faces import is_faces
from gentool.engine.alarms import exploding
from gentool.engine.ema import EMA, recompute_batch_norm
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Schedule
from gentool.engine.run import Run
from gentool.errors import OptionError
from gentool.metrics.adversarial import (
    Loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    squared_gradient,
)
from gentool.models.augmentation import augmentation
from gentool.models.game import Telemetry, class_collapse, overpowering, worse_than_guessing
from gentool.models.sample_pictures import fixed_codes, sample_picture
from gentool.models.sample_scores import SCORE, SampleScore, SampleScoreOptions, copying
from gentool.networks.augment import DiffAugment, policies
from gentool.networks.gan import (
    GROUP,
    ConvDiscriminator,
    ConvGenerator,
    Discriminator,
    Generator,
    MLPDiscriminator,
    MLPGenerator,
    PaletteGenerator,
    Upsample,
)
from gentool.networks.layers import Shape
from gentool.options import comma_separated, numbers, option, redefault
from gentool.progress import counted

AUTO = ("auto",)
R1_EVERY = 16
"""The R1 penalty enters every 16th update with 16 times its weight (Karras et al. 2020, arXiv:1912.04958)."""
PENALTY_END = 0.1
"""The default share of the penalties' weights that is left at the end of a relativistic game, as in the training
configurations of Huang et al. 2024 (arXiv:2501.05441)."""
R1_WEIGHT = 0.2
"""The default weight of the R1 penalty for bce without normalisation."""
GP_WEIGHT = 10.0
"""The weight of the gradient penalty of wgan-gp."""
NORM_BATCHES = 16
"""Batches of noise from which the averaged generator's batch-norm statistics are computed."""
DEFAULTS: dict[str, Any] = {"colours": 0, "width": 256, "lr": 4e-4, "upsample": "nearest", "r1": None}
FACES: dict[str, Any] = {"colours": 16, "sharpen": 30.0, "width": 128, "lr": 1e-3, "upsample": "transposed"}
"""The defaults on faces instead: pixel art of 16x16, in colours of the background, skin, hair and parts."""
PUNKS: dict[str, Any] = FACES | {"sharpen": 1.0, "r1": 0.5}
"""Those on cryptopunks, with --arch conv: more weight on R1 keeps more variety, and sharpening would cost FID."""
FACES_UPDATES = 3_000
PENALISED = ("relativistic", "wgan-gp")
"""Losses that come with a penalty on the gradient of each image."""


def _by_data(name: str) -> str:
    """The default of an option in words, where it depends on the data."""
    return f"{FACES[name]:g} for faces, cryptopunks, else {DEFAULTS[name]:g}"


def augment_policies(text: str) -> tuple[str, ...]:
    """`auto`, or the names of `policies`. Raises ValueError."""
    return AUTO if text == AUTO[0] else policies(text)


@dataclass(frozen=True, kw_only=True)
class AdversarialOptions(SampleScoreOptions):
    """The options of gan and cgan."""

    updates: ClassVar[int] = 20_000

    latent_dim: int = option(64, "Size of the noise vector.", min=1, max=4096)
    arch: Literal["conv", "mlp"] = option("conv", "Strided convolutions, or fully connected layers (mlp).")
    width: int | None = option(
        None,
        "Filters of the widest layer, next to the noise; halved from layer to layer.",
        min=8,
        max=4096,
        only_with={"arch": "conv"},
        default_text=_by_data("width"),
    )
    colours: int | None = option(
        None,
        "Limit each image to this many colours of its own, for pixel art; 0: no limit.",
        min=0,
        max=256,
        only_with={"arch": "conv"},
        default_text=_by_data("colours"),
    )
    sharpen: float | None = option(
        None,
        "With --colours: the factor by which the choice of a pixel's colour is sharpened over the run; 1: not at all.",
        min=1,
        max=100,
        only_with={"arch": "conv"},
        default_text=f"{FACES['sharpen']:g} for faces, else 1",
    )
    upsample: Upsample | None = option(
        None,
        "Upsampling: nearest or transposed.",
        only_with={"arch": "conv"},
        default_text="transposed for faces, cryptopunks, else nearest",
    )
    hidden: tuple[int, ...] = option(
        (128, 256, 512, 1024),
        "Units of the generator's hidden layers, from the noise to the image.",
        parse=numbers,
        only_with={"arch": "mlp"},
    )
    discriminator_hidden: tuple[int, ...] = option(
        (512, 256), "Units of the discriminator's hidden layers.", parse=numbers, only_with={"arch": "mlp"}
    )
    loss: Loss = option(
        "bce",
        "Binary cross-entropy, hinge, relativistic (logits of real and generated images in pairs), or Wasserstein "
        "with gradient penalty.",
    )
    norm: Literal["auto", "batch", "spectral", "none"] | None = option(
        "auto", "Normalisation of the discriminator; auto: spectral for hinge, else none."
    )
    r1: float | None = option(
        None,
        f"Weight of the R1 penalty on real images, applied every {R1_EVERY}th update; 0: none.",
        min=0,
        default_text=f"{R1_WEIGHT:g} for bce and relativistic without normalisation ({PUNKS['r1']:g} for bce on "
        "cryptopunks), else 0",
    )
    r2: float | None = option(
        None,
        "Weight of that penalty on samples; 0: none.",
        min=0,
        default_text="that of --r1 for relativistic, else 0",
    )
    penalty_end: float | None = option(
        None,
        "The weights of R1 and R2 fall to this share over the run, along half a cosine; 1: constant.",
        min=0,
        max=1,
        default_text=f"{PENALTY_END:g} for relativistic, else 1",
    )
    critic_steps: int = option(1, "Discriminator updates per generator update.", min=1, max=100)
    augment: tuple[str, ...] = option(
        AUTO,
        "Differentiable augmentation for the discriminator: none, or some of flip,color,translation,cutout; "
        f"auto: all but cutout (grey: translation) below {FEW:,} training images, else none.",
        parse=augment_policies,
        write=lambda names: comma_separated(names) or "none",
    )
    beta1: float | None = option(
        None, "First decay rate of Adam.", min=0, max=0.999, default_text="0 for relativistic, else 0.5"
    )
    batch_size: int = redefault(TrainOptions, "batch_size", 64)
    lr: float | None = redefault(TrainOptions, "lr", None, default_text=_by_data("lr"))  # type: ignore[assignment]
    epochs: int | None = redefault(
        TrainOptions,
        "epochs",
        None,
        default_text=f"about {{updates:,}} updates, {FACES_UPDATES:,} for faces, at most {{most:,}} epochs",
    )
    schedule: Schedule = redefault(TrainOptions, "schedule", "linear")
    ema: float = redefault(TrainOptions, "ema", 0.999)

    def cross_check(self) -> None:
        """Raises OptionError for batch norm with wgan-gp or of single images, and for the end of penalties that are not
        there."""
        super().cross_check()
        decided = self.norm is not None or self.loss in PENALISED  # the default of R1 depends on the norm
        if decided and self.penalty_end is not None and max(self.r1_weight, self.r2_weight) == 0:
            raise OptionError("--penalty-end: there are no penalties; give --r1 or --r2")
        if self.loss == "wgan-gp" and self.norm == "batch":
            raise OptionError("--norm batch: not with --loss wgan-gp, whose penalty is defined for each image alone")
        if self.arch == "mlp" and self.batch_size == 1:
            raise OptionError("--batch-size 1: not with --arch mlp, whose batch norm needs two images at least")

    def for_data(self, data: Any) -> Self:
        """The networks and their learning rate decided: pixel art is small and in few colours."""
        values = DEFAULTS | (FACES if is_faces(data.info) else {})
        if data.name == "cryptopunks" and self.arch == "conv":
            values |= PUNKS
        if self.loss != "bce" or self.r1_weight == 0:
            del values["r1"]
        if self.colours == 0:
            values.pop("sharpen", None)
        fields = {field.name: field for field in dataclasses.fields(self)}
        left_open = {
            name: value
            for name, value in values.items()
            if getattr(self, name) is None and (self.arch == "conv" or not fields[name].metadata["only_with"])
        }
        if self.beta1 is None and self.loss != "relativistic":
            left_open["beta1"] = self.first_decay
        chosen = dataclasses.replace(self, **left_open)
        if chosen.sharpen is not None and not chosen.colours:
            raise OptionError("--sharpen: there is no limit of colours; give --colours")
        steps = chosen.resolved(data)["steps"]
        if chosen.budget is None and chosen.critic_steps > steps:
            raise OptionError(
                f"--critic-steps {chosen.critic_steps}: the generator would never be trained in "
                f"{counted(steps, 'update')}; use fewer, or a longer run"
            )
        return chosen

    def updates_on(self, data: Any) -> int:
        """About how many updates these options make on this data without a length."""
        return FACES_UPDATES if is_faces(data.info) else super().updates_on(data)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The options that `to_json` wrote. Earlier versions had only transposed convolutions, and no `sharpen`.

        Raises OptionError.
        """
        earlier: dict[str, Any] = {} if values.get("arch") == "mlp" else {"upsample": "transposed"}
        if values.get("colours"):
            earlier["sharpen"] = 1.0
        return super().from_json(earlier | dict(values))

    @property
    def filters(self) -> int:
        """Those of the widest layer: --width, or its default."""
        return int(self.width or DEFAULTS["width"])

    @property
    def discriminator_norm(self) -> Literal["batch", "spectral", "none"]:
        """The normalisation that --norm says, or that auto means for the loss; batch while the data are to decide."""
        if self.norm == "auto" or (self.norm is None and self.loss in PENALISED):
            return "spectral" if self.loss == "hinge" else "none"
        return self.norm or "batch"

    @property
    def r1_weight(self) -> float:
        """The weight of the R1 penalty: --r1, or its default for the loss."""
        if self.r1 is None:
            own = self.loss in ("bce", "relativistic") and self.discriminator_norm == "none"
            return R1_WEIGHT if own else 0.0
        return self.r1

    @property
    def r2_weight(self) -> float:
        """The weight of the R2 penalty: --r2, or its default for the loss."""
        if self.r2 is None:
            return self.r1_weight if self.loss == "relativistic" else 0.0
        return self.r2

    def penalty_share(self, progress: float) -> float:
        """The share of the penalties' weights in force when this share of the run is done, both in [0, 1]."""
        end = self.last_penalty
        return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * progress))

    @property
    def last_penalty(self) -> float:
        """The share of the penalties' weights at the end: --penalty-end, or its default for the loss."""
        if self.penalty_end is None:
            return PENALTY_END if self.loss == "relativistic" else 1.0
        return self.penalty_end

    @property
    def first_decay(self) -> float:
        """That of Adam: --beta1, or its default for the loss."""
        if self.beta1 is None:
            return 0.0 if self.loss == "relativistic" else 0.5
        return self.beta1

    def resolved(self, data: ImageData) -> dict[str, Any]:  # type: ignore[override]
        """The values in force of options that leave the choice to gentool, for this data."""
        changes = comma_separated(self.augmentations(data)) or "none"
        own = {
            "norm": self.discriminator_norm, "r1": self.r1_weight, "r2": self.r2_weight, "beta1": self.first_decay,
            "penalty_end": self.last_penalty if max(self.r1_weight, self.r2_weight) else 1.0, "augment": changes,
        }  # fmt: skip
        return super().resolved(data) | own

    def augmentations(self, data: ImageData) -> tuple[str, ...]:
        """The names that --augment says, or that auto means for the data."""
        if self.augment != AUTO:
            return self.augment
        colour = ("flip", "color", "translation")
        return (colour if data.shape[0] > 1 else ("translation",)) if data.few else ()


class GAN(Generator):
    """A generator as model.pt holds it."""

    gaussian_prior = True

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, D) and, if conditional, labels (N,) or (N, classes) -> pixels (N, C, H, W) in [0, 1]."""
        return (self.image(z, labels) + 1) / 2


class ConvGAN(GAN, ConvGenerator):
    """That of DCGAN."""


class PaletteGAN(GAN, PaletteGenerator):
    """One that draws each image in a few colours."""


class MLPGAN(GAN, MLPGenerator):
    """One of fully connected layers."""


def build(options: AdversarialOptions, shape: Shape, classes: int) -> GAN:
    """The network that model.pt holds."""
    if options.arch == "mlp":
        return MLPGAN(shape, options.latent_dim, options.hidden, classes=classes)
    how: dict[str, Any] = {"classes": classes, "upsample": options.upsample or DEFAULTS["upsample"]}
    if options.colours:
        how["sharpness"] = options.sharpen or 1
        return PaletteGAN(shape, options.latent_dim, options.filters, options.colours, **how)
    return ConvGAN(shape, options.latent_dim, options.filters, **how)


def build_discriminator(options: AdversarialOptions, shape: Shape, classes: int) -> Discriminator:
    """The network that the generator plays against."""
    norm = options.discriminator_norm
    if options.arch == "mlp":
        return MLPDiscriminator(shape, options.discriminator_hidden, norm=norm, classes=classes)
    return ConvDiscriminator(shape, options.filters, norm=norm, classes=classes)


def play(options: AdversarialOptions, data: ImageData, run: Run, classes: int) -> None:
    """Train a generator against a discriminator, both given the class label unless `classes` is 0."""
    assert options.lr is not None  # decided for the data
    generator = run.place(build(options, data.shape, classes))
    discriminator = run.place(build_discriminator(options, data.shape, classes))
    betas = (options.first_decay, 0.999)
    generator_adam = run.adam(generator, options.lr, betas=betas)
    discriminator_adam = run.adam(discriminator, options.lr, betas=betas)
    ema = EMA(generator, options.ema)
    scoring = SampleScore(options, data, run, options.latent_dim, classes)
    run.watch(exploding("discriminator"), worse_than_guessing, class_collapse, overpowering, copying)
    run.resume(
        generator=generator, discriminator=discriminator, ema=ema,
        generator_adam=generator_adam, discriminator_adam=discriminator_adam,
    )  # fmt: skip
    augment = augmentation(options, data, run)
    changes = DiffAugment(options.augmentations(data))
    wasserstein = options.loss == "wgan-gp"
    paired = options.loss == "relativistic"
    penalised = max(options.r1_weight, options.r2_weight) > 0
    # One pass over real and generated images together, where no statistic of the discriminator would mix the two.
    together = options.discriminator_norm != "batch" and run.plan.batch_size % GROUP == 0

    def draw(random: torch.Generator) -> list[Tensor]:
        drawn = changes.draw(torch.Size((run.rows, *data.shape)), random, run.device)
        return [run.own(numbers) for numbers in drawn]

    def generate(z: Tensor, labels: Tensor | None) -> Tensor:
        with run.autocast():
            return generator.image(z, labels)

    def update_discriminator(
        real: Tensor, fake: Tensor, labels: Tensor | None, changed: list[Tensor], share: Tensor | None, lazy: float
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        judge = partial(discriminator, labels=labels)
        half = len(changed) // 2
        with run.autocast():
            shown = changes(real, changed[:half]), changes(fake, changed[half:])
            if together:
                both = None if labels is None else labels.repeat(2)
                real_logits, fake_logits = discriminator(torch.cat(shown), both).float().chunk(2)
            else:
                real_logits, fake_logits = (judge(images).float() for images in shown)
        loss = discriminator_loss(options.loss, real_logits, fake_logits)
        losses = {"discriminator": loss, "real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
        for name, weight, images in (("r1", options.r1_weight, real), ("r2", options.r2_weight, fake)):
            if lazy * weight:
                losses[name] = squared_gradient(judge, images).mean()
                loss = loss + 0.5 * lazy * weight * losses[name]
        if share is not None:
            losses["gradient_penalty"] = gradient_penalty(judge, real, fake, share)
            loss = loss + GP_WEIGHT * losses["gradient_penalty"]
        run.descend(discriminator_adam, loss)
        return losses, real_logits, fake_logits

    def update_generator(
        fake: Tensor, labels: Tensor | None, changed: list[Tensor], real: Tensor, real_changed: list[Tensor]
    ) -> dict[str, Tensor]:
        with run.autocast():
            logits = real_logits = discriminator(changes(fake, changed), labels=labels).float()
            if paired:
                with torch.no_grad():
                    real_logits = discriminator(changes(real, real_changed), labels=labels).float()
        loss = generator_loss(options.loss, real_logits, logits)
        run.descend(generator_adam, loss)
        return {"generator": loss}

    # A gradient penalty has a second derivative, which torch.compile does not support.
    update_with_penalty = update_discriminator
    generate, update_generator = run.compiled(generate), run.compiled(update_generator)
    update_discriminator = run.compiled(update_discriminator)
    telemetry = Telemetry(data, run, options.loss)
    fixed_z, fixed_labels = fixed_codes(run, options.latent_dim, classes)

    for _ in run.epochs():
        for x, labels in run.batches():
            real, labels = augment(x) * 2 - 1, labels if classes else None
            if isinstance(generator, PaletteGAN):
                generator.sharpen(run.step / run.plan.total_steps)
            fake = generate(run.noise("z", options.latent_dim), labels)
            random = run.rng("augmentation")
            changed = draw(random) + draw(random)
            share = run.own(torch.rand((run.rows, 1, 1, 1), generator=random, device=x.device)) if wasserstein else None
            lazy = 0.0
            if penalised and run.step % R1_EVERY == 0:
                lazy = R1_EVERY * options.penalty_share(run.step / run.plan.total_steps)
            update = update_with_penalty if lazy or wasserstein else update_discriminator
            losses, real_logits, fake_logits = update(real, fake.detach(), labels, changed, share, lazy)

            if (run.step + 1) % options.critic_steps == 0:
                with frozen(discriminator):
                    changed = draw(random)
                    losses |= update_generator(fake, labels, changed, real, draw(random) if paired else [])
                ema.update()
            run.record(losses | telemetry.of(real, fake.detach(), real_logits, fake_logits))

        average = ema.average()
        if run.pictures_due or run.save_due or telemetry.few or scoring.due:
            refresh_batch_norm(average, run, options, classes)
        measured: dict[str, float] = {}
        if telemetry.few:
            with torch.no_grad():
                samples = average.decode(fixed_z, fixed_labels)
            measured = telemetry.at_the_end(samples, run.examples(len(fixed_z)))
        if scoring.due:
            measured |= scoring.of(average.decode)
        run.record_epoch(measured)
        if run.pictures_due:
            with torch.no_grad():
                samples = average.decode(fixed_z, fixed_labels)
            run.show("samples", sample_picture(samples, fixed_labels, data.classes))
        run.save(average, best_by=SCORE)
    run.finish()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """No gradients for the network's weights: the generator's update needs only those of the network's input."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def refresh_batch_norm(network: nn.Module, run: Run, options: AdversarialOptions, classes: int) -> None:
    """Give the averaged generator batch-norm statistics of its own, from the same noise every time."""
    count = run.plan.batch_size

    def batches() -> Iterator[tuple[Tensor, Tensor | None]]:
        for index in range(NORM_BATCHES):
            labels = torch.arange(count, device=run.device) % classes if classes else None
            yield run.fixed_noise(f"batch norm {index}", count, options.latent_dim), labels

    recompute_batch_norm(network, lambda batch: network(*batch), batches())
