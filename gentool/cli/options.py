"""The arguments and options that several commands share."""

import dataclasses
import functools
import shlex
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import typer

from gentool.data.images import ImageData
from gentool.data.load import load_data
from gentool.data.prepare import PrepareOptions
from gentool.engine.checkpoint import Header
from gentool.errors import GentoolError, OptionError
from gentool.figures.grids import CELL
from gentool.latent.flow_prior import FlowPrior
from gentool.latent.images import load_for, training_data
from gentool.latent.model import Model
from gentool.latent.prior import (
    COMPONENTS,
    COMPONENTS_OF_A_CLASS,
    ClassMixturePrior,
    Density,
    MixturePrior,
    NormalPrior,
    prior_key,
)
from gentool.models import MODELS, check_name, sampling_class
from gentool.options import Validated, field_types, flag, option, redefault
from gentool.progress import Reporter
from gentool.results import Results

ModelName = Annotated[
    str | None,
    typer.Argument(
        help=f"The model: {', '.join(MODELS)}. You may leave it out: the checkpoint says what it holds.",
        metavar="MODEL",
    ),
]
CKPT = "The checkpoint: the folder of a run, its model.pt, or an exported folder with model.safetensors."
AfterModel = Annotated[Path | None, typer.Argument(help=CKPT, metavar="CKPT")]
Checkpoint = Annotated[Path, typer.Argument(help=CKPT, metavar="CKPT")]

NO_CHECKPOINT = "missing argument 'CKPT'; give the folder of a run, such as runs/vae-digits, or its model.pt"

DEFAULT_DATA = "faces"
"""What is trained on without --data."""

Images = Callable[[], ImageData]
"""Loads the images when they are needed."""


@dataclass(frozen=True, kw_only=True)
class DataOptions(Validated):
    """The images to train on."""

    panel: ClassVar[str] = "Data"

    data: str | None = option(
        DEFAULT_DATA,
        "A named data set (gentool prepare --list), a prepared folder, or a folder, archive, .npy or sheet of images.",
    )
    source: Path | None = redefault(PrepareOptions, "source", None)
    tile: tuple[int, int] | None = redefault(PrepareOptions, "tile", None)
    size: tuple[int, int] | None = redefault(PrepareOptions, "size", None)
    label: str | None = redefault(PrepareOptions, "label", None)

    @property
    def preparation(self) -> PrepareOptions:
        """How to prepare them."""
        return PrepareOptions(source=self.source, tile=self.tile, size=self.size, label=self.label)

    def load(self, reporter: Reporter) -> ImageData:
        """The prepared images."""
        assert self.data is not None
        return load_data(self.data, self.preparation, reporter=reporter)


@dataclass(frozen=True, kw_only=True)
class ModelDataOptions(DataOptions):
    """The images for a trained model."""

    data: str | None = redefault(DataOptions, "data", None, default_text="the data that the model was trained on")

    def load_for(self, header: Header, reporter: Reporter) -> ImageData:
        """The images in the shape that a model takes."""
        return load_for(header, self.data, self.preparation, reporter=reporter)

    def load_as_they_are(self, header: Header, reporter: Reporter) -> ImageData:
        """The images in their own shape."""
        return load_data(self.data or training_data(header, reporter=reporter), self.preparation, reporter=reporter)


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Validated):
    """Where to write."""

    panel: ClassVar[str] = "Output"

    out: Path | None = option(
        None, "The file or folder to write.", metavar="PATH", default_text="beside the checkpoint"
    )
    overwrite: bool = option(False, "Replace the file or folder if it exists.")

    def path(
        self, default: Path, *beside: str, pictures: tuple[str, ...] = (".png",), results: Results | None = None
    ) -> Path:
        """The path to write: a picture with one of the suffixes `pictures`, or a folder, as `default` is.

        Files with the suffixes `beside` are written beside a picture. A folder is one of `results`. Raises OptionError
        when --out names something else, without --overwrite when it exists, or one of the files beside it, and always
        for a folder with other things in it. A result that was cut short does not count as existing.
        """
        cut_short = False
        is_file = bool(default.suffix) and (results is None or bool(beside))  # a folder's name may have a dot, too
        if results is not None:
            place = self.out or default
            folder = place.with_suffix("") if is_file else place
            self._check_folder(folder, results)
            cut_short = folder.exists() and results.is_free(folder)
        if self.out is None:
            if self.overwrite:
                raise OptionError("--overwrite: only with --out; a result beside the checkpoint is replaced anyway")
            return default
        suffix = self.out.suffix.lower()
        if is_file and ((suffix and suffix not in pictures) or suffix in beside):
            raise OptionError(f"--out {self.out}: give a name that ends in {' or '.join(pictures)}")
        if is_file and self.out.is_dir():
            raise OptionError(f"--out {self.out}: is a folder; give a file name")
        if not is_file and self.out.is_file():
            raise OptionError(f"--out {self.out}: is a file; give a folder")
        free = self.overwrite or cut_short
        for path in () if free else (self.out, *(self.out.with_suffix(suffix) for suffix in beside)):
            if path.exists():
                name = "" if path == self.out else f"{path.name} beside it "
                raise OptionError(f"--out {self.out}: {name}exists; give --overwrite to replace it")
        return self.out

    def _check_folder(self, folder: Path, results: Results) -> None:
        if folder.is_dir() and not results.replaceable(folder):
            where = f"--out {folder}" if self.out is not None else str(folder)
            raise OptionError(f"{where}: not empty, and not written by this command; choose another folder with --out")


