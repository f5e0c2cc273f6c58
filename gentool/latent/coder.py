"""Coder: a trained network, its codes, and what is known of their density."""

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from gentool.engine.checkpoint import Header
from gentool.engine.randomness import indexed_noise
from gentool.engine.trained import Trained
from gentool.errors import OptionError
from gentool.latent.inputs import ALL, Array, Labels, as_codes, as_images, as_weights, class_numbers, whole
from gentool.latent.likeliest import likeliest_class
from gentool.latent.prior import LearntPrior
from gentool.memory import check_memory
from gentool.metrics.elbo import LOG_2_PI, Mixture
from gentool.models import sampling_class
from gentool.models.capabilities import abilities, abilities_of, models_that
from gentool.models.contract import Generative, HasLikelihood, HasSamplingOptions, Inverts, LearnsPrior, LearntDensity
from gentool.options import Validated
from gentool.progress import SILENT, Reporter

DECODED, ENCODED = 64, 256
"""Codes, and images, in one pass. A matrix product may round differently for another number of rows, so every pass has
this many: a code's image is the same to the last bit alone and among thousands, in the same place of its pass."""


class Coder(Trained[nn.Module]):
    """A trained network in eval mode that turns codes into images, and images into codes where it can.

    `Model`, which also draws samples and walks, says what images, codes, attributes and errors are.
    """

    def __init__(
        self,
        network: nn.Module,
        header: Header,
        device: torch.device,
        *,
        path: Path | None = None,
        rows: list[dict[str, float]] | None = None,
        step: int | None = None,
        sampling: Validated | None = None,
    ) -> None:
        super().__init__(network, header, device, path=path, rows=rows, step=step)
        self.abilities = abilities(network)
        self.name, self.shape = header.model, header.shape
        generative = cast(Generative, network)
        self.latent_dim, self.gaussian_prior = generative.latent_dim, generative.gaussian_prior
        self.classes = header.classes if self.is_conditional else ()
        kind = sampling_class(self.name)
        self.sampling = kind() if kind is not None and sampling is None else sampling

    def __repr__(self) -> str:
        channels, height, width = self.shape
        size = f"{self.parameters:,} parameters, {channels}x{height}x{width} images, {self.latent_dim} latents"
        return f"<{self.name} trained on {self.header.data}: {size}>"

    @property
    def encodes(self) -> bool:
        """Whether the model has an encoder."""
        return "encodes" in self.abilities

    @property
    def has_likelihood(self) -> bool:
        """Whether the model has an approximate posterior, and so a bound on the likelihood."""
        return "has_likelihood" in self.abilities

    @property
    def is_conditional(self) -> bool:
        """Whether the model generates the class that it is asked for."""
        return "is_conditional" in self.abilities

    @property
    def inverts(self) -> bool:
        """Whether images come from noise along a path that can be followed backwards."""
        return "inverts" in self.abilities

    @cached_property
    def density(self) -> LearntPrior | LearntDensity | None:
        """The density of z, that of `posterior` and `logits`, where the model has learnt one; None: N(0, I)."""
        if not isinstance(self.network, LearnsPrior):
            return None
        with torch.no_grad():
            learnt = self.network.learnt_prior()
        if not isinstance(learnt, Mixture):
            return learnt
        return LearntPrior(self.network.prior_name, Mixture(*(part.float().cpu() for part in learnt)))

    @property
    def prior(self) -> LearntPrior | None:
        """The prior of the codes where the model has learnt one; None: N(0, I).

        It is N(0, I) with a flow as well, which turns codes into the z of `posterior` and `logits`.
        """
        return self.density if isinstance(self.density, LearntPrior) else None

    def log_prior(self, z: Tensor, labels: Labels | None = None) -> Tensor:
        """log p(z) of z (N, ..., D) of `posterior` in training, nats (N, ...), on the model's device.

        `labels` are as for `decode`.
        """
        self.require("has_likelihood")
        if self.density is None:
            return -0.5 * (z.to(self.device).square() + LOG_2_PI).sum(-1)
        if isinstance(self.density, LearntPrior):
            return self.density.log_density(z.to(self.device))
        weights = self._weights_for(z, labels)
        on_device = None if weights is None else weights.to(self.device)
        with torch.no_grad():
            return self.density.log_density(z.to(self.device), on_device)

    @property
    def prior_name(self) -> str:
        """`standard`, or the name of the prior that the model has learnt, as --prior of the training takes it."""
        return self.network.prior_name if isinstance(self.network, LearnsPrior) else "standard"

    def require(self, ability: str, purpose: str = "") -> None:
        """Raises OptionError where the model lacks an ability: encodes, has_likelihood, is_conditional or inverts."""
        if ability in self.abilities:
            return
        if ability == "is_conditional" and ability in abilities_of(self.name):
            raise OptionError(f"this {self.name} was trained without classes")
        able = models_that(ability)
        reasons = {
            "encodes": f"has no encoder{f' and cannot {purpose}' if purpose else ''} (models with one: {able})",
            "has_likelihood": f"has no likelihood (models with one: {able})",
            "is_conditional": f"is not conditional (conditional models: {able})",
            "inverts": f"makes images in one step, not along a path (models that do: {able})",
        }
        raise OptionError(f"a {self.name} {reasons[ability]}")

    # Codes and images.

    @torch.no_grad()
    def decode(self, z: Array, labels: Labels | None = None) -> Tensor:
        """Codes z (N, D) -> images (N, C, H, W).

        `labels` of a conditional model are classes (N,), or weights of the classes (N, K), float, that sum to 1.
        """
        z = as_codes(z, self.latent_dim)
        self._check_room(len(z))
        weights = self._weights_for(z, labels)
        images = torch.empty(len(z), *self.shape)
        for start, given in self._passes(z, weights):
            part = self.decode_part(*given)
            images[start : start + DECODED] = part.cpu()[: len(z) - start]
        return images

    def _check_room(self, count: int) -> None:
        """Raises GentoolError for more codes and images than fit into memory."""
        needed = 4 * count * (self.latent_dim + math.prod(self.shape))
        check_memory(needed, f"{count:,} images", "ask for fewer")

    def decode_part(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """`decode` in one pass, with gradients and on the model's device."""
        if self.sampling is not None:
            return cast(HasSamplingOptions, self.network).decode(z, labels, self.sampling)
        return cast(Generative, self.network).decode(z, labels)

    @torch.no_grad()
    def encode(self, x: Array, labels: Labels | None = None, *, reporter: Reporter = SILENT) -> Tensor:
        """Images (N, C, H, W), in [0, 1] or uint8 -> codes z (N, D); the mean where a code is a distribution.

        `labels` are the classes for a conditional model; without them, each image has its likeliest one.
        """
        self.require("encodes", "encode images")
        if not isinstance(x, Tensor | np.ndarray) or tuple(x.shape[1:]) != self.shape:
            as_images(x, self.shape)  # which says what is wrong
        codes = torch.empty(len(x), self.latent_dim)
        weights = None if labels is None else self._weights_for(x, labels)
        for start in range(0, len(x), ENCODED):
            part = as_images(x[start : start + ENCODED], self.shape)
            given = [_padded(part, ENCODED).to(self.device)]
            if self.is_conditional:
                own = self.classify(part) if weights is None else weights[start : start + ENCODED]
                given.append(_padded(own, ENCODED).to(self.device))
            codes[start : start + ENCODED] = cast(Any, self.network).encode(*given).float().cpu()[: len(part)]
            reporter.progress("encoding", start + len(part), len(x))
        return codes

    def reconstruct(self, x: Array, labels: Labels | None = None) -> Tensor:
        """Images (N, C, H, W), in [0, 1] or uint8 -> their reconstructions.

        `labels` are the classes for a conditional model; without them, each image has its likeliest one.
        """
        self.require("encodes", "reconstruct images")
        if labels is None and self.is_conditional:
            labels = self.classify(x)
        return self.decode(self.encode(x, labels), labels)

    def classify(self, x: Array, labels: Labels = ALL, *, reporter: Reporter = SILENT) -> Tensor:
        """The class (N,) among `labels` under which the model finds each image x (N, C, H, W) likeliest.

        For conditional models with an encoder, or with a path that can be followed backwards.
        """
        self.require("is_conditional")
        if not self.inverts:
            self.require("encodes", "classify images")
        chosen = class_numbers(labels, self.classes).unique().tolist()
        return likeliest_class(self, as_images(x, self.shape), chosen, reporter=reporter)

    @torch.no_grad()
    def posterior(self, x: Array, labels: Labels | None = None) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W), in [0, 1] or uint8 -> mean and log-variance of q(z | x), each (N, D), on the model's
        device. `labels` are as for `encode`."""
        self.require("has_likelihood")
        x = as_images(x, self.shape)
        if self.is_conditional and labels is None:
            labels = self.classify(x)
        weights = self._weights_for(x, labels)
        given = [tensor.to(self.device) for tensor in (x, weights) if tensor is not None]
        return cast(Any, self.network).posterior(*given)

    @torch.no_grad()
    def logits(self, z: Array, labels: Labels | None = None) -> Tensor:
        """z (N, D) of `posterior` -> the logits of Bernoulli pixels (N, C, H, W), on the model's device."""
        self.require("has_likelihood")
        z = as_codes(z, self.latent_dim)
        weights = self._weights_for(z, labels)
        on_device = None if weights is None else weights.to(self.device)
        return cast(HasLikelihood, self.network).logits(z.to(self.device), on_device)

    @torch.no_grad()
    def trajectory(self, z: Array, labels: Labels | None = None) -> Tensor:
        """The images on the way from noise z (N, D), after each step of the solver: (steps + 1, N, C, H, W).

        The first are noise, the last are those of `decode`.
        """
        self.require("inverts")
        z, weights = as_codes(z, self.latent_dim), self._weights_for(z, labels)
        frames = cast(Any, self.sampling).sample_steps + 1
        check_memory(4 * frames * len(z) * math.prod(self.shape), f"{frames * len(z):,} images", "ask for fewer")
        images = torch.empty(frames, len(z), *self.shape)
        for start, given in self._passes(z, weights):
            for frame, part in enumerate(cast(Inverts, self.network).trajectory(*given, self.sampling)):
                images[frame, start : start + DECODED] = part.cpu()[: len(z) - start]
        return images

    @torch.no_grad()
    def invert(self, x: Array, labels: Labels | None = None, *, seed: int = 0, reporter: Reporter = SILENT) -> Tensor:
        """Images (N, C, H, W), in [0, 1] or uint8 -> noise (N, D) that becomes nearly them: the path backwards."""
        self.require("inverts")
        x, seed = as_images(x, self.shape), whole("seed", seed, 0)
        weights, z = self._weights_for(x, labels), torch.empty(len(x), self.latent_dim)
        for start, given in self._passes(x, weights):
            noise = indexed_noise(seed, start, DECODED, self.latent_dim).to(self.device)
            part = cast(Inverts, self.network).invert(*given, noise, self.sampling)
            z[start : start + DECODED] = part.cpu()[: len(x) - start]
            reporter.progress("images inverted", min(start + DECODED, len(x)), len(x))
        return z

    def _weights_for(self, rows: Any, labels: Labels | None) -> Tensor | None:
        """The weights of the classes for rows. Raises OptionError where a conditional model has no labels."""
        if labels is None and self.is_conditional and len(rows):
            raise OptionError(f"a {self.name} needs labels, a class for each code")
        if labels is None or not len(rows):
            return None
        self.require("is_conditional")
        return as_weights(labels, len(rows), self.classes)

    def _passes(self, rows: Tensor, weights: Tensor | None) -> Iterator[tuple[int, tuple[Tensor, Tensor | None]]]:
        """Where each pass starts, and its rows and weights on the device, filled up to `DECODED`."""
        for start in range(0, len(rows), DECODED):
            part, own = (
                None if tensor is None else _padded(tensor[start : start + DECODED], DECODED).to(self.device)
                for tensor in (rows, weights)
            )
            yield start, (cast(Tensor, part), own)

    def draw_codes(self, count: int, *, seed: int = 0, first: int = 0) -> Tensor:
        """Codes first .. first + count - 1 of the model's prior (count, D). Code i is a function of (seed, i) alone."""
        if self.prior is None:
            return indexed_noise(seed, first, count, self.latent_dim)
        return self.prior.draw(seed, first, count)


def _padded(part: Tensor, count: int) -> Tensor:
    """The rows, with the last one repeated until there are `count`."""
    return torch.cat([part, part[-1:].expand(count - len(part), *part.shape[1:])]) if len(part) < count else part
