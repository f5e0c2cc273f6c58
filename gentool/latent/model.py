"""Model: a trained model, as `gentool.load` and `gentool.train` return it and every command uses it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.engine import checkpoint, training
from gentool.engine.checkpoint import Header
from gentool.engine.device import choose_device
from gentool.engine.folder import model_path
from gentool.engine.options import TrainOptions
from gentool.engine.randomness import derived_seed, indexed_noise
from gentool.engine.trained import Trained
from gentool.errors import CheckpointError, OptionError
from gentool.latent.interpolation import HIGH_DIMENSION, Method, walk
from gentool.latent.prior import MixturePrior, Prior
from gentool.latent.projection import Projection, ProjectOptions, project
from gentool.latent.sampling import class_numbers
from gentool.models import MODELS, check_name, model_module, options_class, sampling_class
from gentool.models.capabilities import abilities, models_that
from gentool.models.contract import Encodes, Generative, HasLikelihood, HasSamplingOptions
from gentool.options import Validated
from gentool.progress import SILENT, Reporter

DECODED, ENCODED = 64, 256
"""Codes, and images, in one pass. A matrix product may round differently for another number of rows, so every pass has
this many: a code's image is the same to the last bit alone and among thousands, in the same place of its pass."""

Labels = int | str | Sequence[int | str] | Tensor
"""Classes by number or name."""


