"""Model: a trained model, as `gentool.load` and `gentool.train` return it and every command uses it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gentool.data.load import Source
from gentool.engine import checkpoint
from gentool.engine.device import choose_device
from gentool.engine.folder import model_path
from gentool.engine.randomness import derived_seed, isolated
from gentool.errors import CheckpointError, DataError, OptionError
from gentool.latent.charts import MOST_ALONG, check_dims, manifold_codes, moments, origin, traversal_codes
from gentool.latent.coder import DECODED, Coder
from gentool.latent.factor_traversal import FactorTraversal, traverse_factors
from gentool.latent.flow_prior import FlowPrior
from gentool.latent.images import load_for
from gentool.latent.inputs import ALL, Array, Labels, as_codes, as_images, class_numbers, whole, whole_numbers
from gentool.latent.interpolation import HIGH_DIMENSION, METHODS, Method, walk
from gentool.latent.prior import COMPONENTS, COMPONENTS_OF_A_CLASS, ClassMixturePrior, Density, MixturePrior
from gentool.latent.projection import Projection, ProjectOptions, project
from gentool.models import MODELS, check_name, fresh_network, sampling_class
from gentool.progress import SILENT, Reporter


class Model(Coder):
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

    def with_sampling(self, **options: Any) -> Self:
        """The same model with other sampling options. Raises OptionError for a model that has none."""
        kind = sampling_class(self.name)
        if kind is None:
            raise OptionError(f"a {self.name} has no sampling options")
        own = kind.resolve(None, {} if self.sampling is None else vars(self.sampling) | options)
        return type(self)(
            self.network, self.header, self.device, path=self.path, rows=self.rows, step=self.step, sampling=own
        )

    def sample(
        self,
        count: int = 25,
        *,
        seed: int = 0,
        labels: Labels | None = None,
        first: int = 0,
        prior: Density | None = None,
        numbers: Sequence[int] | None = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Samples first .. first + count - 1 as images (count, C, H, W). Sample i is a function of (seed, i) alone.

        Args:
            count: The number of samples, of all classes together.
            labels: The classes of a conditional model, by name or number, in turn; all of them by default.
            prior: A density to draw the codes from, such as `fit_prior` returns; the model's own by default, which is
                N(0, I) unless `prior` says otherwise.
            numbers: The numbers of the samples, in any order, in place of `first` and `count`.
            truncation: Codes are drawn towards their mean by this factor, from 0 to 1: the smaller, the more alike the
                images (Karras et al. 2019, arXiv:1812.04948, appendix B, but of z).
        """
        if numbers is not None:
            chosen = whole_numbers("numbers", numbers)
            return self._numbered(chosen, seed=seed, labels=labels, prior=prior, truncation=truncation)
        count, seed, first = whole("count", count, 1), whole("seed", seed, 0), whole("first", first, 0)
        self._check_room(count)
        # Begin with the first sample of a pass, so that a sample's place in its pass depends on its number alone.
        before = first % DECODED
        z, classes = self._drawn(
            range(first - before, first + count), seed=seed, labels=labels, prior=prior, truncation=truncation
        )
        return self.decode(z, classes)[before:]

    def sample_trajectory(self, numbers: Sequence[int], **how: Any) -> Tensor:
        """How samples come out of noise, as `trajectory` has it: (steps + 1, N, C, H, W).

        `numbers` are those of the samples; `how` are `seed`, `labels`, `prior` and `truncation` as for `sample`.
        """
        self.require("inverts")
        chosen = whole_numbers("numbers", numbers)
        parts = [self._drawn(range(number, number + 1), **how) for number in chosen]
        classes = torch.cat([classes for _, classes in parts if classes is not None]) if self.is_conditional else None
        return self.trajectory(torch.cat([z for z, _ in parts]), classes)

    def _drawn(
        self,
        numbers: range,
        *,
        seed: int = 0,
        labels: Labels | None = None,
        prior: Density | None = None,
        truncation: float = 1.0,
    ) -> tuple[Tensor, Tensor | None]:
        """The codes (N, D) of samples, and the classes (N,) of a conditional model."""
        if not isinstance(truncation, int | float | np.floating) or not 0 <= truncation <= 1:
            raise OptionError(f"--truncation: expected a number from 0 to 1, got {truncation!r}")
        seed, start, number = whole("seed", seed, 0), numbers.start, len(numbers)
        classes: Tensor | None = None
        if labels is not None or self.is_conditional:
            self.require("is_conditional")
            chosen = class_numbers(ALL if labels is None else labels, self.classes)
            classes = chosen[torch.arange(start, start + number) % len(chosen)]
        prior = prior or self.prior
        if prior is not None and not isinstance(prior, Density):
            raise OptionError(f"prior: expected a density, such as `model.fit_prior(data)` returns, got {prior!r}")
        if isinstance(prior, ClassMixturePrior):
            if classes is None:
                raise OptionError(f"prior: is one of classes, and a {self.name} has none")
            z, center = prior.draw(seed, start, classes), prior.center[classes]
        elif prior is not None:
            z, center = prior.draw(seed, start, number), prior.center
        else:
            z, center = self.draw_codes(number, seed=seed, first=start), torch.zeros(self.latent_dim)
        return z if truncation == 1 else center + truncation * (z - center), classes

    def _numbered(self, numbers: list[int], **how: Any) -> Tensor:
        """The samples of these numbers, each in the pass in which it is among all samples."""
        self._check_room(len(numbers))
        passes: dict[int, list[int]] = {}
        for number in numbers:
            passes.setdefault(number - number % DECODED, []).append(number)
        found: dict[int, Tensor] = {}
        for first, members in passes.items():
            images = self.sample(max(members) - first + 1, first=first, **how)
            found.update({number: images[number - first] for number in members})
        return torch.stack([found[number] for number in numbers])

    def manifold(
        self,
        along: int = 20,
        *,
        dims: tuple[int, ...] | None = None,
        label: int | str | None = None,
        data: Source | None = None,
        seed: int = 0,
        reporter: Reporter = SILENT,
    ) -> Tensor:
        """A grid over the latent space, `along` x `along` images in rows from the top left: (along^2, C, H, W).

        The grid is over two dimensions, at Gaussian quantiles of the prior, or by default over the two principal
        directions of the codes of `data` (those of the training by default).
        """
        along, seed = whole("along", along, 2, MOST_ALONG), whole("seed", seed, 0)
        images = None
        if dims is None and self.latent_dim != 2:
            self.require("encodes", "find its principal directions; choose two dimensions with --dims")
            images = load_for(self.header, data, reporter=reporter)
        z = manifold_codes(self, along, dims, seed, images, reporter=reporter)
        return self.decode(z, self._one_class(label, len(z)))

    def traverse(
        self,
        dims: tuple[int, ...] | None = None,
        along: int = 11,
        *,
        label: int | str | None = None,
        seed: int = 0,
    ) -> Tensor:
        """A row of `along` images per latent dimension, in which only that one changes.

        The rows of `dims`, all by default, one after the other: (len(dims) * along, C, H, W).
        """
        along, seed = whole("along", along, 2, MOST_ALONG), whole("seed", seed, 0)
        rows = tuple(range(self.latent_dim)) if dims is None else dims
        check_dims(self, rows)
        z = traversal_codes(origin(self, seed), list(rows), along, *moments(self))
        return self.decode(z, self._one_class(label, len(z)))

    def traverse_factors(
        self,
        data: Source | None = None,
        along: int = 11,
        *,
        label: int | str | None = None,
        seed: int = 0,
        reporter: Reporter = SILENT,
    ) -> FactorTraversal:
        """A row of `along` images per known factor of `data` (those of the training by default), such as those of
        `shapes`: from the code of a test image, only the dimension that knows most of the factor changes.
        """
        self.require("encodes", "tell which dimension encodes a factor")
        along, seed = whole("along", along, 2, MOST_ALONG), whole("seed", seed, 0)
        one = self._one_class(label, 1)
        images = load_for(self.header, data, reporter=reporter)
        return traverse_factors(self, images, along, None if one is None else int(one[0]), seed, reporter=reporter)

    def _one_class(self, label: int | str | None, count: int) -> Tensor | None:
        """One class for `count` codes; None for a model without classes."""
        if not self.is_conditional and label is None:
            return None
        self.require("is_conditional")
        if label is None:
            raise OptionError(f"a {self.name} needs a label, the class of the images")
        return class_numbers(label, self.classes)[:1].expand(count)

    def fit_prior(
        self,
        data: Source | None = None,
        *,
        components: int | None = None,
        kind: Literal["gmm", "flow"] = "gmm",
        seed: int = 0,
        reporter: Reporter = SILENT,
    ) -> MixturePrior | ClassMixturePrior | FlowPrior:
        """A density fitted to the codes of training images (those of the training by default).

        `kind` is `gmm`, a mixture of this many Gaussians (10 by default; of a conditional model 3 for each class), or
        `flow`, which takes about a minute.
        """
        self.require("encodes", "have a prior fitted to its codes")
        if kind not in ("gmm", "flow"):
            raise OptionError(f"--prior: {kind!r} is not one of gmm, flow")
        if kind == "flow" and components is not None:
            raise OptionError("--components: only with --prior gmm")
        seed = whole("seed", seed, 0)
        images = load_for(self.header, data, reporter=reporter)
        labels = images.train.labels if self.is_conditional and images.classes == self.classes else None
        if kind == "gmm" and self.is_conditional and labels is None:
            raise DataError(f"{images.name}: does not have the classes of the model, which --prior gmm needs")
        z = self.encode(images.train.images, labels, reporter=reporter)
        if kind == "flow":
            return FlowPrior.fit(z, seed, reporter=reporter)
        count = self.mixture_components if components is None else components
        if labels is None:
            return MixturePrior.fit(z, count, seed)
        return ClassMixturePrior.fit(z, labels, len(self.classes), count, seed)

    @property
    def mixture_components(self) -> int:
        """The default number of Gaussians of a fitted mixture; of a conditional model that of each class."""
        return COMPONENTS_OF_A_CLASS if self.is_conditional else COMPONENTS

    def interpolate(
        self, a: Array, b: Array, steps: int = 10, *, method: Method = "auto", labels: Labels | None = None
    ) -> Tensor:
        """Images (steps, C, H, W) on the way from a to b, both ends included.

        Args:
            a, b: Codes (D,), or images (C, H, W) that are encoded, or searched for where there is no encoder.
            method: `linear`, `slerp` (great arcs), or `auto`: arcs where codes are Gaussian noise of many dimensions.
            labels: The class of a conditional model, or the classes of both ends; found for images by default.
        """
        steps = whole("steps", steps, 2)
        classes: Tensor | None = None
        if labels is not None:
            self.require("is_conditional")
            numbers = class_numbers(labels, self.classes)
            if len(numbers) > 2:
                raise OptionError("--labels: give one class, or one for each end")
            classes = numbers.expand(2)
        ends = [self._end(end, None if classes is None else classes[i]) for i, end in enumerate((a, b))]
        if classes is None and self.is_conditional:
            end_labels = [label for _, label in ends if label is not None]
            if len(end_labels) < 2:
                raise OptionError(f"a {self.name} needs labels, the class of each end, to interpolate between codes")
            classes = torch.stack(end_labels)
        weights = None
        if classes is not None:
            weights = walk(F.one_hot(classes, len(self.classes)).float(), steps, "linear")
        codes = walk(torch.stack([code for code, _ in ends]), steps, self.interpolation_method(method))
        return self.decode(codes, weights)

    def interpolation_method(self, method: Method = "auto") -> Method:
        """`linear` or `slerp`; auto is slerp where codes are Gaussian noise of many dimensions."""
        if method not in METHODS:
            raise OptionError(f"--method: {method!r} is not one of {', '.join(METHODS)}")
        if method != "auto":
            return method
        return "slerp" if self.gaussian_prior and self.latent_dim >= HIGH_DIMENSION else "linear"

    def project(
        self,
        x: Array,
        options: ProjectOptions | None = None,
        *,
        film: bool = False,
        reporter: Reporter = SILENT,
        **settings: Any,
    ) -> Projection:
        """The codes, and the classes of a conditional model, whose images are nearest to images x (N, C, H, W).

        `settings` are the fields of `ProjectOptions`, instead of `options`. With `film`, the result also has the best
        images at moments of the search.
        """
        options = ProjectOptions.resolve(options, settings)
        return project(self, as_images(x, self.shape), options, film=film, reporter=reporter)

    def _end(self, end: Array, label: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The code (D,) of an end of a walk, and its class where it was searched for."""
        expected = f"expected a code ({self.latent_dim},) or an image {self.shape}"
        if not isinstance(end, Tensor | np.ndarray):
            raise DataError(f"{expected}, got {type(end).__name__}")
        if end.ndim == 1:
            return as_codes(end[None], self.latent_dim)[0], None
        if end.ndim != 3:
            raise DataError(f"{expected}, got shape {tuple(end.shape)}")
        if self.encodes:
            found = self.classify(end[None])[0] if self.is_conditional and label is None else label
            return self.encode(end[None], None if found is None else found[None])[0], found
        options = ProjectOptions()
        if label is not None:
            options = ProjectOptions(labels=(self.classes[int(label)],))
        projection = self.project(end[None], options)
        return projection.z[0], None if projection.labels is None else projection.labels[0]

    # Files.

    @classmethod
    def load(cls, path: Path | str, *, name: str | None = None, device: str = "auto") -> Self:
        """The model in a checkpoint, named as a file or as its folder: that of a run, or one with model.safetensors.

        With `name`, the checkpoint must hold that model. Raises OptionError for an unknown name, CheckpointError when
        the file is missing, damaged, or holds another model.
        """
        if name is not None:
            check_name(name)
        file = model_path(Path(path))
        header, content = checkpoint.load(file, "model")
        if name is not None and header.model != name:
            hint = f"give `{header.model}` as the model" if header.model in MODELS else "use `gentool seq2seq`"
            raise CheckpointError(f"{file}: holds a {header.model}, not a {name}; {hint}")
        with isolated(0):
            network = checkpoint.restored(lambda: fresh_network(header, file), content, file)
        return cls(network, header, choose_device(device), path=file, step=content.get("step"))

    def untrained(self) -> Self:
        """The same model with freshly initialised weights."""
        with isolated(derived_seed(0, "untrained")):
            network = fresh_network(self.header, self.path)
        return type(self)(network, self.header, self.device, sampling=self.sampling)
