"""Options: one dataclass field is one flag, one JSON key and one TOML key.

    @dataclass(frozen=True, kw_only=True)
    class Options(TrainOptions):
        latent_dim: int = option(32, "Size of the latent vector.", min=1)

A subclass of `Validated` checks every field's type, range and choices when it is made, so a value is refused
the same way from the command line, a TOML file, a checkpoint and Python.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from gentool.errors import OptionError

Resume = Literal["same", "grow", "free"]
Schedule = Literal["constant", "linear", "cosine", "onecycle", "warmup"]


def option(
    default: Any,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    metavar: str | None = None,
    short: str | None = None,
    resume: Resume = "same",
    parse: Callable[[str], Any] | None = None,
) -> Any:
    """A field with all that a flag needs.

    `min` and `max` are inclusive. `resume` says what a resumed run may do with it: keep the same value, let it
    `grow`, or change it at will (`free`: it does not touch the numbers). `short` is a one-letter flag. `parse` reads
    and checks a text (it raises ValueError saying what was expected); the field itself keeps the text.
    """
    settings = {
        "help": help,
        "min": min,
        "max": max,
        "metavar": metavar,
        "short": short,
        "resume": resume,
        "parse": parse,
    }
    return dataclasses.field(default=default, metadata=settings)


def redefault(cls: type, name: str, default: Any) -> Any:
    """The field `name` of `cls` again, with another default: for a subclass."""
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    return dataclasses.field(default=default, metadata=field.metadata)


def flag(name: str) -> str:
    """The flag of a field: `latent_dim` is `--latent-dim`, `from_` (a word of Python) is `--from`."""
    return "--" + name.rstrip("_").replace("_", "-")


def field_types(cls: Any) -> dict[str, Any]:
    """The resolved annotation of each field."""
    return typing.get_type_hints(cls)


def unwrap_optional(annotation: Any) -> tuple[Any, bool]:
    """`int | None` is (int, True); `int` is (int, False)."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        return kinds[0], True
    return annotation, False


def numbers(text: str) -> tuple[int, ...]:
    """Positive whole numbers from a comma-separated text: `16,32` is (16, 32).

    Raises ValueError for anything else.
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ValueError("expected positive whole numbers with commas, such as 16,32")
    return tuple(int(part) for part in parts)


def suggestion(word: str, known: typing.Iterable[str]) -> str:
    """` Did you mean 'gan'?`, or nothing when no known word is near."""
    near = get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _range(settings: Mapping[str, Any]) -> str:
    low, high = settings["min"], settings["max"]
    if low is not None and high is not None:
        return f"between {low:g} and {high:g}"
    return f"at least {low:g}" if low is not None else f"at most {high:g}"


def _check(field: "Field[Any]", annotation: Any, value: Any) -> Any:
    """The value in its field's type, or OptionError naming the flag and what is allowed."""
    kind, optional = unwrap_optional(annotation)
    name = flag(field.name)
    if value is None:
        if optional:
            return None
        raise OptionError(f"{name}: a value is needed")
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            listed = ", ".join(map(str, choices))
            raise OptionError(f"{name}: {value!r} is not one of {listed}.{suggestion(str(value), map(str, choices))}")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is Path and isinstance(value, str):
        value = Path(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise OptionError(f"{name}: {value!r} is not of type {kind.__name__}")
    settings = field.metadata
    if kind in (int, float) and not (settings["min"] is None and settings["max"] is None):
        low = -float("inf") if settings["min"] is None else settings["min"]
        high = float("inf") if settings["max"] is None else settings["max"]
        if not low <= value <= high:
            raise OptionError(f"{name}: {value} is out of range; it must be {_range(settings)}")
    if kind is float and value != value:
        raise OptionError(f"{name}: not a number")
    if settings["parse"] is not None:
        try:
            settings["parse"](value)
        except ValueError as error:
            raise OptionError(f"{name}: {value!r}: {error}") from None
    return value


@dataclass(frozen=True, kw_only=True)
class Validated:
    """A frozen set of options whose values are checked when it is made. Raises OptionError."""

    def __post_init__(self) -> None:
        annotations = field_types(type(self))
        for field in dataclasses.fields(self):
            checked = _check(field, annotations[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, checked)
        self.cross_check()

    def cross_check(self) -> None:
        """What single fields cannot say, such as two options that exclude each other. Raises OptionError."""

    def to_json(self) -> dict[str, Any]:
        """Name to value, with paths as text."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The options written by `to_json`. Raises OptionError for a key that is no option, with a suggestion."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise OptionError(f"{name!r} is not an option here.{suggestion(name, known)}")
        return cls(**values)


def required(field: "Field[Any]") -> bool:
    """Whether a field has no default."""
    return field.default is MISSING and field.default_factory is MISSING


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Validated):
    """The options that every training has. A model's own options extend them and may change a default."""

    panel: ClassVar[str] = "Training"
    next_command: ClassVar[str] = "gentool sample {model}"
    """What to try with a trained model."""

    @property
    def updates(self) -> int:
        """About so many updates are made when neither --epochs nor --steps is given: small sets need more passes."""
        return 5_000

    epochs: int | None = option(
        None,
        "Passes over the training images; may grow when a run is resumed. "
        "(default: about 5,000 updates for cae and vae, 10,000 for lstm-ae, 20,000 for GANs)",
        min=1,
        resume="grow",
    )
    steps: int | None = option(
        None,
        "Stop after this many updates instead of --epochs; may grow. (default: --epochs decides)",
        min=1,
        resume="grow",
    )
    batch_size: int = option(128, "Images per update.", min=1)
    lr: float = option(1e-3, "Peak learning rate.", min=1e-8, max=10)
    schedule: Schedule = option(
        "constant",
        "Learning rate over the whole run: constant; linear or cosine decay to zero; onecycle or warmup: a rise in its "
        "first 30 % or 10 %, then cosine decay. A function of the share of the run that is done: when --epochs grows, "
        "the longer curve is followed.",
    )
    ema: float = option(
        0.0, "Decay of the exponential moving average of the weights that are kept; 0: none.", min=0, max=0.99999
    )
    seed: int = option(0, "Seed of every random choice.", min=0, max=2**31 - 1)
    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "Where to compute; auto: the first accelerator found.", resume="free"
    )
    amp: Literal["auto", "off", "bf16", "fp16"] = option(
        "auto", "Mixed precision; auto: bf16 on GPUs that have it and on CPUs with bf16 instructions, else off."
    )
    compile: bool = option(False, "Compile the training step with torch.compile.")
    deterministic: bool = option(
        False, "Only deterministic algorithms (CPU runs at a fixed thread count are so anyway)."
    )
    sample_every: int | None = option(
        None,
        "Write pictures every this many epochs (and after the first and last); 0: never. "
        "(default: each epoch to the 200th, each 10th to the 2,000th, then each 100th)",
        min=0,
        resume="free",
    )
    gif: bool = option(False, "When the training ends, make one film of the pictures.", resume="free")
    log: Literal["none", "tensorboard", "wandb"] = option(
        "none",
        "Tell another program's log as well, in the run folder and without an account: each an extra to install.",
        resume="free",
    )
    stop_on_collapse: bool = option(
        False, "End with exit code 5 when an alarm says that the training has collapsed.", resume="free"
    )

    def cross_check(self) -> None:
        """Raises OptionError when both lengths of a run are given."""
        if self.epochs is not None and self.steps is not None:
            raise OptionError("--epochs, --steps: give one of the two; each says how long the run is")
