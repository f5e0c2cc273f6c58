"""Networks and samples that do not fit into memory are refused before any is taken."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from gentool.engine.memory import kept_per_item


def test_what_a_pass_keeps_of_each_item() -> None:
    """The input of the second layer, of which ReLU keeps the same, and that of the square."""
    network = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    x = torch.zeros(1, 5)

    def forward(count: int) -> torch.Tensor:
        return network(x.expand(count, -1).clone()).square().sum()

    assert kept_per_item(network, forward) == 4 * (5 + 7 + 3)
    assert network.training


@pytest.mark.parametrize(
    ("words", "mebibytes", "message"),
    [
        (["--iwae", 500], 100, "--iwae 500 would take at least "),
        (["--iwae", 500, "--arch", "mlp", "--prior", "flow"], 100, "--iwae 500 would take at least "),
        (["--prior", "vamp", "--components", 1000], 10, "--components 1000 would take at least "),
    ],
    ids=str,
)
def test_samples_and_pseudo_inputs_that_do_not_fit_are_refused(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, words: list[object], mebibytes: int, message: str
) -> None:
    command = ("train", "vae", "--data", "digits", "--steps", 1, "--device", "cpu", "--out", "run")
    with monkeypatch.context() as patch:
        patch.setattr("gentool.memory.free_memory", lambda: mebibytes * 2**20)
        refused = cli(*command, *words)
    assert refused.code == 1
    assert refused.err.startswith(f"gentool: out of memory: {message}")
    assert not Path("run").exists()
    assert cli(*command, *(16 if word == 500 else word for word in words)).code == 0
