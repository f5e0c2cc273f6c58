"""Densities to draw codes from: the prior that a model has learnt, N(0, I), or one fitted to the codes of real images.

Ex-post density estimation (Ghosh et al. 2020, arXiv:1903.12436) makes a generator of any autoencoder.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from gentool.engine.randomness import indexed_noise, rng
from gentool.errors import DataError, OptionError
from gentool.files import replacing
from gentool.latent.code_files import read_arrays
from gentool.latent.mixture import fit_mixture
from gentool.metrics.elbo import Mixture, mixture_sample
from gentool.progress import counted

COMPONENTS, COMPONENTS_OF_A_CLASS = 10, 3
"""Gaussians of a fitted mixture by default; those of a class where each has a mixture of its own."""
SEARCH_ITERATIONS = 20
"""Restarts are compared after this many iterations: a density to sample from needs no more (Biernacki, Celeux & Govaert
2003, doi:10.1016/S0167-9473(02)00163-9), clusters that should agree with classes do."""


@runtime_checkable
class Prior(Protocol):
    """A density of codes. `kind` is its name, as --prior takes it."""

    @property
    def kind(self) -> str: ...

    def draw(self, seed: int, first: int, count: int) -> Tensor:
        """Codes (count, D): code i is a function of the seed and first + i alone."""
        ...

    @property
    def center(self) -> Tensor:
        """The mean of the codes (D,)."""
        ...


@dataclass(frozen=True)
class NormalPrior:
    """N(0, I) in `dim` dimensions."""

    kind: ClassVar[str] = "normal"

    dim: int

    @property
    def center(self) -> Tensor:
        """The mean of the codes (D,)."""
        return torch.zeros(self.dim)

    def draw(self, seed: int, first: int, count: int) -> Tensor:
        """Codes (count, D): code i is a function of the seed and first + i alone."""
        return indexed_noise(seed, first, count, self.dim)


@dataclass(frozen=True, repr=False, eq=False)
class LearntPrior:
    """The prior that a model has learnt in training: a mixture of K Gaussians with diagonal covariances, on the CPU.

    `kind` is its name, as --prior of the training takes it.
    """

    kind: str
    mixture: Mixture

    def __repr__(self) -> str:
        size = f"{counted(self.components, 'Gaussian')} in {counted(self.mixture.means.shape[1], 'dimension')}"
        return f"<learnt prior ({self.kind}), a mixture of {size}>"

    @property
    def components(self) -> int:
        """The number K of Gaussians."""
        return len(self.mixture.means)

    @property
    def weights(self) -> Tensor:
        """The weights of the Gaussians (K,), f64; they sum to 1."""
        return self.mixture.log_weights.double().softmax(0)

    @property
    def center(self) -> Tensor:
        """The mean of the mixture (D,)."""
        return (self.weights @ self.mixture.means.double()).float()

    @property
    def deviations(self) -> Tensor:
        """The standard deviation of each dimension (D,)."""
        means, variances = self.mixture.means.double(), self.mixture.logvars.double().exp()
        return (self.weights @ (variances + (means - self.center.double()).square())).sqrt().float()

    def draw(self, seed: int, first: int, count: int) -> Tensor:
        """Codes (count, D): code i is a function of the seed and first + i alone."""
        noise = indexed_noise(seed, first, count, self.mixture.means.shape[1])
        return mixture_sample(self.mixture, component_shares(seed, first, count), noise)

    def log_density(self, z: Tensor) -> Tensor:
        """The log-density of codes z (..., D) on any device, nats (...)."""
        return Mixture(*(part.to(z.device) for part in self.mixture)).log_density(z)


@dataclass(frozen=True, repr=False, eq=False)
class MixturePrior:
    """A mixture of K Gaussians in D dimensions: weights (K,), means (K, D), and Cholesky factors (K, D, D)."""

    kind: ClassVar[str] = "gmm"

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __repr__(self) -> str:
        return f"<mixture of {counted(self.components, 'Gaussian')} in {counted(self.means.shape[1], 'dimension')}>"

    @classmethod
    def fit(cls, z: Tensor, components: int, seed: int = 0) -> Self:
        """Fit to codes z (N, D). Raises OptionError when there are fewer codes than components, or no component."""
        if not isinstance(components, int) or components < 1:
            raise OptionError(f"--components: expected a whole number of at least 1, got {components!r}")
        mixture = fit_mixture(z, components, seed, regularization=1e-4, search=SEARCH_ITERATIONS)
        weights, means, covariances = (
            torch.from_numpy(part) for part in (mixture.weights_, mixture.means_, mixture.covariances_)
        )
        return cls(weights.float(), means.float(), torch.linalg.cholesky(covariances).float())

    @property
    def center(self) -> Tensor:
        """The mean of the mixture (D,)."""
        return self.weights @ self.means

    @property
    def components(self) -> int:
        """The number K of Gaussians."""
        return len(self.weights)

    def draw(self, seed: int, first: int, count: int) -> Tensor:
        """Codes (count, D): code i is a function of the seed and first + i alone."""
        noise = indexed_noise(seed, first, count, self.means.shape[1])
        chosen = torch.searchsorted(self.weights.cumsum(0), component_shares(seed, first, count)).clamp_max(
            len(self.weights) - 1
        )
        return self.means[chosen] + (self.factors[chosen] @ noise[:, :, None]).squeeze(2)

    def save(self, path: Path, key: str) -> None:
        """Write the mixture with a key that says what it was fitted to."""
        _save(path, key, weights=self.weights, means=self.means, factors=self.factors)

    @classmethod
    def load(cls, path: Path, key: str, shape: tuple[int, int]) -> Self | None:
        """The mixture at `path`, of means of this shape (K, D), when it was fitted to what `key` says, else None.

        Raises DataError for a file that is damaged or not such a mixture.
        """
        parts = _load(path, key, shape)
        return None if parts is None else cls(*parts)


@dataclass(frozen=True, repr=False, eq=False)
class ClassMixturePrior:
    """A mixture of K Gaussians in D dimensions for each of C classes, as `MixturePrior` has one: the prior of a
    conditional model, whose codes need not be distributed alike in all classes (Sohn et al. 2015).

    weights (C, K), means (C, K, D), and Cholesky factors (C, K, D, D).
    """

    kind: ClassVar[str] = "gmm"

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __repr__(self) -> str:
        size = f"{counted(self.components, 'Gaussian')} in {counted(self.means.shape[2], 'dimension')}"
        return f"<mixture of {size} for each of {len(self.means)} classes>"

    @classmethod
    def fit(cls, z: Tensor, labels: Tensor, classes: int, components: int, seed: int = 0) -> Self:
        """Fit to the codes z (N, D) of each class, by their labels (N,).

        Raises OptionError where a class has fewer codes than components.
        """
        fitted = [MixturePrior.fit(z[labels == number], components, seed) for number in range(classes)]
        return cls(
            torch.stack([one.weights for one in fitted]),
            torch.stack([one.means for one in fitted]),
            torch.stack([one.factors for one in fitted]),
        )

    @property
    def center(self) -> Tensor:
        """The mean of each class (C, D)."""
        return (self.weights[:, :, None] * self.means).sum(1)

    @property
    def components(self) -> int:
        """The number K of Gaussians of a class."""
        return self.weights.shape[1]

    def draw(self, seed: int, first: int, labels: Tensor) -> Tensor:
        """Codes (N, D) for the classes (N,): code i is a function of the seed, first + i and its class alone."""
        noise = indexed_noise(seed, first, len(labels), self.means.shape[2])
        shares, ends = component_shares(seed, first, len(labels)), self.weights.cumsum(1)[labels]
        chosen = (shares[:, None] > ends).sum(1).clamp_max(self.components - 1)
        return self.means[labels, chosen] + (self.factors[labels, chosen] @ noise[:, :, None]).squeeze(2)

    def save(self, path: Path, key: str) -> None:
        """Write the mixtures with a key that says what they were fitted to."""
        _save(path, key, weights=self.weights, means=self.means, factors=self.factors)

    @classmethod
    def load(cls, path: Path, key: str, shape: tuple[int, int, int]) -> Self | None:
        """The mixtures at `path`, of means of this shape (C, K, D), if they were fitted to what `key` says, else None.

        Raises DataError for a file that is damaged or not such mixtures.
        """
        parts = _load(path, key, shape)
        return None if parts is None else cls(*parts)


Density = Prior | ClassMixturePrior
"""What codes are drawn from."""


def _save(path: Path, key: str, **tensors: Tensor) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, key=key, **{name: tensor.numpy() for name, tensor in tensors.items()})  # type: ignore[arg-type]


def _load(path: Path, key: str, shape: tuple[int, ...]) -> list[Tensor] | None:
    """The weights, means and factors of a file, None where there is none of this key."""
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    if not {"key", "weights", "means", "factors"} <= arrays.keys():
        raise DataError(f"{path}: not a fitted mixture; remove it to fit a new one")
    if str(arrays["key"]) != key:
        return None
    parts = [arrays[name] for name in ("weights", "means", "factors")]
    whole = all(part.dtype == np.float32 and np.isfinite(part).all() for part in parts)
    if not whole or [part.shape for part in parts] != [shape[:-1], shape, (*shape, shape[-1])]:
        raise DataError(f"{path}: damaged, or a mixture of another size; remove it to fit a new one")
    return list(map(torch.from_numpy, parts))


def component_shares(seed: int, first: int, count: int) -> Tensor:
    """Numbers (count,) in [0, 1) that choose components: number i is a function of the seed and first + i alone."""
    numbers = range(first, first + count)
    return torch.stack([torch.rand((), generator=rng(seed, "component", number)) for number in numbers])


def prior_key(checkpoint: Path, fingerprint: str, size: int) -> str:
    """What a fitted density depends on: the checkpoint's bytes, the images, and its size."""
    with checkpoint.open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{weights}:{fingerprint}:{size}"
