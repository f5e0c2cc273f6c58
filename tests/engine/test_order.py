"""The order of an epoch: a permutation that is a function of (seed, epoch), and one that a disk can serve."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gentool.data import disk, images
from gentool.data.disk import DiskRows
from gentool.data.images import Split
from gentool.data.load import load_data
from gentool.engine import checkpoint
from gentool.engine.order import epoch_order
from gentool.engine.randomness import rng
from gentool.errors import Stopped
from tests.conftest import TINY

CPU = torch.device("cpu")


@pytest.fixture
def from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets of any size are treated as larger than memory: blocks of 8 rows of digits, windows of 20 blocks."""
    monkeypatch.setattr(images, "IN_MEMORY", 0)
    monkeypatch.setattr(disk, "BLOCK", 8 * 64)
    monkeypatch.setattr(disk, "WINDOW", 160 * 64)
    monkeypatch.setattr(disk, "AHEAD", 30 * 64)


@dataclass
class Examples:
    """Something to be put into an order."""

    count: int
    disk: Any = None

    def __len__(self) -> int:
        return self.count

    take: Any = None
    in_order: Any = None


def rows(count: int) -> DiskRows:
    return DiskRows(torch.zeros(count, 1, 8, 8, dtype=torch.uint8))


def test_the_order_in_memory_is_what_it_always_was() -> None:
    expected = torch.randperm(1000, generator=rng(3, "order", 2))
    assert torch.equal(epoch_order(Examples(1000), 3, 2), expected)


@pytest.mark.parametrize("count", [1, 5, 159, 160, 1000, 1437])
def test_the_order_of_a_disk_is_a_permutation_of_seed_and_epoch(from_disk: None, count: int) -> None:
    examples = Examples(count, rows(count))
    order = epoch_order(examples, 0, 1)
    assert torch.equal(order.sort().values, torch.arange(count))
    assert torch.equal(epoch_order(examples, 0, 1), order)
    if count > 5:
        assert not torch.equal(epoch_order(examples, 0, 2), order)
        assert not torch.equal(epoch_order(examples, 1, 1), order)


def test_the_rows_of_a_block_are_within_a_window(from_disk: None) -> None:
    """Counted around the end of the epoch; rows that others overtake arrive a little later."""
    count = 8000
    place = epoch_order(Examples(count, rows(count)), 0, 1).argsort().view(-1, 8).sort(1).values
    gaps = torch.cat([place[:, 1:] - place[:, :-1], place[:, :1] + count - place[:, -1:]], dim=1)
    spans = count - gaps.max(1).values
    assert spans.max() < 1.3 * 160
    assert spans.double().mean() > 0.5 * 160


def test_classes_that_lie_together_are_mixed(from_disk: None) -> None:
    """Counts of 10 classes in batches of 32, for a set in order of class, vary little more than in a permutation."""
    count = 16_000
    labels = torch.arange(count) * 10 // count

    def spread(examples: Examples) -> float:
        batches = labels[epoch_order(examples, 0, 1)].view(-1, 32)
        counts = torch.nn.functional.one_hot(batches, 10).sum(1).double()
        return (counts - 3.2).square().mean().sqrt().item()

    assert spread(Examples(count, rows(count))) < 1.8 * spread(Examples(count))  # 20 blocks only; here are 256


def test_blocks_are_read_whole_before_their_rows_are_taken(from_disk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    count, read = 4000, []

    def advise(images: Tensor, start: int, stop: int, how: str) -> None:
        if how == "MADV_WILLNEED":
            read.append((start, stop))

    monkeypatch.setattr(disk, "_advise", advise)
    examples = Examples(count, rows(count))
    order = epoch_order(examples, 0, 1)
    begin = 320  # as a run that is resumed
    for index in disk.in_turn(examples.disk, order, 32, begin):
        known = {start // 8 for start, _ in read}
        assert set((index // 8).tolist()) <= known
    assert all(start % 8 == 0 and stop == min(start + 8, count) for start, stop in read)
    assert len(read) < 1.1 * count / 8 + 2 * 20
    assert len(examples.disk.asked) <= 2 * 20 + 2


def test_batches_from_the_disk_are_those_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    split = Split(torch.randint(0, 256, (70, 3, 8, 10), dtype=torch.uint8), torch.arange(70))
    memory = split.on(CPU)
    monkeypatch.setattr(images, "IN_MEMORY", 0)
    from_disk = split.on(CPU)
    assert memory.disk is None
    assert from_disk.disk is not None
    index = torch.tensor([3, 69, 0, 3])
    pairs = [
        (memory.take(index), from_disk.take(index)),
        *zip(memory.in_order(32), from_disk.in_order(32), strict=True),
    ]
    for (x, labels), (same, same_labels) in pairs:
        assert torch.equal(x, same)
        assert labels is not None
        assert same_labels is not None
        assert torch.equal(labels, same_labels)
        assert same.is_contiguous(memory_format=torch.channels_last)


def test_a_run_on_a_disk_resumes_in_the_middle_of_an_epoch(
    from_disk: None, cli: Any, stopping: Any, tmp_path: Path
) -> None:
    words = ["train", "cae", "--data", "digits", "--epochs", 2, "--batch-size", 64, *TINY["cae"], "--out"]
    assert cli(*words, tmp_path / "whole").code == 0
    with stopping(30):  # of 46 updates: in the second epoch
        assert cli(*words, tmp_path / "stopped").code == Stopped.exit_code
    assert cli(*words, tmp_path / "stopped").code == 0
    contents = [checkpoint.load(tmp_path / name / "model.pt", "model")[1] for name in ("whole", "stopped")]
    assert checkpoint.digest(contents[0]) == checkpoint.digest(contents[1])


def test_every_set_below_the_limit_stays_in_memory() -> None:
    assert load_data("digits").train.on(CPU).disk is None
