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
    torch.testing.assert_close(ema.average().weight.item(), expected, rtol=1e-5, atol=1e-6)
    assert network.weight.item() == 20


def test_the_state_comes_back() -> None:
    first, second = EMA(nn.Linear(2, 2), 0.9), EMA(nn.Linear(2, 2), 0.9)
    first.update()
    second.load_state_dict(first.state_dict())
    assert second.updates == 1
    assert torch.equal(first.average().weight, second.average().weight)


def test_the_average_is_an_eval_network_of_its_own() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for decay in (0, 0.9):
        average = EMA(network, decay).average()
        assert network.training
        assert not any(module.training for module in average.modules())
        assert not any(weight.requires_grad for weight in average.parameters())
        assert not {id(weight) for weight in network.parameters()} & {id(weight) for weight in average.parameters()}


def test_with_decay_0_the_average_is_a_copy_of_the_present_weights_and_buffers() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = EMA(network, 0)
    network(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * 3 + 1)
    network[0].weight.data.fill_(7)
    ema.update()
    statistics = network[1].running_mean.clone()
    average = ema.average()
    assert torch.equal(average[0].weight, network[0].weight)
    assert torch.equal(average[1].running_mean, statistics)
    assert statistics.abs().min() > 0
    recompute_batch_norm(average, average, [torch.full((4, 2), 5.0), torch.full((4, 2), 6.0)])
    assert torch.equal(network[1].running_mean, statistics)  # those that are trained with stay as they are
    again = EMA(network, 0)
    network[0].weight.data.fill_(8)
    again.load_state_dict(ema.state_dict())
    assert torch.equal(again.network[0].weight, network[0].weight)


def test_batch_norm_gets_the_mean_over_the_batches() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2)).eval()
    batches = [torch.randn(50, 2, generator=torch.Generator().manual_seed(i)) * 3 + 1 for i in range(4)]
    recompute_batch_norm(network, network, batches)
    torch.testing.assert_close(network[0].running_mean, torch.stack([batch.mean(0) for batch in batches]).mean(0))
    torch.testing.assert_close(network[0].running_var, torch.stack([batch.var(0) for batch in batches]).mean(0))
    assert network[0].momentum == 0.1
    assert not any(module.training for module in network.modules())


def test_statistics_leave_dropout_off() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2)).eval()
    recompute_batch_norm(network, network, [torch.ones(8, 2)])
    assert torch.equal(network[1].running_mean, torch.ones(2))
