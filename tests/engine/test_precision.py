"""Matrix products in bf16 without autocast: what is computed, where, and for which networks."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gentool.engine.precision import (
    Precision,
    bf16_gain,
    bf16_products,
    bf16_products_work,
    has_only_products,
    possible_precisions,
)
from gentool.engine.run import Run
from gentool.engine.world import ALONE
from gentool.errors import OptionError
from gentool.models import cae, gan, lstm_ae, vae
from tests.conftest import TINY

WORK = bf16_products_work(torch.device("cpu"))


@pytest.mark.skipif(not WORK, reason="this CPU has no bf16 products")
def test_products_are_those_of_rounded_factors_and_only_inside() -> None:
    x, weight = torch.randn(256, 512), torch.randn(384, 512)
    exact = F.linear(x, weight)
    with bf16_products():
        narrow = F.linear(x, weight)
    rounded = F.linear(x.bfloat16().float(), weight.bfloat16().float())
    torch.testing.assert_close(narrow, rounded, rtol=1e-4, atol=1e-3)
    assert (narrow - exact).abs().max() > 1e-2
    assert torch.equal(F.linear(x, weight), exact)


def test_only_networks_of_linear_layers_have_only_products() -> None:
    shape = (1, 8, 8)
    assert has_only_products(vae.build(vae.Options(arch="mlp"), shape, 0))
    assert has_only_products(cae.build(cae.Options(arch="mlp"), shape, 0))
    assert not has_only_products(vae.build(vae.Options(), shape, 0))
    assert not has_only_products(gan.build(gan.Options(), shape, 0))
    assert not has_only_products(lstm_ae.build(lstm_ae.Options(), shape, 0))
    assert not has_only_products(nn.Sequential(nn.Linear(2, 2), nn.GRU(2, 2)))


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")
def test_bf16_trains_an_mlp_in_products_and_convolutions_in_autocast(
    cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gentool.engine.precision.bf16_products_work", lambda device: True)  # also where they do not
    seen = []
    descend = Run.descend

    def watch(run: Run, optimizer: torch.optim.Optimizer, loss: torch.Tensor, **more: float) -> None:
        with run.autocast():
            seen.append((torch.backends.mkldnn.matmul.fp32_precision, torch.is_autocast_enabled("cpu")))
        descend(run, optimizer, loss, **more)

    monkeypatch.setattr(Run, "descend", watch)
    train = ["train", "vae", "--data", "digits", "--latent-dim", 4, "--steps", 1, "--device", "cpu", "--quiet"]
    for number, (arch, amp) in enumerate([("mlp", "bf16"), ("conv", "bf16"), ("mlp", "off")]):
        assert cli(*train, "--arch", arch, "--amp", amp, "--out", number).code == 0
    assert seen == [("bf16", False), ("none", True), ("none", False)]


def test_a_compiled_step_uses_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentool.engine.precision.bf16_products_work", lambda device: True)
    network, cpu = nn.Linear(2, 2), torch.device("cpu")
    for compiled in (False, True):
        precision = Precision(possible_precisions("bf16", cpu, compiled=compiled), cpu, ALONE, compiled=compiled)
        precision.prepare_for(network)
        with precision.autocast():
            assert torch.is_autocast_enabled("cpu") == compiled


@pytest.mark.parametrize(("seconds", "products"), [(60.0, 10), (0.5, 60), (1.5, 60)], ids=["emulated", "fast", "slow"])
def test_emulated_bf16_is_found_out_in_a_few_trials(
    monkeypatch: pytest.MonkeyPatch, seconds: float, products: int
) -> None:
    now, multiplied = [0.0], []

    def multiply(a: torch.Tensor, b: torch.Tensor) -> None:
        multiplied.append(a.dtype)
        now[0] += seconds if a.dtype == torch.bfloat16 else 1

    monkeypatch.setattr("gentool.engine.precision.time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(torch.Tensor, "__matmul__", multiply)
    assert bf16_gain.__wrapped__() == 1 / seconds
    assert len(multiplied) == products


def test_a_resumed_run_keeps_its_precision(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    train = ["train", "vae", "--data", "digits", *TINY["vae"], "--device", "cpu", "--out", "run"]
    for number, kind in enumerate(("bfloat16", "float32")):
        monkeypatch.setattr("gentool.engine.run.possible_precisions", lambda *_, kind=kind, **__: (kind,))
        done = cli(*train, "--steps", number + 1)
        assert done.code == 0
        assert "cpu bf16" in done.err


def test_fp16_is_refused_where_gradients_cannot_be_scaled() -> None:
    with pytest.raises(OptionError, match=r"^--amp fp16: not supported on mps.*; use bf16 or off$"):
        possible_precisions("fp16", torch.device("mps"))
