"""The modes of stacked-mnist that samples show, read by a classifier of single digits.

Each channel of an image is a digit, so that there are 1,000 modes. Counted as in Srivastava et al. 2017
(arXiv:1705.07761) and Lin et al. 2018 (arXiv:1712.04086): a mode is found when one sample shows it.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gentool.data.images import ImageData, Split
from gentool.data.sources.stacked_mnist import is_stacked
from gentool.engine.checkpoint import digest
from gentool.errors import DataError
from gentool.evaluation.classifier import Classifier, classifier_of, predict
from gentool.evaluation.samples import shuffled
from gentool.metrics.classes import mode_divergence
from gentool.progress import SILENT, Reporter

DIGITS = 10
CLASSIFIED = 20_000
"""The classifier is trained on the digits of at most this many images."""


@dataclass(frozen=True)
class ModeReference:
    """The classifier of single digits, the share (1000,) of each mode in the data, and training images in place of
    samples, uint8 (N, 3, H, W). `facts` are the hash of the classifier's weights and its accuracy."""

    classifier: Classifier
    expected: Tensor
    train: Tensor
    facts: dict[str, Any]

    @classmethod
    def of(
        cls, data: ImageData, count: int, seed: int, device: torch.device, *, reporter: Reporter = SILENT
    ) -> "ModeReference | None":
        """That of `count` training images; None for other data than stacked digits.

        The digits of an image are drawn independently, so a mode's share is the product of the digits' shares.
        """
        if not is_stacked(data.info):
            return None
        digits = digits_of(data)
        trained = classifier_of(digits, device, reporter=reporter)
        assert digits.train.labels is not None
        shares = torch.bincount(digits.train.labels, minlength=DIGITS).double() / len(digits.train)
        expected = torch.einsum("i,j,k->ijk", shares, shares, shares).flatten()
        chosen = data.train.images[shuffled(len(data.train), seed)[:count]]
        known = {"hash": digest(trained.network.state_dict())[:16], "accuracy": trained.accuracy}
        return cls(trained.network, expected, chosen, known)

    def floor(self) -> dict[str, float]:
        """The scores of the training images."""
        return self.scores(self.train)

    def scores(self, images: Tensor) -> dict[str, float]:
        """The number of modes among samples, uint8 (N, 3, H, W), and their divergence from the data in nats."""
        seen = predict(self.classifier, images.flatten(0, 1)[:, None]).unflatten(0, (-1, 3))
        counts = torch.bincount(seen @ torch.tensor([DIGITS**2, DIGITS, 1]), minlength=DIGITS**3)
        return {
            f"modes_{len(images)}": float((counts > 0).sum()),
            f"mode_kl_{len(images)}": mode_divergence(counts, self.expected),
        }


def digits_of(data: ImageData) -> ImageData:
    """The channels of stacked digits as labelled images of their own, from at most `CLASSIFIED` images of each split.

    Raises DataError where the digits of the images are not known.
    """
    known = data.factors()
    if known is None:
        raise DataError(f"{data.name}: the prepared folder has no factors.npy; prepare it again")
    first = 0
    parts: dict[str, Any] = {}
    for name, split in data.splits.items():
        labels = known[first : first + len(split)][:CLASSIFIED].long().flatten()
        parts[name] = Split(split.images[:CLASSIFIED].flatten(0, 1)[:, None], labels)
        first += len(split)
    fingerprint = hashlib.sha256(f"single digits of {data.fingerprint}".encode()).hexdigest()
    names = tuple(map(str, range(DIGITS)))
    return ImageData(f"single digits of {data.name}", names, fingerprint, None, **parts)
