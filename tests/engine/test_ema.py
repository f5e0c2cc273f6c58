"""The moving average and its batch-norm statistics."""

import torch
from torch import nn

from gentool.engine.ema import EMA, recompute_batch_norm


def test_average_of_a_sequence() -> None:
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0)
    ema = EMA(network, 0.5)
    expected, weight = 0.0, 0.0
    for n in range(20):
        weight += 1
        network.weight.data.fill_(weight)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * weight
        ema.update()
    torch.testing.assert_close(ema.network.weight.item(), expected, rtol=1e-5, atol=1e-6)
    assert network.weight.item() == 20


def test_state_round_trip_and_decay_0() -> None:
    first, second = EMA(nn.Linear(2, 2), 0.9), EMA(nn.Linear(2, 2), 0.9)
    first.update()
    second.load_state_dict(first.state_dict())
    assert second.updates == 1
    assert torch.equal(first.network.weight, second.network.weight)
    network = nn.Linear(2, 2)
    assert EMA(network, 0).network is network


def test_batch_norm_gets_the_mean_over_the_batches() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2))
    batches = [torch.randn(50, 2, generator=torch.Generator().manual_seed(i)) * 3 + 1 for i in range(4)]
    recompute_batch_norm(network, network, batches)
    torch.testing.assert_close(network[0].running_mean, torch.stack([batch.mean(0) for batch in batches]).mean(0))
    torch.testing.assert_close(network[0].running_var, torch.stack([batch.var(0) for batch in batches]).mean(0))
    assert network[0].momentum == 0.1
