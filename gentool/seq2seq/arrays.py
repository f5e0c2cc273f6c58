"""The whole task as arrays, for other programs: text and pictures of every query and answer."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gentool.engine.randomness import rng
from gentool.errors import OptionError
from gentool.files import replacing
from gentool.seq2seq.handwriting import SIDE, Pictures
from gentool.seq2seq.options import PictureOptions
from gentool.seq2seq.queries import divide
from gentool.seq2seq.task import SYMBOLS, as_texts

MAX_BYTES = 2**31
"""The most bytes of pictures that are written."""


def write_arrays(options: PictureOptions, pictures: Pictures, path: Path) -> dict[str, int]:
    """Write an .npz file in the order of the queries' numbers; returns the number of queries and of test queries.

    X_text (N,) and y_text (N,) are strings padded with blanks, X_image (N, query length, 28, 28) and y_image
    (N, answer length, 28, 28) uint8 pictures of their symbols, test (N,) is true for the held-out tenth, whose pictures
    show test digits. Raises OptionError where the pictures would be more than 2 GiB.
    """
    task = options.problem
    size = len(task) * (task.query_length + task.answer_length) * SIDE * SIDE
    if size > MAX_BYTES:
        large = f"{len(task):,} queries are {size / 2**30:.1f} GiB"
        raise OptionError(f"--max-operand: the pictures of {large}, more than 2")
    index = torch.arange(len(task))
    queries, answers = task.queries(index), task.answers(task.values(index))
    test = torch.zeros(len(task), dtype=torch.bool)
    test[divide(task, options.seed, 1.0, options.split).test] = True

    def shown(ids: Tensor, name: str) -> Any:
        frames = torch.empty(*ids.shape, SIDE, SIDE, dtype=torch.uint8)
        for split, mask in (("train", ~test), ("test", test)):
            drawn = pictures.handwriting[split].draw(ids[mask], rng(options.seed, f"export {name} {split}"))
            frames[mask] = (drawn[:, :, 0] * 255).round().to(torch.uint8)
        return frames.numpy()

    arrays: dict[str, Any] = {
        "X_text": np.array(as_texts(queries)), "X_image": shown(queries, "queries"),
        "y_text": np.array(as_texts(answers)), "y_image": shown(answers, "answers"),
        "test": test.numpy(), "symbols": np.array(list(SYMBOLS)),
    }  # fmt: skip
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return {"queries": len(task), "test": int(test.sum())}
