"""Matrix products in bf16 without autocast: what is computed, where, and for which networks."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gentool.engine.precision import bf16_products, bf16_products_known, products_are_all
from gentool.engine.run import Run
from gentool.models import cae, gan, lstm_ae, vae

KNOWN = bf16_products_known(torch.device("cpu"))


@pytest.mark.skipif(not KNOWN, reason="this CPU has no bf16 products")
def test_products_are_those_of_rounded_factors_and_only_inside() -> None:
    x, weight = torch.randn(256, 512), torch.randn(384, 512)
    exact = F.linear(x, weight)
    with bf16_products():
        narrow = F.linear(x, weight)
    rounded = F.linear(x.bfloat16().float(), weight.bfloat16().float())
    torch.testing.assert_close(narrow, rounded, rtol=1e-4, atol=1e-3)
    assert (narrow - exact).abs().max() > 1e-2
    assert torch.equal(F.linear(x, weight), exact)


def test_only_networks_of_linear_layers_are_products_alone() -> None:
    shape = (1, 8, 8)
    assert products_are_all(vae.build(vae.Options(arch="mlp"), shape, 0))
    assert products_are_all(cae.build(cae.Options(arch="mlp"), shape, 0))
    assert not products_are_all(vae.build(vae.Options(), shape, 0))
    assert not products_are_all(gan.build(gan.Options(), shape, 0))
    assert not products_are_all(lstm_ae.build(lstm_ae.Options(), shape, 0))
    assert not products_are_all(nn.Sequential(nn.Linear(2, 2), nn.GRU(2, 2)))


@pytest.mark.skipif(not KNOWN, reason="this CPU has no bf16 products")
def test_bf16_trains_an_mlp_in_products_and_convolutions_in_autocast(
    cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    descend = Run.descend

    def look(run: Run, optimizer: torch.optim.Optimizer, loss: torch.Tensor, **more: float) -> None:
        with run.autocast():
            seen.append((torch.backends.mkldnn.matmul.fp32_precision, torch.is_autocast_enabled("cpu")))
        descend(run, optimizer, loss, **more)

    monkeypatch.setattr(Run, "descend", look)
    train = ["train", "vae", "--data", "digits", "--latent-dim", 4, "--steps", 1, "--device", "cpu", "--quiet"]
    for number, (arch, amp) in enumerate([("mlp", "bf16"), ("conv", "bf16"), ("mlp", "off")]):
        assert cli(*train, "--arch", arch, "--amp", amp, "--out", number).code == 0
    assert seen == [("bf16", False), ("none", True), ("none", False)]