@dataclass(frozen=True, kw_only=True)
class GridOptions(Validated):
    """How images stand in a picture."""

    panel: ClassVar[str] = "Output"

    scale: int | None = option(
        None,
        "Draw each pixel of an image as N x N pixels, without smoothing.",
        min=1,
        max=64,
        metavar="N",
        default_text=f"so that the shorter side has at least {CELL} pixels",
    )


def output_options(default: str, *, out_help: str, overwrite_help: str) -> type[OutputOptions]:
    """`OutputOptions` with other help texts."""

    @dataclass(frozen=True, kw_only=True)
    class Output(OutputOptions):
        out: Path | None = redefault(OutputOptions, "out", None, help=out_help, default_text=default)
        overwrite: bool = redefault(OutputOptions, "overwrite", False, help=overwrite_help)

    return Output


def run_output(default: str) -> type[OutputOptions]:
    """The options for a run's folder."""
    return output_options(default, out_help="The run's folder.", overwrite_help="Start again, replacing the old run.")


@dataclass(frozen=True, kw_only=True)
class PriorOptions(Validated):
    """The density that codes are drawn from."""

    panel: ClassVar[str] = "Prior"

    prior: Literal["normal", "gmm", "flow"] | None = option(
        None,
        "Draw codes from N(0, I) (normal), or from a Gaussian mixture (gmm) or a flow fitted to the codes of --data "
        "(autoencoders).",
        default_text="the model's own prior: N(0, I), or the one that it has learnt",
    )
    components: int | None = option(
        None,
        "Components of the mixture of --prior gmm; a conditional model has a mixture for each class.",
        min=1,
        max=10_000,
        only_with={"prior": "gmm"},
        default_text=f"{COMPONENTS}; {COMPONENTS_OF_A_CLASS} for each class",
    )

    @property
    def fitted(self) -> bool:
        """Whether the density is fitted to images."""
        return self.prior not in (None, "normal")

    def replaces(self, model: Model) -> bool:
        """Whether codes are drawn from another density than the model's own prior."""
        return self.fitted or (self.prior == "normal" and model.prior is not None)

    def suffix(self, model: Model) -> str:
        """The ending of the names of files that are made with it."""
        return f"-{self.prior}" if self.replaces(model) else ""

    def of(self, model: Model, images: Images, reporter: Reporter) -> Density | None:
        """The density for a model, None for its own prior. One that was fitted is kept beside the checkpoint.

        Raises OptionError for a model without an encoder.
        """
        if not self.replaces(model):
            return None
        if not self.fitted:
            return NormalPrior(model.latent_dim)
        model.require("encodes", "have a prior fitted to its codes")
        data = images()
        assert model.path is not None
        return (self._flow if self.prior == "flow" else self._mixture)(model, model.path, data, reporter)

    def _mixture(self, model: Model, checkpoint: Path, data: ImageData, reporter: Reporter) -> Density:
        count, size = self.components or model.mixture_components, model.latent_dim
        key = prior_key(checkpoint, data.fingerprint, count)
        each = "-each" if model.is_conditional else ""
        path = checkpoint.with_name(f"{checkpoint.stem}-gmm-{count}{each}.npz")
        mixture: MixturePrior | ClassMixturePrior | None
        if model.is_conditional:
            mixture = ClassMixturePrior.load(path, key, (len(model.classes), count, size))
        else:
            mixture = MixturePrior.load(path, key, (count, size))
        if mixture is not None:
            return mixture
        fitted = model.fit_prior(data, components=count, reporter=reporter)
        keep(fitted, path, key, f"a mixture of {count} components{' for each class' if each else ''}", data, reporter)
        return fitted

    def _flow(self, model: Model, checkpoint: Path, data: ImageData, reporter: Reporter) -> Density:
        key = prior_key(checkpoint, data.fingerprint, model.latent_dim)
        path = checkpoint.with_name(f"{checkpoint.stem}-flow-prior.npz")
        flow = FlowPrior.load(path, key, model.latent_dim)
        if flow is not None:
            return flow
        fitted = model.fit_prior(data, kind="flow", reporter=reporter)
        keep(fitted, path, key, "a flow", data, reporter)
        return fitted


