"""Checkpoints: round trip, and one clear line for every kind of damage."""

import os
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from gentool.engine import checkpoint
from gentool.engine.checkpoint import Header
from gentool.errors import CheckpointError, GentoolError

HEADER = Header("vae", {"lr": 1e-3, "steps": None}, (1, 8, 8), ("0", "1"), "digits", "f" * 64)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "model.pt"
    weights = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3), "b": torch.ones(2, dtype=torch.bfloat16)}
    checkpoint.save(file, "model", HEADER, {"weights": weights, "empty": torch.zeros(0)})
    return file


def test_round_trip(path: Path) -> None:
    header, content = checkpoint.load(path, "model")
    assert header == HEADER
    assert torch.equal(content["weights"]["w"], torch.arange(6.0).reshape(2, 3))
    assert content["weights"]["b"].dtype == torch.bfloat16
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def test_the_digest_sees_every_part() -> None:
    base = {"a": torch.zeros(2), "b": [1, 2.0, "x"]}
    others = [
        {"a": torch.zeros(2), "b": [1, 2.0, "y"]},
        {"a": torch.zeros(2, dtype=torch.int64), "b": [1, 2.0, "x"]},
        {"a": torch.zeros(1, 2), "b": [1, 2.0, "x"]},
        {"a": torch.zeros(2), "b": [1, 2, "x"]},
        {"a": torch.zeros(2), "c": [1, 2.0, "x"]},
    ]
    digests = {checkpoint.digest(value) for value in [base, *others]}
    assert len(digests) == 6
    assert checkpoint.digest({"b": [1, 2.0, "x"], "a": torch.zeros(2)}) == checkpoint.digest(base)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_truncated(path: Path, keep: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep if keep >= 1 else keep * len(whole))])
    with pytest.raises(CheckpointError, match=r"model\.pt: not a readable checkpoint"):
        checkpoint.load(path, "model")


def test_a_flipped_bit_anywhere_in_the_weights_is_noticed(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    where = bytes(whole).index(torch.arange(6.0).numpy().tobytes())
    for offset in range(0, 24, 5):
        flipped = whole.copy()
        flipped[where + offset] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError):
            checkpoint.load(path, "model")


def test_not_ours(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a gentool checkpoint"):
        checkpoint.load(tmp_path / "other.pt", "model")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        checkpoint.load(tmp_path / "absent.pt", "model")


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("pwned",)


def test_hostile_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"format": 1, "kind": "model", "content": Hostile()}, "hostile.pt")
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        checkpoint.load(Path("hostile.pt"), "model")
    assert not Path("pwned").exists()


def test_newer_format_and_wrong_kind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="holds a model, not a state"):
        checkpoint.load(path, "state")
    monkeypatch.setattr(checkpoint, "FORMAT", 0)
    with pytest.raises(CheckpointError, match="format 1 is newer than this gentool"):
        checkpoint.load(path, "model")


def test_a_whole_file_that_lacks_a_key(path: Path) -> None:
    document = torch.load(path, weights_only=True)
    del document["fingerprint"], document["sha256"]
    torch.save(document | {"sha256": checkpoint.digest(document)}, path)
    with pytest.raises(CheckpointError, match="lacks what a checkpoint of format 1 has"):
        checkpoint.load(path, "model")


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(document: object, target: BinaryIO) -> None:
        target.write(b"half")
        try:
            raise OSError(28, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos 64 vs 0")  # as PyTorch does when it ends its archive

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(GentoolError, match=r"model\.pt: No space left on device \(after 4 bytes, "):
        checkpoint.save(path, "model", HEADER, {})
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}, "weight is 2x4, but they need 2x3"),
        ({"weight": torch.zeros(2, 3)}, "bias is missing, but they need 2"),
        (
            {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "gain": torch.zeros(1)},
            "gain is not part of the network",
        ),
    ],
    ids=["shape", "missing", "more"],
)
def test_weights_that_do_not_fit_are_named(path: Path, weights: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoint.restored(lambda: torch.nn.Linear(3, 2), {"weights": weights}, path)
    assert f"its weights do not fit its options: {message}; the file is damaged, or was made by hand" in str(
        caught.value
    )
