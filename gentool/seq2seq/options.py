"""The options of the four sequence-to-sequence trainings, and the two recipes that fill those not given."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from gentool.engine.data import TrainingData
from gentool.engine.options import TrainOptions
from gentool.engine.plan import Schedule
from gentool.errors import OptionError
from gentool.options import option, redefault, suggestion
from gentool.seq2seq.task import OPERATORS, Task

CLASSIC = {"recipe": "classic"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The values of the options that are not given."""

    embedding: int
    operands: Literal["plain", "aligned"]
    answer: Literal["forward", "reversed"]
    decoder: Literal["repeat", "autoregressive"]
    attention: bool
    swap: bool
    dropout: float
    weight_decay: float
    soft_tokens: bool
    text_share: float
    reading_loss: float
    symbol_loss: float
    handwriting: Literal["mean", "sharp"]
    gain: float
    """The factor of the initial input weights in LSTM layers above the first."""
    updates: dict[str, int]


RECIPES = {
    "default": Recipe(
        embedding=192, operands="aligned", answer="reversed", decoder="autoregressive", attention=True, swap=True,
        dropout=0.1, weight_decay=1.0, soft_tokens=True, text_share=0.3, reading_loss=0.5,
        symbol_loss=0.5, handwriting="sharp", gain=3.0,
        updates={"text2text": 1_500, "image2text": 3_000, "text2image": 1_500, "image2image": 1_500},
    ),
    "classic": Recipe(
        embedding=0, operands="plain", answer="forward", decoder="repeat", attention=False, swap=False,
        dropout=0.0, weight_decay=0.01, soft_tokens=False, text_share=0.0, reading_loss=0.0,
        symbol_loss=0.0, handwriting="mean", gain=1.0,
        updates={"text2text": 4_500, "image2text": 4_500, "text2image": 4_500, "image2image": 4_500},
    ),
}  # fmt: skip


def by_recipe(name: str) -> str:
    """The default of an option in both recipes, for `--help`."""
    default, classic = (vars(recipe)[name] for recipe in RECIPES.values())
    words = {True: "yes", False: "no"}
    shown = [words[value] if isinstance(value, bool) else f"{value}" for value in (default, classic)]
    return f"{shown[0]}; classic: {shown[1]}"


def operators(text: str) -> str:
    """Some of + - *, each once. Raises ValueError."""
    if not text or set(text) - set(OPERATORS) or len(set(text)) < len(text):
        raise ValueError("expected some of + - *, each once, such as +-")
    return text


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """The options of `text2text`, and of every task."""

    next_command: ClassVar[str] = "gentool seq2seq evaluate"
    unit: ClassVar[str] = "queries"
    task: ClassVar[str] = "text2text"
    images_in: ClassVar[bool] = False
    images_out: ClassVar[bool] = False

    recipe: Literal["default", "classic"] = option(
        "default",
        "Defaults of the other options: default, the best measured ones; classic, the textbook network: LSTM, repeat "
        "vector, LSTM, a dense layer at each step.",
    )
    max_operand: int = option(99, "The largest operand; the smallest is 0.", min=1, max=9999)
    operators: str = option("+-", "The operators to use: any of + - *.", parse=operators)
    train_fraction: float = option(
        0.9,
        "Fraction of the non-test queries to train on; the test queries, a tenth of all, stay the same.",
        min=1e-4,
        max=1,
    )
    split: Literal["queries", "pairs"] = option(
        "queries", "Draw the test queries one by one (queries), or so that a+b and b+a are on the same side (pairs)."
    )
    operands: Literal["plain", "aligned"] | None = option(
        None,
        "How to read a query: as it is written (plain), or in columns of digits, units first (aligned).",
        default_text=by_recipe("operands"),
    )
    answer: Literal["forward", "reversed"] | None = option(
        None,
        "Order of an answer's symbols: as it is written (forward), or units first (reversed).",
        default_text=by_recipe("answer"),
    )
    swap: bool | None = option(
        None, "Also train on b+a for a+b and on b-a for a-b, except test queries.", default_text=by_recipe("swap")
    )
    encoder_layers: int = option(1, "LSTM layers of the encoder.", min=1, max=16)
    decoder_layers: int = option(1, "LSTM layers of the decoder.", min=1, max=16)
    hidden: int = option(256, "Units of each LSTM layer.", min=1, max=4096)
    embedding: int | None = option(
        None,
        "Size of the vector of a symbol or column; 0: one-hot.",
        min=0,
        max=4096,
        default_text=by_recipe("embedding"),
    )
    decoder: Literal["repeat", "autoregressive"] | None = option(
        None,
        "Input of the decoder at each step: the encoder's last output (repeat), or its own last symbol "
        "(autoregressive).",
        default_text=by_recipe("decoder"),
    )
    attention: bool | None = option(
        None, "Dot-product attention over the encoder's outputs.", default_text=by_recipe("attention")
    )
    dropout: float | None = option(None, "Dropout rate.", min=0, max=0.95, default_text=by_recipe("dropout"))
    weight_decay: float | None = option(
        None, "Weight decay of the weight matrices (AdamW).", min=0, max=100, default_text=by_recipe("weight_decay")
    )
    beta2: float = option(0.999, "Second decay rate of AdamW.", min=0, max=0.99999)
    clip: float = option(1.0, "Clip the norm of the gradients to this value; 0: never.", min=0)
    epochs: int | None = redefault(
        TrainOptions,
        "epochs",
        None,
        help="Number of epochs. With few training {unit}, one epoch is several passes over them. You may raise it when "
        "you resume a run.",
        default_text="about {updates}",
    )
    batch_size: int = redefault(TrainOptions, "batch_size", 64)
    lr: float = redefault(TrainOptions, "lr", 1e-2)
    schedule: Schedule = redefault(TrainOptions, "schedule", "warmup")

    def cross_check(self) -> None:
        """Raises OptionError for a film of a run without pictures."""
        super().cross_check()
        if self.gif and not self.images_out:
            raise OptionError(f"--gif: {self.task} draws no pictures")

    @property
    def default_updates(self) -> int:
        """How many updates these options make without --epochs and --steps."""
        return RECIPES[self.recipe].updates[self.task]

    def resolved(self, data: TrainingData) -> dict[str, Any]:
        """The values in force of options that leave the choice to the recipe."""
        choices = vars(self.choices())
        own = {field.name: choices[field.name] for field in fields(self) if field.name in choices}
        return super().resolved(data) | own

    @classmethod
    def help_values(cls) -> dict[str, Any]:
        """The default numbers of updates, in words."""
        default, classic = (recipe.updates[cls.task] for recipe in RECIPES.values())
        return {"updates": f"{default:,} updates; classic: {classic:,}", "unit": cls.unit}

    @property
    def problem(self) -> Task:
        """The task as an object."""
        return Task(self.max_operand, self.operators)

    def choices(self) -> Recipe:
        """The recipe, with the options that are given in place of its own values."""
        recipe = RECIPES[self.recipe]
        given = {field.name: vars(self).get(field.name) for field in fields(recipe) if field.name != "updates"}
        return replace(recipe, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Options):
    """The options of every task with pictures."""

    digits: str = option(
        "auto",
        "Handwritten digits: a named or prepared data set with the classes 0 to 9; auto: mnist where it is prepared or "
        "--source gives it, else scikit-learn's digits.",
    )
    source: Path | None = option(
        None, "The files of that data set, if it is not prepared yet.", metavar="PATH", resume="free"
    )
    text_share: float | None = option(
        None,
        "Train on text alone for this share of the run, before pictures are added.",
        min=0,
        max=0.99,
        default_text=by_recipe("text_share"),
    )


