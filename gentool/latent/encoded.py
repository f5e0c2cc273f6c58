"""The codes of a set of images, with all that pictures and tables of them need."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentool.data.images import ImageData
from gentool.errors import DataError
from gentool.latent.codes import encode
from gentool.latent.trained import Trained


@dataclass(frozen=True)
class Encoded:
    """The codes of a set, split by split, with all that the pictures and tables need of it."""

    images: ImageData
    codes: dict[str, Tensor]

    @property
    def z(self) -> Tensor:
        """All codes (N, D) in stored order."""
        return torch.cat(list(self.codes.values()))

    @property
    def labels(self) -> Tensor | None:
        """Their labels (N,)."""
        labels = [self.images.splits[name].labels for name in self.codes]
        return torch.cat([part for part in labels if part is not None]) if self.images.labelled else None

    @property
    def names(self) -> NDArray[np.str_]:
        """The split of each code."""
        return np.repeat(list(self.codes), [len(part) for part in self.codes.values()])

    def picture(self, index: int) -> Tensor:
        """The image (C, H, W), uint8, of one code."""
        for name, part in self.codes.items():
            if index < len(part):
                return self.images.splits[name].images[index]
            index -= len(part)
        raise IndexError(index)


def encode_set(trained: Trained, images: ImageData, split: str, on_progress: Callable[..., None]) -> Encoded:
    """The codes of one split, or of `all`; `on_progress(done, total)`. Raises DataError where there are no images."""
    wanted = {name: part for name, part in images.splits.items() if split in ("all", name) and len(part)}
    if not wanted:
        raise DataError(f"{images.name}: has no {split} images; choose another --split")
    total = sum(map(len, wanted.values()))
    codes: dict[str, Tensor] = {}
    for name, part in wanted.items():
        before = sum(map(len, codes.values()))
        codes[name] = encode(trained, part.images, lambda done, before=before: on_progress(before + done, total))  # type: ignore[misc]
    return Encoded(images, codes)
