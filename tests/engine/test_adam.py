"""Which weights decay, and at what rate they learn."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gentool.engine.run import Run


def test_vectors_and_parts_apart_do_not_decay() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    before = [weight.detach().clone() for weight in network.parameters()]
    run = SimpleNamespace(device=torch.device("cpu"))
    adam = Run.adam(run, network, 0.1, weight_decay=0.5, apart={network[1]: 0.3})  # type: ignore[arg-type]
    for weight in network.parameters():
        weight.grad = torch.zeros_like(weight)
    adam.step()
    after = list(network.parameters())
    torch.testing.assert_close(after[0], before[0] * (1 - 0.1 * 0.5))
    for place in (1, 2, 3):
        torch.testing.assert_close(after[place], before[place])
    assert [group["lr"] for group in adam.param_groups] == pytest.approx([0.03, 0.1, 0.1])


def test_without_decay_or_parts_there_is_one_group() -> None:
    network = nn.Linear(3, 4)
    run = SimpleNamespace(device=torch.device("cpu"))
    (group,) = Run.adam(run, network, 0.1).param_groups  # type: ignore[arg-type]
    assert len(group["params"]) == 2
