"""The options of the four sequence-to-sequence trainings, and the two recipes that fill those not given."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar, Literal

from gentool.errors import OptionError
from gentool.options import Schedule, TrainOptions, flag, option, redefault
from gentool.seq2seq.task import OPERATORS, Task


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a recipe decides where no option does."""

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
    updates: dict[str, int]


RECIPES = {
    "default": Recipe(
        embedding=192, operands="aligned", answer="reversed", decoder="autoregressive", attention=True, swap=True,
        dropout=0.1, weight_decay=1.0, soft_tokens=True, text_share=0.3, reading_loss=0.5,
        symbol_loss=0.5, handwriting="sharp",
        updates={"text2text": 1_500, "image2text": 3_000, "text2image": 1_500, "image2image": 1_500},
    ),
    "classic": Recipe(
        embedding=0, operands="plain", answer="forward", decoder="repeat", attention=False, swap=False,
        dropout=0.0, weight_decay=0.01, soft_tokens=False, text_share=0.0, reading_loss=0.0,
        symbol_loss=0.0, handwriting="mean",
        updates={"text2text": 4_500, "image2text": 4_500, "text2image": 4_500, "image2image": 4_500},
    ),
}  # fmt: skip


def operators(text: str) -> str:
    """Some of + - *, each once. Raises ValueError."""
    if not text or set(text) - set(OPERATORS) or len(set(text)) < len(text):
        raise ValueError("expected some of + - *, each once, such as +-")
    return text


@dataclass(frozen=True, kw_only=True)
class Options(TrainOptions):
    """The flags of `text2text`, and of every task."""

    next_command: ClassVar[str] = "gentool seq2seq evaluate"
    task: ClassVar[str] = "text2text"
    images_in: ClassVar[bool] = False
    images_out: ClassVar[bool] = False

    recipe: Literal["default", "classic"] = option(
        "default",
        "What decides the options not given: default, the best that was measured; classic, the network that courses "
        "teach: LSTM, repeat vector, LSTM, a dense layer at each step.",
    )
    max_operand: int = option(99, "The largest operand; the smallest is 0.", min=1, max=9999)
    operators: str = option("+-", "Which of + - * occur.", parse=operators)
    train_fraction: float = option(
        0.9, "The share that is trained on, of the nine tenths of the queries that are no test.", min=1e-4, max=1
    )
    split: Literal["queries", "pairs"] = option(
        "queries", "What is drawn by lot into the test tenth: queries, or pairs that keep a+b and b+a on one side."
    )
    operands: Literal["plain", "aligned"] | None = option(
        None, "How a query is read: as it is written, or in columns, units first. (default: aligned; classic: plain)"
    )
    answer: Literal["forward", "reversed"] | None = option(
        None, "How an answer is written: as people do, or units first. (default: reversed; classic: forward)"
    )
    swap: bool | None = option(
        None, "Train on b+a for a+b and on b-a for a-b as well, test queries excepted. (default: yes; classic: no)"
    )
    encoder_layers: int = option(1, "LSTM layers of the encoder.", min=1, max=16)
    decoder_layers: int = option(1, "LSTM layers of the decoder.", min=1, max=16)
    hidden: int = option(256, "Units of each LSTM layer.", min=1, max=4096)
    embedding: int | None = option(
        None, "Size of a symbol's or column's vector; 0: one-hot. (default: 192; classic: 0)", min=0, max=4096
    )
    decoder: Literal["repeat", "autoregressive"] | None = option(
        None,
        "What the decoder sees at each step: the encoder's last output, or its own symbol before. "
        "(default: autoregressive; classic: repeat)",
    )
    attention: bool | None = option(None, "Look back at the encoder's outputs. (default: yes; classic: no)")
    dropout: float | None = option(
        None, "Share of the units left out, in training. (default: 0.1; classic: 0)", min=0, max=0.95
    )
    weight_decay: float | None = option(
        None, "AdamW's decay of the weight matrices. (default: 1; classic: 0.01)", min=0, max=100
    )
    beta2: float = option(0.999, "AdamW's second decay.", min=0, max=0.99999)
    clip: float = option(1.0, "Gradients with a larger norm are scaled down to this one; 0: never.", min=0)
    epochs: int | None = option(
        None,
        "Passes over the training queries, several at once where they are few; may grow when a run is resumed. "
        "(default: about 1,500 updates, 3,000 for image2text, 4,500 for the classic recipe)",
        min=1,
        resume="grow",
    )
    batch_size: int = option(64, "Queries per update.", min=1)
    lr: float = redefault(TrainOptions, "lr", 1e-2)
    schedule: Schedule = redefault(TrainOptions, "schedule", "warmup")

    def cross_check(self) -> None:
        """Raises OptionError for a film of a run that draws nothing."""
        super().cross_check()
        if self.gif and not self.images_out:
            raise OptionError(f"--gif: {self.task} draws no pictures")

    @property
    def updates(self) -> int:
        """How many updates are made by default."""
        return RECIPES[self.recipe].updates[self.task]

    @property
    def problem(self) -> Task:
        """What is learnt."""
        return Task(self.max_operand, self.operators)

    def choices(self) -> Recipe:
        """The recipe, with what was given as options in place of its own values."""
        recipe = RECIPES[self.recipe]
        given = {field.name: getattr(self, field.name, None) for field in fields(recipe)}
        del given["updates"]
        return replace(recipe, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Options):
    """The flags of every task with pictures."""

    digits: str = option(
        "auto",
        "Whose handwriting: auto is mnist where it is at hand, else scikit-learn's digits; or a named or prepared set "
        "of digits.",
    )
    source: Path | None = option(
        None, "Where that set's files are, if it has yet to be prepared.", metavar="PATH", resume="free"
    )
    text_share: float | None = option(
        None, "Share of the run in which only text is reckoned with. (default: 0.3; classic: 0)", min=0, max=0.99
    )