def keep(
    fitted: MixturePrior | ClassMixturePrior | FlowPrior,
    path: Path,
    key: str,
    what: str,
    data: ImageData,
    reporter: Reporter,
) -> None:
    """Keep a fitted density beside its checkpoint. Where that cannot be written, it is used all the same."""
    codes = f"{len(data.train):,} codes of {data.name}"
    try:
        fitted.save(path, key)
    except GentoolError as error:
        reporter.notice(
            f"{error}. {what[0].upper()}{what[1:]} was fitted to {codes}, but not saved: it will be "
            "fitted again next time"
        )
        return
    reporter.notice(f"{path}: {what}, fitted to {codes}")


@dataclass(frozen=True, kw_only=True)
class SamplingFlags(Validated):
    """The sampling options of all models; one that is not given is None."""

    panel: ClassVar[str] = "Sampling"

    def of(self, model: str) -> Validated | None:
        """The sampling options of one model. Raises OptionError for an option of another one."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        kind = sampling_class(model)
        known = [] if kind is None else [field.name for field in dataclasses.fields(kind)]
        for name in given:
            if name not in known:
                raise OptionError(f"{flag(name)}: a {model} has no such option")
        return None if kind is None else kind(**given)


@functools.cache
def sampling_flags() -> type[SamplingFlags]:
    """The sampling options of all models in the table as one set of flags."""
    fields: dict[str, tuple[str, Any, Any]] = {}
    for model in MODELS:
        kind = sampling_class(model)
        for field in () if kind is None else dataclasses.fields(kind):
            assert kind is not None
            settings = {**field.metadata, "default_text": f"{field.default}; {model} only"}
            annotation = field_types(kind)[field.name] | None
            fields.setdefault(field.name, (field.name, annotation, dataclasses.field(default=None, metadata=settings)))
    return make_dataclass("AllSamplingFlags", list(fields.values()), bases=(SamplingFlags,), frozen=True, kw_only=True)


def load_model(name: str | None, checkpoint: Path, device: str, sampling: SamplingFlags | None = None) -> Model:
    """The model that a command is given; its checkpoint says its name where it was not given."""
    if name is not None and sampling is not None:
        sampling.of(name)
    model = Model.load(checkpoint, name=name, device=device)
    own = None if sampling is None else sampling.of(model.name)
    return model if own is None else model.with_sampling(**vars(own))


def model_and_checkpoint(first: str | None, second: Path | None) -> tuple[str | None, Path]:
    """Of MODEL CKPT or CKPT: the model's name, None where it was not given, and the checkpoint."""
    name, checkpoint, pictures = model_and_pictures(first, second, [])
    if pictures:
        raise OptionError(f"unexpected argument: {pictures[0]}")
    return name, checkpoint


def model_and_pictures(
    first: str | None, second: Path | None, pictures: list[Path]
) -> tuple[str | None, Path, list[Path]]:
    """Of MODEL CKPT PICTURES or CKPT PICTURES: the model's name, None where it was not given, and the others."""
    if first is None:
        raise OptionError(NO_CHECKPOINT)
    known, path = first in MODELS, Path(first).expanduser()
    if second is None:
        if known and not path.exists():
            raise OptionError(NO_CHECKPOINT)
        return None, path, pictures
    if not known and str(second) in MODELS:
        raise OptionError(f"the model comes before its checkpoint: {second} {shlex.quote(first)}")
    if not known and path.exists():
        return None, path, [second, *pictures]
    return check_name(first), second, pictures