@dataclass(frozen=True, kw_only=True)
class ImageToText(PictureOptions):
    """The options of `image2text`."""

    task: ClassVar[str] = "image2text"
    images_in: ClassVar[bool] = True

    reading_loss: float | None = option(
        None,
        "Weight of the loss on the symbols read in the pictures; 0: learn to read from the loss of the answers alone.",
        min=0,
        default_text=by_recipe("reading_loss"),
    )

    reading_labels: bool = option(
        True,
        "Use the symbols in the pictures as labels. Without them only the answers are known, and pictures are read so "
        "that they fit a known query with this answer.",
        not_with=CLASSIC,
    )

    def cross_check(self) -> None:
        """Raises OptionError for what the classic reader, which has no symbols, cannot learn from."""
        super().cross_check()
        if self.recipe == "classic":
            for flag, given in (("--text-share", self.text_share), ("--reading-loss", self.reading_loss)):
                if given:
                    raise OptionError(f"{flag}: not with --recipe classic, which reads no symbols")
            if self.operands == "aligned":
                raise OptionError("--operands: aligned is not possible with --recipe classic, which reads no symbols")


@dataclass(frozen=True, kw_only=True)
class TextToImage(PictureOptions):
    """The options of `text2image`."""

    task: ClassVar[str] = "text2image"
    images_out: ClassVar[bool] = True

    handwriting: Literal["mean", "sharp"] | None = option(
        None,
        "Draw the mean picture of a symbol, which has the least squared error (mean), or a sharp one (sharp).",
        default_text=by_recipe("handwriting"),
    )
    symbol_loss: float | None = option(
        None,
        "Weight of the loss on the symbols of the answer, added to the loss on their pictures.",
        min=0,
        default_text=by_recipe("symbol_loss"),
    )

    def cross_check(self) -> None:
        """Raises OptionError for a decoder whose own symbols are its input, without a loss on them."""
        super().cross_check()
        choices = self.choices()
        if choices.decoder == "autoregressive" and not choices.symbol_loss:
            raise OptionError("--symbol-loss: 0 needs --decoder repeat; an autoregressive decoder needs its symbols")


@dataclass(frozen=True, kw_only=True)
class ImageToImage(ImageToText, TextToImage):
    """The options of `image2image`."""

    task: ClassVar[str] = "image2image"


TASKS: dict[str, type[Options]] = {kind.task: kind for kind in (Options, ImageToText, TextToImage, ImageToImage)}


def options_class(task: str) -> type[Options]:
    """The options of a task. Raises OptionError with a suggestion where there is no such task."""
    if task not in TASKS:
        raise OptionError(f"no task {task!r}; there are {', '.join(TASKS)}.{suggestion(task, TASKS)}")
    return TASKS[task]
