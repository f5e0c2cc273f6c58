"""What vae and cvae share: their options, network and training loop (Kingma & Welling 2013, arXiv:1312.6114).

It is a beta-VAE with --beta (Higgins et al. 2017), and an importance-weighted autoencoder with --iwae (Burda et al.
2016, arXiv:1509.00519).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gentool.data.images import ImageData, Split
from gentool.engine.alarms import UNSETTLED_STEPS, WARM_UP_STEPS, Alarm, Row
from gentool.engine.ema import EMA
from gentool.engine.memory import kept_per_item
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Schedule
from gentool.engine.randomness import indexed_uniform, rng
from gentool.engine.run import Run
from gentool.errors import OptionError
from gentool.figures.grids import labelled_rows
from gentool.memory import check_memory
from gentool.metrics.diversity import RunningVariance, relative_spread
from gentool.metrics.elbo import (
    ACTIVE,
    Mixture,
    importance_log_weights,
    mixture_sample,
    negative_elbo,
    negative_importance_bound,
    reparameterize,
    sampled_kl,
)
from gentool.models.augmentation import augmentation
from gentool.models.backbone import BackboneOptions, decoder, encoder
from gentool.models.sample_pictures import fixed_codes, sample_picture
from gentool.networks.layers import Shape
from gentool.networks.real_nvp import RealNVP
from gentool.options import option, redefault

CLIP = 0.5
"""The gradient's norm is clipped to this many nats per pixel value: rarely on digits, often on photographs."""
PIXEL_VALUES = 1024
"""The weight of the KL term is 1 for images of up to this many pixel values, and grows with their number above."""
LABEL_VARIANCE = 3.0
"""What the class contributes to the first units of the decoder at the start, beside what the code does: more, so that
the decoder learns from the class first, and the code is left with the rest."""
KL_DROP = 0.1
"""A KL term that was above a nat has collapsed below this share of its largest value."""
PASS_TIMES_KEPT = {"conv": 5, "mlp": 2}
"""A forward and a backward pass take at least this many times the bytes that are kept between them: for gradients, and
for copies in convolutions. Measured: 5.7 to 6.8 and 2.1 to 2.7."""


@dataclass(frozen=True, kw_only=True)
class VariationalOptions(BackboneOptions):
    """The options of vae and cvae."""

    beta: float | None = option(
        None,
        "Weight of the KL term.",
        min=0,
        max=1000,
        default_text=f"1, which makes the loss the ELBO; for images of more than {PIXEL_VALUES:,} pixel values their "
        f"number / {PIXEL_VALUES:,}, such as 12 for 64x64 in colour",
    )
    kl_warmup: float = option(5.0, "Epochs over which the weight of the KL term rises from 0.", min=0)
    binarise: Literal["none", "dynamic", "static"] = option(
        "none",
        "Train on pixels that are on or off, drawn with the grey values as probabilities in each update (dynamic) or "
        "once (static), or on the grey values themselves (none).",
    )
    iwae: int = option(
        1,
        "Samples of z per image. Above 1, their importance-weighted bound replaces the ELBO (Burda et al. 2016).",
        min=1,
        max=10_000,
        metavar="K",
    )
    lr: float = redefault(TrainOptions, "lr", 2e-3)
    schedule: Schedule = redefault(TrainOptions, "schedule", "onecycle")
    ema: float = redefault(TrainOptions, "ema", 0.999)

    def resolved(self, data: ImageData) -> dict[str, Any]:  # type: ignore[override]
        """The values in force of options that leave the choice to gentool, for this data."""
        return super().resolved(data) | {"beta": kl_weight(self, data.shape)}