class Model(Trained[nn.Module]):
    """A trained model: a network in eval mode with its description.

    Images are float tensors (N, C, H, W) in [0, 1] on the CPU, codes z are float tensors (N, D). Methods that need what
    the model does not have, such as an encoder, raise OptionError and name the models that have it.

    Attributes:
        name: The model's name, such as `vae`.
        shape: (C, H, W) of its images.
        latent_dim: The size D of a code.
        classes: The names of the classes of a conditional model; empty for others.
        path: The checkpoint's file; None for a model that was never saved.
        sampling: The model's own sampling options, None where it has none.
    """

    def __init__(
        self,
        network: nn.Module,
        header: Header,
        device: torch.device,
        *,
        path: Path | None = None,
        rows: list[dict[str, float]] | None = None,
        sampling: Validated | None = None,
    ) -> None:
        super().__init__(network, header, device, path=path, rows=rows)
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

    def require(self, ability: str, purpose: str = "") -> None:
        """Raises OptionError where the model lacks an ability: encodes, has_likelihood or is_conditional."""
        if ability in self.abilities:
            return
        able = models_that(ability)
        reasons = {
            "encodes": f"has no encoder{f' and cannot {purpose}' if purpose else ''} (models with one: {able})",
            "has_likelihood": f"has no likelihood (models with one: {able})",
            "is_conditional": f"is not conditional (conditional models: {able})",
        }
        raise OptionError(f"a {self.name} {reasons[ability]}")

    def with_sampling(self, **options: Any) -> "Model":
        """The same model with other sampling options. Raises OptionError for a model that has none."""
        kind = sampling_class(self.name)
        if kind is None:
            raise OptionError(f"a {self.name} has no sampling options")
        own = kind(**options)
        return Model(self.network, self.header, self.device, path=self.path, rows=self.rows, sampling=own)

    # Codes and images.

    @torch.no_grad()
    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes z (N, D) -> images (N, C, H, W).

        `labels` of a conditional model are classes (N,), or weights of the classes (N, K), float, that sum to 1.
        """
        images = []
        for start in range(0, len(z), DECODED):
            given = [tensor[start : start + DECODED] for tensor in (z, labels) if tensor is not None]
            part = self.decode_part(*(_padded(tensor, DECODED).to(self.device) for tensor in given))
            images.append(part.cpu()[: len(z) - start])
        return torch.cat(images)

    def decode_part(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """`decode` in one pass, with gradients and on the model's device."""
        if self.sampling is not None:
            return cast(HasSamplingOptions, self.network).decode(z, labels, self.sampling)
        return cast(Generative, self.network).decode(z, labels)

    @torch.no_grad()
    def encode(self, x: Tensor, *, reporter: Reporter = SILENT) -> Tensor:
        """Images (N, C, H, W), in [0, 1] or uint8 -> codes z (N, D); the mean where a code is a distribution."""
        self.require("encodes", "encode images")
        codes = [torch.zeros(0, self.latent_dim)]
        for start in range(0, len(x), ENCODED):
            part = x[start : start + ENCODED]
            pixels = _padded(_floats(part), ENCODED).to(self.device)
            codes.append(cast(Encodes, self.network).encode(pixels).float().cpu()[: len(part)])
            reporter.progress("encoding", start + len(part), len(x))
        return torch.cat(codes)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W), in [0, 1] or uint8 -> their reconstructions."""
        self.require("encodes", "reconstruct images")
        return self.decode(self.encode(x))

    @torch.no_grad()
    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) in [0, 1] -> mean and log-variance of q(z | x), each (N, D), on the model's device."""
        self.require("has_likelihood")
        return cast(HasLikelihood, self.network).posterior(x.to(self.device))

    @torch.no_grad()
    def logits(self, z: Tensor) -> Tensor:
        """Codes z (N, D) on the model's device -> the logits of Bernoulli pixels (N, C, H, W)."""
        self.require("has_likelihood")
        return cast(HasLikelihood, self.network).logits(z)

    # What the model generates.

    def sample(
        self,
        count: int = 25,
        *,
        seed: int = 0,
        labels: Labels | None = None,
        first: int = 0,
        prior: Prior | None = None,
    ) -> Tensor:
        """Samples first .. first + count - 1 as images (count, C, H, W). Sample i is a function of (seed, i) alone.

        Args:
            labels: The classes of a conditional model, in turn; all of them by default.
            prior: A density to draw the codes from, such as `fit_prior` returns; N(0, I) by default.
        """
        chosen = None
        if labels is not None or self.is_conditional:
            self.require("is_conditional")
            chosen = class_numbers(range(len(self.classes)) if labels is None else labels, self.classes)
            chosen = chosen[
                (torch.arange(first, first + count) if labels is None else torch.arange(count)) % len(chosen)
            ]
        # Begin with the first sample of a pass, so that a sample's place in its pass depends on its number alone.
        before = first % DECODED
        start, number = first - before, before + count
        z = prior.draw(seed, start, number) if prior else indexed_noise(seed, start, number, self.latent_dim)
        if chosen is not None:
            chosen = torch.cat([chosen[:1].expand(before), chosen])
        return self.decode(z, chosen)[before:]

    def fit_prior(
        self, data: ImageData, *, components: int = 10, seed: int = 0, reporter: Reporter = SILENT
    ) -> MixturePrior:
        """A Gaussian mixture fitted to the codes of the training images, to draw samples from."""
        self.require("encodes", "have a prior fitted to its codes")
        return MixturePrior.fit(self.encode(data.train.images, reporter=reporter), components, seed)

    def interpolate(
        self, a: Tensor, b: Tensor, steps: int = 10, *, method: Method = "auto", label: int | str | None = None
    ) -> Tensor:
        """Images (steps, C, H, W) on the way from a to b, both ends included.

        `a` and `b` are codes (D,), or images (C, H, W) that are encoded, or searched for where there is no encoder.
        `label` is the class of a conditional model.
        """
        ends = torch.stack([self._code(end, label) for end in (a, b)])
        labels = None if label is None else class_numbers(label, self.classes).expand(steps)
        return self.decode(walk(ends, steps, self.interpolation_method(method)), labels)

    def interpolation_method(self, method: Method = "auto") -> Method:
        """`linear` or `slerp`; auto is slerp where codes are Gaussian noise of many dimensions."""
        if method != "auto":
            return method
        return "slerp" if self.gaussian_prior and self.latent_dim >= HIGH_DIMENSION else "linear"

    def project(
        self, x: Tensor, options: ProjectOptions | None = None, *, reporter: Reporter = SILENT, **settings: Any
    ) -> Projection:
        """The codes, and the classes of a conditional model, whose images are nearest to images x (N, C, H, W).

        `settings` are those of `ProjectOptions`.
        """
        return project(self, x, ProjectOptions.resolve(options, settings), reporter=reporter)

    def _code(self, end: Tensor, label: int | str | None) -> Tensor:
        if end.ndim == 1:
            return end
        if self.encodes:
            return self.encode(end[None])[0]
        options = ProjectOptions() if label is None else ProjectOptions(labels=(str(label),))
        return self.project(end[None], options).z[0]

    # Files.

    @classmethod
    def load(
        cls, path: Path | str, *, name: str | None = None, device: str = "auto", sampling: Validated | None = None
    ) -> Self:
        """The model in a checkpoint, named as a file or as its run folder.

        With `name`, the checkpoint must hold that model. Raises OptionError for an unknown name, CheckpointError when
        the file is missing, damaged, or holds another model.
        """
        if name is not None:
            check_name(name)
        file = model_path(Path(path))
        header, content = checkpoint.load(file, "model")
        if name is not None and header.model != name:
            raise CheckpointError(f"{file}: holds a {header.model}, not a {name}; give `{header.model}` as the model")
        network = fresh_network(header, file)
        checkpoint.restore(network, content, file)
        return cls(network, header, choose_device(device), path=file, sampling=sampling)

    def untrained(self) -> "Model":
        """The same model with freshly initialised weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(0, "untrained"))
            network = fresh_network(self.header, self.path)
        return Model(network, self.header, self.device, sampling=self.sampling)


def fresh_network(header: Header, path: Path | None = None) -> nn.Module:
    """A freshly initialised network of a checkpoint's options. Raises CheckpointError for another tool's options."""
    if header.model not in MODELS:
        where = f"{path}: " if path else ""
        raise CheckpointError(f"{where}holds a {header.model}, which is not one of {', '.join(MODELS)}")
    module = model_module(header.model)
    try:
        options = module.Options.from_json(header.options)
    except OptionError as error:
        raise CheckpointError(f"{path}: its options are not those of this version of gentool: {error}") from error
    network: nn.Module = module.build(options, header.shape, len(header.classes))
    return network


def load(path: Path | str, *, device: str = "auto", **sampling: Any) -> Model:
    """The trained model in a checkpoint, named as a model.pt file or as its run folder.

    `sampling` are the model's own sampling options, for models that have some. Raises CheckpointError when the file is
    missing, damaged, or holds no model of images, OptionError for a device that is not there.
    """
    model = Model.load(path, device=device)
    return model.with_sampling(**sampling) if sampling else model


def train(
    model: str,
    data: ImageData | Path | str,
    options: TrainOptions | None = None,
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Model:
    """Train a model and return it.

    Args:
        model: A name from `gentool.models.MODELS`, such as `vae`.
        data: Images from `gentool.load_data`, or what it reads, such as `digits`.
        options: The model's options, such as `gentool.VAEOptions(latent_dim=20)`; or give them as `settings`.
        out: The run's folder. An unfinished run there is resumed, a finished one is loaded. Without it nothing is
            written.
        overwrite: Replace the run in that folder.
        reporter: Receives progress and notices.

    Raises OptionError, DataError, CheckpointError; Stopped when asked to stop; Diverged when the training fails.
    """
    kind = options_class(check_name(model))
    options = kind.resolve(options, settings)
    images = data if isinstance(data, ImageData) else load_data(data, reporter=reporter)
    folder = None if out is None else Path(out)
    run = training.train(
        model_module(model).train, model, options, images, folder=folder, overwrite=overwrite, reporter=reporter
    )
    if run.network is None:  # finished before
        assert folder is not None
        return Model.load(folder, device=options.device)
    path = None if folder is None else model_path(folder)
    return Model(run.network, run.header, run.device, path=path, rows=run.journal.rows)


def _floats(x: Tensor) -> Tensor:
    return x.float() / 255 if x.dtype is torch.uint8 else x


def _padded(part: Tensor, count: int) -> Tensor:
    """The rows, with the last one repeated until there are `count`."""
    return torch.cat([part, part[-1:].expand(count - len(part), *part.shape[1:])]) if len(part) < count else part
