"""What a model offers, as protocols. A model's network is an `nn.Module` that satisfies `Generative`, and more of them
where it can do more."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from gentool.metrics.elbo import Mixture


@runtime_checkable
class Generative(Protocol):
    """Every model: it turns codes into images.

    `latent_dim` is the size D of a code. `classes` is the number of classes of a conditional model, 0 for others.
    `gaussian_prior` says that codes have the prior N(0, I) in training, so that they lie near a sphere.
    """

    latent_dim: int
    classes: int
    gaussian_prior: bool

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes z (N, D) -> images (N, C, H, W) in [0, 1].

        `labels` of a conditional model are classes (N,), or weights of the classes (N, K) that sum to 1.
        """
        ...


@runtime_checkable
class Encodes(Protocol):
    """Autoencoders. The methods of a conditional one take labels (N,), or weights of the classes (N, K), as well."""

    def encode(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] -> codes (N, D); the mean where a code is a distribution."""
        ...


@runtime_checkable
class HasLikelihood(Protocol):
    """Models with an approximate posterior and Bernoulli pixels, such as VAEs."""

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) in [0, 1] -> mean and log-variance of q(z | x), each (N, D), in f32."""
        ...

    def logits(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes z (N, D) -> the logits of the pixels' means (N, C, H, W); of a conditional model with labels (N,)."""
        ...


class LearntDensity(Protocol):
    """A density of z that a model has learnt, of a conditional one for each class."""

    def log_density(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """log p(z) of z (N, ..., D), nats (N, ...). `labels` are those of `Generative.decode`."""
        ...


@runtime_checkable
class LearnsPrior(Protocol):
    """Models with a likelihood that may learn the prior of z, in place of N(0, I).

    It is a mixture of Gaussians, and z is the code; or it turns z into noise N(0, I), and that noise is the code.
    `prior_name` is its name, such as `vamp`; `standard` for N(0, I).
    """

    prior_name: str

    def learnt_prior(self) -> Mixture | LearntDensity | None:
        """The density of z, in f32; None: N(0, I)."""
        ...


@runtime_checkable
class Inverts(Protocol):
    """Models whose images come from noise along a path that can be followed backwards. They have sampling options."""

    def trajectory(self, z: Tensor, labels: Tensor | None, options: Any) -> Iterator[Tensor]:
        """The images (N, C, H, W) in [0, 1] on the way from codes z (N, D), the first of them noise."""
        ...

    def invert(self, x: Tensor, labels: Tensor | None, noise: Tensor, options: Any) -> Tensor:
        """Images (N, C, H, W) in [0, 1] -> codes (N, D) that become nearly them; they depend on noise (N, D)."""
        ...

    def error(self, x: Tensor, labels: Tensor | None, noise: Tensor, t: Tensor) -> Tensor:
        """How badly images (N, C, H, W) in [0, 1] fit the labels, as an error (N,) in what the network predicts.

        It depends on noise (N, C, H, W) and times t (N,), and is to be averaged over some of them.
        """
        ...


class HasSamplingOptions(Protocol):
    """Models with options for sampling that are no training options: `SamplingOptions` in their file."""

    def decode(self, z: Tensor, labels: Tensor | None, options: Any) -> Tensor:
        """As `Generative.decode`, with the model's sampling options."""
        ...
