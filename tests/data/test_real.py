"""Real data, where it is at hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gentool.data.load import load_data


def test_mnist(real: Callable[[str], Path]) -> None:
    data = load_data("mnist", source=real("mnist"))
    assert [len(split) for split in data.splits.values()] == [57_000, 3_000, 10_000]
    assert data.test.labels is not None
    assert data.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert data.test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert abs(float(data.train.images.float().mean()) / 255 - 0.1307) < 0.001


def test_cryptopunks(real: Callable[[str], Path]) -> None:
    data = load_data("cryptopunks", source=real("cryptopunks"))
    assert (data.shape, len(data)) == ((3, 24, 24), 10_000)
    assert data.info["duplicates"]["copies"] == 0
    assert data.train.images[:, :, 0, 0].unique(dim=0).tolist() == [[0x63, 0x85, 0x96]]
    order = data.source_positions()
    assert order is not None
    assert sorted(order.tolist()) == list(range(10_000))


def test_portraits(real: Callable[[str], Path]) -> None:
    data = load_data("rijksmuseum", source=real("portraits"), size="48x64", crop="pad")
    assert (data.shape, len(data)) == ((3, 64, 48), 343)
    assert data.info["skipped"] == []
    assert len(data.info["found"]["sizes"]) == 68
    assert 40 < np.asarray(data.train.images).mean() < 140