class VAE(nn.Module):
    """q(z | x) = N(mean, exp(logvar)) and p(x | z) = Bernoulli(sigmoid(logits)) for each pixel value.

    With `classes`, both are given the class y as well: it stands beside z for the decoder, and as maps beside the
    pixels for the encoder.
    """

    gaussian_prior, prior_name = True, "standard"

    def __init__(self, options: VariationalOptions, shape: Shape, classes: int) -> None:
        super().__init__()
        self.latent_dim, self.classes = options.latent_dim, classes
        self.label_scale = math.sqrt(LABEL_VARIANCE * options.latent_dim)
        channels, height, width = shape
        self.encoder = encoder(options, (channels + classes, height, width), 2 * options.latent_dim)
        self.decoder = decoder(options, shape, classes)

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """x (N, C, H, W) in [0, 1] and noise (N, D) -> logits (N, C, H, W), mean (N, D), logvar (N, D)."""
        mean, logvar = self.posterior(x, labels)
        return self.decoder(self.with_label(reparameterize(mean, logvar, noise), labels)), mean, logvar

    def several(self, x: Tensor, noise: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """x (N, C, H, W) in [0, 1] and noise (N, K, D) -> logits (N, K, C * H * W), z (N, K, D), logvar (N, D)."""
        mean, logvar = self.posterior(x, labels)
        z = reparameterize(mean[:, None], logvar[:, None], noise)
        repeated = None if labels is None else labels.repeat_interleave(noise.shape[1], dim=0)
        logits = self.decoder(self.with_label(z.flatten(0, 1), repeated))
        return logits.flatten(1).unflatten(0, noise.shape[:2]), z, logvar

    def with_label(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """z (N, D) beside the classes, (N, D + classes): labels (N,), or weights of the classes (N, classes)."""
        weights = self.weights(labels)
        return z if weights is None else torch.cat([z, self.label_scale * weights.to(z.dtype)], dim=1)

    def weights(self, labels: Tensor | None) -> Tensor | None:
        """Labels (N,), or weights of the classes (N, classes) -> weights (N, classes); None without classes."""
        if not self.classes:
            return None
        if labels is None:
            raise ValueError("a conditional model needs labels")
        return labels if labels.is_floating_point() else F.one_hot(labels, self.classes).float()

    def posterior(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (N, C, H, W) in [0, 1] and, if conditional, labels -> mean and logvar of q(z | x), each (N, D) in f32."""
        weights = self.weights(labels)
        if weights is not None:
            maps = weights.to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[2:])
            x = torch.cat([x, maps], dim=1)
        mean, logvar = self.encoder(x).float().chunk(2, dim=1)
        return mean, logvar

    def logits(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, D) and, if conditional, labels (N,) or (N, classes) -> logits of pixels (N, C, H, W), f32."""
        return self.decoder(self.with_label(z, labels)).float()

    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """x (N, C, H, W) in [0, 1] and, if conditional, labels -> the mean of q(z | x) as a code (N, D)."""
        return self.code_of(self.posterior(x, labels)[0], labels)

    def code_of(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, D) and, if conditional, labels -> the code (N, D), which is z itself unless the prior is a flow."""
        return z

    def learnt_prior(self) -> Mixture | RealNVP | None:
        """The density of z where it is learnt; None: N(0, I)."""
        return None

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, D) and, if conditional, labels (N,) or (N, classes) -> the pixels' means (N, C, H, W) in [0, 1]."""
        return self.logits(z, labels).sigmoid()


class FlowVAE(VAE):
    """A VAE whose z has the density of a RealNVP, which turns z into noise N(0, I); with classes, for each of them.

    That noise is the code: `encode` and `decode` are of it, `posterior` and `logits` are of z. So codes are N(0, I), as
    without a learnt prior.
    """

    prior_name = "flow"

    def __init__(self, options: VariationalOptions, shape: Shape, classes: int) -> None:
        super().__init__(options, shape, classes)
        self.flow = RealNVP(options.latent_dim, classes)

    def learnt_prior(self) -> RealNVP:
        """The density of z."""
        return self.flow

    def code_of(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z (N, D) and, if conditional, labels -> the code (N, D), which is the noise that z comes from."""
        return self.flow(z, labels)

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes (N, D), noise here, and, if conditional, labels -> the pixels' means (N, C, H, W) in [0, 1]."""
        return super().decode(self.flow.inverse(z, labels), labels)


def maximise(options: VariationalOptions, data: ImageData, run: Run, vae: VAE) -> None:
    """Maximise the ELBO; given the class where the network has classes, and with the prior where it has its own.

    Raises OptionError for pixels that are drawn once and then zoomed.
    """
    if options.binarise == "static" and options.zooms(data):
        raise OptionError("--binarise static: zooming makes binary pixels grey again; give --zoom 0")
    vae, classes = run.place(vae), vae.classes

    def losses_of(x: Tensor, noise: Tensor, labels: Tensor | None, beta: Tensor) -> dict[str, Tensor]:
        with run.autocast():
            prior = vae.learnt_prior()
        if options.iwae > 1:
            with run.autocast():
                logits, z, logvar = vae.several(x, noise, labels)
            log_prior = log_prior_of(prior, z, labels)
            return negative_importance_bound(logits.float(), x.flatten(1), z, noise, logvar, beta, log_prior=log_prior)
        with run.autocast():
            logits, mean, logvar = vae(x, noise, labels)
        sampled = kl_from(prior, mean, logvar, noise, labels)
        return negative_elbo(logits.float(), x, mean, logvar, beta, sampled=sampled)

    if options.iwae > 1 and run.device.type == "cpu":
        x, label = torch.zeros(1, *data.shape), torch.zeros(1, dtype=torch.long) if classes else None
        of_one = kept_per_item(
            vae, lambda count: losses_of(x, torch.zeros(1, count, options.latent_dim), label, torch.ones(()))
        )
        needed = PASS_TIMES_KEPT[options.arch] * run.rows * options.iwae * of_one
        check_memory(needed, f"--iwae {options.iwae}", "use fewer samples, or a smaller --batch-size")
    optimizer = run.adam(vae, options.lr)
    ema = EMA(vae, options.ema)
    run.watch(posterior_collapse)
    run.resume(vae=vae, ema=ema, optimizer=optimizer)
    augment = augmentation(options, data, run)
    beta, warmup = kl_weight(options, data.shape), options.kl_warmup * run.plan.steps_per_epoch

    def update(x: Tensor, noise: Tensor, labels: Tensor | None, beta: Tensor) -> dict[str, Tensor]:
        losses = losses_of(x, noise, labels, beta)
        run.descend(optimizer, losses["loss"], clip=CLIP * x[0].numel())
        return losses

    update = run.compiled(update)
    for _ in run.epochs():
        for x, labels in run.batches():
            if options.binarise == "static":
                x = (indexed_uniform("binarise training", run.numbers, data.shape).to(run.device) < x).float()
            x = augment(x)
            if options.binarise == "dynamic":
                x = (run.uniform("binarise", *data.shape) < x).float()
            several = (options.iwae,) if options.iwae > 1 else ()
            noise = run.noise("posterior", *several, options.latent_dim)
            losses = update(x, noise, labels if classes else None, run.scalar(beta * ramp(run.step, warmup)))
            ema.update()
            run.record(losses)
        average = ema.average()
        run.record_validation(held_out_losses(average, data.validation, options, run))
        if run.pictures_due:
            show_pictures(average, data, run)
        run.save(average, best_by=f"validation_{'negative_bound' if options.iwae > 1 else 'negative_elbo'}")
    run.finish(held_out_losses(ema.network, data.test, options, run))


def log_prior_of(prior: Mixture | RealNVP | None, z: Tensor, labels: Tensor | None) -> Tensor | None:
    """log p(z) (N, ...) of a learnt prior, that of a flow for the classes if there are any; None without one."""
    if prior is None:
        return None
    return prior.log_density(z) if isinstance(prior, Mixture) else prior.log_density(z, labels)


def kl_from(
    prior: Mixture | RealNVP | None, mean: Tensor, logvar: Tensor, noise: Tensor, labels: Tensor | None
) -> Tensor | None:
    """`sampled_kl` (N,) from a learnt prior at z = mean + sd * noise; None without one, where the KL has a formula."""
    log_prior = log_prior_of(prior, reparameterize(mean, logvar, noise), labels)
    return None if log_prior is None else sampled_kl(noise, logvar, log_prior)


@torch.no_grad()
def show_pictures(vae: VAE, data: ImageData, run: Run) -> None:
    """Samples from the same noise, and reconstructions of the same images, in every epoch."""
    z, labels = fixed_codes(run, vae.latent_dim, vae.classes)
    prior = vae.learnt_prior()
    if isinstance(prior, Mixture):
        z = mixture_sample(prior, torch.special.ndtr(run.fixed_noise("components", len(z))), z)
    run.show("samples", sample_picture(vae.decode(z, labels), labels, data.classes))
    x, classes = run.labelled_examples(10)
    classes = classes if vae.classes else None
    pair = torch.cat([x, vae.decode(vae.encode(x, classes), classes)])
    run.show("reconstructions", labelled_rows(pair, ["original", "rebuilt"]))


def check_flow(prior: str | None, latent_dim: int) -> None:
    """Raises OptionError for a flow in one dimension."""
    if prior == "flow" and latent_dim == 1:
        raise OptionError("--prior flow: needs --latent-dim 2 or more")


def kl_weight(options: VariationalOptions, shape: Shape) -> float:
    """The weight of the KL term: --beta, or a default that grows with the size of the images.

    The reconstruction term grows with the number of pixel values and the KL term does not. With a weight of 1, the
    codes of large images lie on small islands, and samples from between them look like nothing. Higgins et al. (2017)
    compare beta across sizes by beta * D / (C * H * W) for this reason.
    """
    return max(1.0, math.prod(shape) / PIXEL_VALUES) if options.beta is None else options.beta


def ramp(step: int, warmup: float) -> float:
    """The share of the KL weight at update `step` (from 0): a linear rise to 1 over `warmup` updates."""
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


@torch.no_grad()
def held_out_losses(vae: VAE, split: Split, options: VariationalOptions, run: Run) -> dict[str, float]:
    """The negative ELBO and its terms over a split, one sample of z per image, nats per image in f32; with --iwae, the
    negative bound of as many samples; the number of active units, and the diversity of the reconstructions. With
    --binarise, the pixels are one fixed draw, that of `gentool evaluate --binarise static`."""
    sums: dict[str, float] = {}
    codes, rebuilt, real = RunningVariance(), RunningVariance(), RunningVariance()
    noise = run.fixed_noise(f"evaluation of {len(split)}", len(split), vae.latent_dim)
    classes = split.labels.to(run.device) if vae.classes and split.labels is not None else None
    prior = vae.learnt_prior()
    for rows, x in run.shared_out(split):
        if options.binarise != "none":
            x = (indexed_uniform("binarise", rows, x.shape[1:]).to(run.device) < x).float()
        own = None if classes is None else classes[rows]
        logits, mean, logvar = vae(x, noise[rows], own)
        sampled = kl_from(prior, mean, logvar, noise[rows], own)
        terms = negative_elbo(logits, x, mean, logvar, sampled=sampled)
        for variance, values in ((codes, vae.code_of(mean, own)), (rebuilt, logits.sigmoid()), (real, x)):
            variance.add(values)
        of_batch = {name: terms[name].item() for name in ("negative_elbo", "reconstruction", "kl")}
        if options.iwae > 1:
            random = rng(options.seed, "bound", int(rows[0]))
            of_batch["negative_bound"] = negative_bound(vae, prior, x, options.iwae, own, random)
        for name, value in of_batch.items():
            sums[name] = sums.get(name, 0.0) + value * len(x)
    means = {name: total / len(split) for name, total in run.totals(sums, codes, rebuilt, real).items()}
    if len(split) > 1:  # a single image does not vary
        means["active_units"] = float((codes.variance > ACTIVE).sum())
        means["diversity"] = relative_spread(rebuilt.variance, real.variance).item()
    return means


def negative_bound(
    vae: VAE, prior: Mixture | RealNVP | None, x: Tensor, k: int, labels: Tensor | None, random: torch.Generator
) -> float:
    """The negative importance-weighted bound of K samples, the mean over images x (N, C, H, W) in nats.

    The samples are decoded one after the other, so that any K takes the memory of one.
    """
    mean, logvar = vae.posterior(x, labels)
    total = torch.full((len(x),), -math.inf, device=x.device)
    for _ in range(k):
        noise = torch.randn((len(x), 1, mean.shape[1]), generator=random).to(x.device)
        z = reparameterize(mean[:, None], logvar[:, None], noise)
        logits, log_prior = vae.logits(z[:, 0], labels).flatten(1)[:, None], log_prior_of(prior, z, labels)
        weights = importance_log_weights(logits, x.flatten(1), z, noise, logvar, log_prior=log_prior)
        total = torch.logaddexp(total, weights[:, 0])
    return math.log(k) - total.mean().item()


def posterior_collapse(rows: Sequence[Row]) -> Iterator[Alarm]:
    """An alarm for a posterior that does not depend on the image."""
    if rows[-1].get("validation_active_units") != 0:
        return
    kl = [row["validation_kl"] for row in rows if "validation_kl" in row]
    was_active = any(row.get("validation_active_units") for row in rows)
    step = rows[-1]["step"]
    dropped = step >= UNSETTLED_STEPS and was_active and max(kl) > 1 and kl[-1] < KL_DROP * max(kl)
    if dropped or step >= WARM_UP_STEPS:
        yield Alarm(
            "posterior_collapse",
            "posterior collapse: no latent dimension depends on the image; try a longer --kl-warmup, a lower --beta or "
            "a lower --lr",
        )
