"""Sweeps that train in this process: starting another one takes longer than a tiny training."""

from pathlib import Path

import pytest

from gentool.cli.app import run
from gentool.launcher import gentool_command
from gentool.seq2seq.sweep_cells import Cell
from gentool.seq2seq.sweeps import Workers, command


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The runs that were trained, by name: with the command of each, but in this process."""
    names: list[str] = []

    def train(workers: Workers, cell: Cell) -> None:
        words = command(workers.task, cell, workers.folder / cell.name, workers.overwrite)
        starts = gentool_command()
        assert words[: len(starts)] == starts
        names.append(cell.name)
        assert run(words[len(starts) :]) == 0

    monkeypatch.setattr(Workers, "train", train)
    monkeypatch.chdir(tmp_path)
    return names
