"""Answers to single queries, in text or in pictures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from gentool.engine.randomness import rng
from gentool.errors import DataError, OptionError
from gentool.pictures import open_picture
from gentool.seq2seq.handwriting import SIDE, Handwriting
from gentool.seq2seq.network import Seq2Seq
from gentool.seq2seq.task import BLANK, Task, as_texts, symbols
from gentool.seq2seq.training import answer

QUERY = re.compile(r"\s*(\d+)\s*([-+*])\s*(\d+)\s*=?\s*")


@dataclass(frozen=True)
class Answer:
    """An answer: `text` as the network writes it, its probability, and its pictures (T, 1, 28, 28) if it draws."""

    query: str
    text: str
    confidence: float
    frames: Tensor | None


def parse(text: str, task: Task) -> str:
    """`81 + 24` as `81+24`. Raises OptionError for what is no query of this task."""
    match = QUERY.fullmatch(text) if isinstance(text, str) else None
    form = f"two numbers from 0 to {task.max_operand} and one of {' '.join(task.operators)} between them"
    if match is None:
        raise OptionError(f"{text!r}: not a query; expected {form}, such as 8{task.operators[0]}7")
    a, operator, b = int(match[1]), match[2], int(match[3])
    if operator not in task.operators or max(a, b) > task.max_operand:
        raise OptionError(f"{text!r}: this model only knows {form}")
    return f"{a}{operator}{b}"


def readable(
    network: Seq2Seq, queries: Sequence[str], *, pictures: bool
) -> tuple[list[str], list[OptionError | DataError]]:
    """The queries that can be answered, and what is wrong with each of the others."""
    good: list[str] = []
    errors: list[OptionError | DataError] = []
    for query in queries:
        try:
            if pictures:
                _frames(Path(query), network.task.query_length)
            else:
                parse(query, network.task)
            good.append(query)
        except (OptionError, DataError) as error:
            errors.append(error)
    return good, errors


def solve_texts(
    network: Seq2Seq, device: torch.device, texts: Sequence[str], handwriting: Handwriting | None, seed: int
) -> list[Answer]:
    """Answers to queries in text, which are drawn in this handwriting where it is given."""
    if not texts:
        return []
    queries = [parse(text, network.task) for text in texts]
    ids = symbols(queries, network.task.query_length)
    frames = None if handwriting is None else handwriting.draw(ids, rng(seed, "solve"))
    return _answers(network, device, queries, ids, frames)


def solve_pictures(network: Seq2Seq, device: torch.device, paths: Sequence[Path]) -> list[Answer]:
    """Answers to queries in pictures: strips of square symbols, or folders with one picture per symbol.

    Raises DataError for what is no picture of a query.
    """
    if not paths:
        return []
    frames = torch.stack([_frames(path, network.task.query_length) for path in paths])
    ids = torch.full(frames.shape[:2], BLANK)
    return _answers(network, device, [str(path) for path in paths], ids, frames)


def _answers(
    network: Seq2Seq, device: torch.device, names: Sequence[str], ids: Tensor, frames: Tensor | None
) -> list[Answer]:
    answered = answer(network, ids.to(device), None if frames is None else frames.to(device))
    drawn: Sequence[Tensor | None] = [None] * len(names) if answered.frames is None else list(answered.frames.cpu())
    texts = [text.rstrip() for text in as_texts(answered.ids)]
    return [Answer(*row) for row in zip(names, texts, answered.confidence.tolist(), drawn, strict=True)]


def _frames(path: Path, length: int) -> Tensor:
    """The pictures of the symbols of a strip, or of a folder by name, (L, 1, 28, 28), with blanks at the end."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not 3 <= len(files) <= length:
            raise DataError(f"{path}: {len(files)} files; a query has 3 to {length} symbols, one picture each")
        cells = [_grey(file).resize((SIDE, SIDE), Image.Resampling.BOX) for file in files]
    else:
        strip = _grey(path)
        count = round(strip.width / strip.height)
        if not 3 <= count <= length:
            raise DataError(
                f"{path}: {strip.width}x{strip.height} is a strip of {count} square symbols; a query has 3 to {length}"
            )
        strip = strip.resize((SIDE * count, SIDE), Image.Resampling.BOX)
        cells = [strip.crop((SIDE * place, 0, SIDE * (place + 1), SIDE)) for place in range(count)]
    pixels = torch.stack([torch.from_numpy(np.asarray(cell, np.float32)) for cell in cells])[:, None] / 255
    if pixels.median() > 0.5:
        pixels = 1 - pixels  # dark ink on light paper
    return torch.cat([pixels, torch.zeros(length - len(pixels), 1, SIDE, SIDE)])


def _grey(path: Path) -> Image.Image:
    try:
        with open_picture(path) as picture:
            return picture.convert("L")
    except UnidentifiedImageError:
        raise DataError(f"{path}: not a picture") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