@dataclass(frozen=True, kw_only=True)
class ImageToText(PictureOptions):
    """The flags of `image2text`."""

    task: ClassVar[str] = "image2text"
    images_in: ClassVar[bool] = True

    reading_loss: float | None = option(
        None,
        "Weight of the loss on what is read in the pictures; 0: learn to read from the answers' loss alone. "
        "(default: 0.5; classic: 0)",
        min=0,
    )

    reading_labels: bool = option(
        True,
        "Tell what symbols the pictures show. Without, only the answers are known: a reading is good when some known "
        "query with this answer fits the pictures.",
    )

    def cross_check(self) -> None:
        """Raises OptionError for what the classic reader, which names no symbols, cannot learn from."""
        super().cross_check()
        if self.recipe == "classic":
            for name in ("text_share", "reading_loss"):
                if getattr(self, name):
                    raise OptionError(f"{flag(name)}: the classic recipe's reader gives features, not symbols")
            if not self.reading_labels:
                raise OptionError("--no-reading-labels: the classic recipe's reader names no symbols anyway")
            if self.operands == "aligned":
                raise OptionError("--operands: the classic recipe's reader gives features, which cannot be aligned")


@dataclass(frozen=True, kw_only=True)
class TextToImage(PictureOptions):
    """The flags of `text2image`."""

    task: ClassVar[str] = "text2image"
    images_out: ClassVar[bool] = True

    handwriting: Literal["mean", "sharp"] | None = option(
        None,
        "What is drawn: the mean picture of a symbol, which has the least squared error; or one sharp handwriting. "
        "(default: sharp; classic: mean)",
    )
    symbol_loss: float | None = option(
        None,
        "Weight of the loss on the symbols of the answer, beside their pictures. (default: 0.5; classic: 0)",
        min=0,
    )

    def cross_check(self) -> None:
        """Raises OptionError where a decoder would be fed symbols that it never learns."""
        super().cross_check()
        choices = self.choices()
        if choices.decoder == "autoregressive" and not choices.symbol_loss:
            raise OptionError("--symbol-loss: 0 needs --decoder repeat; an autoregressive one sees its own symbols")


@dataclass(frozen=True, kw_only=True)
class ImageToImage(ImageToText, TextToImage):
    """The flags of `image2image`."""

    task: ClassVar[str] = "image2image"


TASKS: dict[str, type[Options]] = {kind.task: kind for kind in (Options, ImageToText, TextToImage, ImageToImage)}
