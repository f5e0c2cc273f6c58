"""Which weights decay, at what rate they learn, and how gradients are clipped."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from gentool.engine.compilation import take_step, take_step_uncompiled
from gentool.engine.optim import adam, clip_gradients, load_state, set_lr

CPU = torch.device("cpu")


def test_vectors_and_parts_with_a_rate_of_their_own_do_not_decay() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    before = [weight.detach().clone() for weight in network.parameters()]
    optimizer = adam(network, 0.1, device=CPU, weight_decay=0.5, lr_shares={network[1]: 0.3})
    for weight in network.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    after = list(network.parameters())
    torch.testing.assert_close(after[0], before[0] * (1 - 0.1 * 0.5))
    for place in (1, 2, 3):
        torch.testing.assert_close(after[place], before[place])
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.03, 0.1, 0.1])


def test_without_decay_or_rates_of_parts_there_is_one_group() -> None:
    network = nn.Linear(3, 4)
    (group,) = adam(network, 0.1, device=CPU).param_groups
    assert len(group["params"]) == 2


@pytest.mark.parametrize("compiled", [False, True])
def test_the_learning_rate_is_a_share_of_each_group_s_peak(compiled: bool) -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = adam(network, 0.1, device=CPU, lr_shares={network[1]: 0.3}, compiled=compiled)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert all(isinstance(rate, torch.Tensor) for rate in rates) == compiled
    for share in (0.5, 0.1, 1.0):
        set_lr(optimizer, share)
        found = [float(group["lr"]) for group in optimizer.param_groups]
        assert found == pytest.approx([0.03 * share, 0.1 * share])
    if compiled:  # changed in place, which a compiled step sees
        assert all(group["lr"] is rate for group, rate in zip(optimizer.param_groups, rates, strict=True))


def test_gradients_above_the_norm_are_scaled_down_together() -> None:
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    optimizer = adam(network, 0.1, device=CPU)
    first, second, unused = network.parameters()
    first.grad, second.grad = torch.tensor([[3.0]]), torch.tensor([[4.0]])
    clip_gradients(optimizer, 10)
    assert (first.grad.item(), second.grad.item()) == (3, 4)
    clip_gradients(optimizer, 2.5)
    assert (first.grad.item(), second.grad.item()) == pytest.approx((1.5, 2), rel=1e-5)
    assert unused.grad is None


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_run_may_be_resumed_with_compile_or_without(before: bool, after: bool) -> None:
    network = nn.Linear(3, 4)
    old, new = adam(network, 0.1, device=CPU, compiled=before), adam(network, 0.1, device=CPU, compiled=after)
    state = {number: {"step": torch.tensor(3.0), "exp_avg": weight * 0, "exp_avg_sq": weight * 0}
             for number, weight in enumerate(network.parameters())}  # fmt: skip
    set_lr(old, 0.5)
    (rate,) = [group["lr"] for group in new.param_groups]
    load_state(new, old.state_dict() | {"state": state})
    (group,) = new.param_groups
    kernels = group["fused"], group["foreach"], group["capturable"]
    assert kernels == ((None, True, True) if after else (True, None, False))
    assert isinstance(group["lr"], torch.Tensor) == after
    assert float(group["lr"]) == pytest.approx(0.05)
    assert group["initial_lr"] == 0.1
    assert not after or group["lr"] is rate  # on its device, as a compiled step knows it
    assert all(one["step"] == 3 for one in new.state.values())


def test_a_step_without_the_compiler_is_the_step() -> None:
    weights = []
    for step in (take_step, take_step_uncompiled):
        torch.manual_seed(0)
        network = nn.Linear(3, 4)
        optimizer = adam(network, 0.1, device=CPU, weight_decay=0.5)
        for _ in range(3):
            network(torch.ones(2, 3)).square().sum().backward()
            step(optimizer)
        weights.append(network.weight)
    assert torch.equal(weights[0], weights[1])


def test_the_compiler_is_spared_until_it_is_asked_for() -> None:
    """In a process of its own, as pytest's has the compiler."""
    code = (
        "import sys, torch\n"
        "from gentool.engine.compilation import spare_compiler\n"
        "for spare in (True, False):\n"
        "    spare_compiler(spare=spare)\n"
        "    optimizer = torch.optim.AdamW([torch.ones(1, requires_grad=True)])\n"
        "    optimizer.load_state_dict(optimizer.state_dict())\n"
        "    optimizer.zero_grad()\n"
        "    print('torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
