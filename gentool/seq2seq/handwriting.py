"""Pictures of symbols: handwritten digits from a data set, drawn operators, and a black blank."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gentool.data.cache import is_cached
from gentool.data.catalog import CATALOG
from gentool.data.images import ImageData, Split, size_text
from gentool.data.load import load_data
from gentool.data.prepare import PrepareOptions
from gentool.data.target import is_prepared
from gentool.engine.randomness import rng
from gentool.errors import DataError
from gentool.progress import SILENT, Reporter
from gentool.seq2seq.options import Options, PictureOptions
from gentool.seq2seq.task import MINUS, PLUS, SYMBOLS, TIMES

SIDE = 28
STROKES = 2000
"""Different pictures of each operator that are drawn for each split."""
ANGLES = {PLUS: (0.0, math.pi / 2), MINUS: (0.0,), TIMES: (0.0, math.pi / 3, 2 * math.pi / 3)}
"""The directions of an operator's strokes."""


def operator_pictures(symbol: int, count: int, generator: torch.Generator) -> Tensor:
    """Pictures (count, 28, 28) in [0, 1] of an operator: antialiased strokes of random place, size, angle and ink."""

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=generator)

    y, x = torch.meshgrid(torch.arange(SIDE) - 13.5, torch.arange(SIDE) - 13.5, indexing="ij")
    x, y = x - between(-2.5, 2.5), y - between(-2.5, 2.5)
    half, thickness, turn, ink = between(5, 9), between(1.8, 3.6), between(-0.25, 0.25), between(0.8, 1)
    picture = torch.zeros(count, SIDE, SIDE)
    for angle in ANGLES[symbol]:
        direction = angle + turn + between(-0.08, 0.08)
        along = x * direction.cos() + y * direction.sin()
        beside = (along.abs() - half * between(0.85, 1)).clamp_min(0)
        distance = torch.hypot(beside, y * direction.cos() - x * direction.sin())
        picture = torch.maximum(picture, (thickness / 2 + 0.5 - distance).clamp(0, 1))
    return picture * ink


@dataclass(frozen=True)
class Handwriting:
    """Pictures of every symbol, uint8 (M, 28, 28), symbol by symbol: `count[s]` pictures of s from `start[s]` on."""

    pictures: Tensor
    start: Tensor
    count: Tensor

    @classmethod
    def of(cls, split: Split, seed: int, name: str) -> "Handwriting":
        """The digits of a split (labels 0 to 9), and operators drawn from (seed, name)."""
        assert split.labels is not None
        by_symbol = [split.images[split.labels == digit, 0] for digit in range(10)]
        by_symbol += [torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)] * (len(SYMBOLS) - 10)
        for symbol in ANGLES:
            drawn = operator_pictures(symbol, STROKES, rng(seed, f"strokes {name}", symbol))
            by_symbol[symbol] = (drawn * 255).round().to(torch.uint8)
        count = torch.tensor([len(pictures) for pictures in by_symbol])
        return cls(torch.cat(by_symbol), count.cumsum(0) - count, count)

    def draw(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        """Symbol numbers (N, L) -> random pictures of them, (N, L, 1, 28, 28) in [0, 1]."""
        return self.chosen(ids, torch.rand(ids.shape, generator=generator, device=ids.device))

    def chosen(self, ids: Tensor, share: Tensor) -> Tensor:
        """Symbol numbers (N, L) -> pictures (N, L, 1, 28, 28), chosen by random numbers (N, L) in [0, 1)."""
        chosen = self.start[ids] + (share * self.count[ids]).long()
        return self.pictures[chosen].float().div_(255).unsqueeze(2)

    def means(self) -> Tensor:
        """The mean picture of every symbol, (S, 28, 28) in [0, 1]."""
        pairs = zip(self.start.tolist(), self.count.tolist(), strict=True)
        return torch.stack([self.pictures[start : start + count].float().mean(0) / 255 for start, count in pairs])

    def as_split(self) -> Split:
        """The pictures with their symbols as labels; a symbol with few pictures repeats them."""
        labels = torch.arange(len(self.count)).repeat_interleave(self.count)
        rare = [
            torch.full((STROKES,), symbol) for symbol, count in enumerate(self.count.tolist()) if count < STROKES // 10
        ]
        places = [self.start[ids] + torch.arange(STROKES) % self.count[ids] for ids in rare]
        images = torch.cat([self.pictures, *(self.pictures[place] for place in places)])
        return Split(images[:, None], torch.cat([labels, *rare]))

    def to(self, device: torch.device) -> "Handwriting":
        """The same on a device."""
        return Handwriting(self.pictures.to(device), self.start.to(device), self.count.to(device))


@dataclass(frozen=True)
class Pictures:
    """The handwriting of `train` and `test`, which share no picture; folder and fingerprint are those of the digits."""

    handwriting: Mapping[str, Handwriting]
    folder: Path | None
    fingerprint: str
    name: str

    def as_images(self) -> ImageData:
        """The pictures of all symbols as a labelled data set."""
        train, test = (self.handwriting[split].as_split() for split in ("train", "test"))
        none = Split(train.images[:0], torch.zeros(0, dtype=torch.long))
        fingerprint = hashlib.sha256(f"symbols {self.fingerprint}".encode()).hexdigest()
        return ImageData(f"symbols ({self.name})", tuple(SYMBOLS), fingerprint, self.folder, train, none, test)


def load_pictures(options: Options, *, reporter: Reporter = SILENT) -> Pictures | None:
    """The pictures of a task that has some, grey and 28x28; None for text alone.

    Raises DataError where the data set is not one of the ten digits.
    """
    if not isinstance(options, PictureOptions):
        return None
    name = options.digits
    if name == "auto":
        at_hand = options.source is not None or is_cached(CATALOG["mnist"])
        name = "mnist" if at_hand else "digits"
    prepare = PrepareOptions(source=options.source, size=(SIDE, SIDE), channels=1)
    data = load_data(name, PrepareOptions() if is_prepared(Path(name)) else prepare, reporter=reporter)
    if data.shape != (1, SIDE, SIDE):
        raise DataError(f"{name}: its images are {size_text(data.shape)}; prepare them with --size {SIDE} --channels 1")
    if data.classes != tuple("0123456789"):
        raise DataError(f"{name}: handwriting needs the classes 0 to 9, but these are {', '.join(data.classes[:12])}")
    for split in ("train", "test"):
        labels = data.splits[split].labels
        if labels is None or len(labels.unique()) < 10:
            raise DataError(f"{name}: its {split} images lack some of the ten digits")
    held = {split: Handwriting.of(data.splits[split], options.seed, split) for split in ("train", "test")}
    return Pictures(held, data.folder, data.fingerprint, data.name)
