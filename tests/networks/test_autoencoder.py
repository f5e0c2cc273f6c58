"""The autoencoders' networks: exact shapes at every size, and gradients everywhere."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from gentool.networks.autoencoder import (
    Activation,
    ConvDecoder,
    ConvEncoder,
    GatedLinear,
    MLPDecoder,
    MLPEncoder,
    ResidualBlock,
    Shape,
    encoder_sizes,
)

SHAPES = [
    (1, 8, 8),
    (3, 8, 8),
    (3, 24, 24),
    (1, 28, 28),
    (3, 40, 56),
    (1, 48, 48),
    (3, 64, 64),
    (3, 72, 72),
    (1, 9, 250),
    (3, 256, 256),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kernel_size", [3, 4, 5])
def test_a_convolutional_pair_keeps_the_shape(shape: Shape, kernel_size: int) -> None:
    x = torch.rand(2, *shape)
    z = ConvEncoder(shape, 7, kernel_size=kernel_size)(x)
    assert z.shape == (2, 7)
    assert ConvDecoder(shape, 7, kernel_size=kernel_size)(z).shape == x.shape


@pytest.mark.parametrize("shape", SHAPES[:6], ids=str)
def test_an_mlp_pair_keeps_the_shape(shape: Shape) -> None:
    x = torch.rand(2, *shape)
    z = MLPEncoder(shape, 7, hidden=(16,))(x)
    assert z.shape == (2, 7)
    assert MLPDecoder(shape, 7, hidden=(16,))(z).shape == x.shape


def test_a_gated_layer_is_the_formula() -> None:
    torch.manual_seed(1)
    x = torch.randn(5, 3)
    layer = GatedLinear(3, 2)
    values, gates = (x @ layer.weight[rows].T + layer.bias[rows] for rows in (slice(0, 2), slice(2, 4)))
    torch.testing.assert_close(layer(x), values * gates.sigmoid())


def test_gates_are_in_every_hidden_layer() -> None:
    encoder, decoder = MLPEncoder((1, 4, 4), 6, (8, 7), "glu"), MLPDecoder((1, 4, 4), 3, (8, 7), "glu")
    for network, sizes in ((encoder, [(16, 8), (8, 7)]), (decoder, [(3, 7), (7, 8)])):
        gated = [layer for layer in network.network if isinstance(layer, GatedLinear)]
        assert [(layer.in_features, layer.out_features // 2) for layer in gated] == sizes
        assert not [layer for layer in network.network if isinstance(layer, nn.ReLU)]
    assert decoder(encoder(torch.rand(2, 1, 4, 4))[:, :3]).shape == (2, 1, 4, 4)


@pytest.mark.parametrize("activation", ["relu", "glu"])
def test_a_residual_block_is_the_formula(activation: Activation) -> None:
    torch.manual_seed(1)
    x, block = torch.randn(2, 3, 5, 4), ResidualBlock(3, activation)
    with torch.no_grad():
        for layer in (block.first, block.last):
            layer.weight.normal_()
            layer.bias.normal_()
    hidden = F.conv2d(x, block.first.weight, block.first.bias, padding=1)
    hidden = hidden.relu() if activation == "relu" else hidden[:, :3] * hidden[:, 3:].sigmoid()
    torch.testing.assert_close(block(x), x + F.conv2d(hidden, block.last.weight, block.last.bias, padding=1))


@pytest.mark.parametrize("activation", ["relu", "glu"])
@pytest.mark.parametrize("shape", [(1, 9, 30), (3, 28, 28)], ids=str)
def test_convolutions_with_gates_and_blocks_keep_the_shape(shape: Shape, activation: Activation) -> None:
    """And blocks start as the identity: the networks with them begin as those without."""
    torch.manual_seed(2)
    x, z = torch.rand(2, *shape), torch.randn(2, 7)
    how = {"channels": (4, 6, 8), "activation": activation}
    encoder, decoder = ConvEncoder(shape, 7, **how, blocks=2), ConvDecoder(shape, 7, **how, blocks=2)
    assert (encoder(x).shape, decoder(z).shape) == (z.shape, x.shape)
    for network, plain, batch in (
        (encoder, ConvEncoder(shape, 7, **how), x),
        (decoder, ConvDecoder(shape, 7, **how), z),
    ):
        blocks = [layer for layer in network.network if isinstance(layer, ResidualBlock)]
        assert len(blocks) == 6
        kept = nn.Sequential(*(layer for layer in network.network if not isinstance(layer, ResidualBlock)))
        plain.network.load_state_dict(kept.state_dict())
        assert torch.equal(network(batch), plain(batch))
        network(batch).square().sum().backward()
        assert all(block.last.weight.grad.abs().sum() > 0 for block in blocks)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(8, 70),
    width=st.integers(8, 70),
    depth=st.integers(1, 6),
)
def test_any_size_and_any_depth_will_do(channels: int, height: int, width: int, depth: int) -> None:
    shape = (channels, height, width)
    widths = [4] * depth
    z = ConvEncoder(shape, 3, widths)(torch.rand(1, *shape))
    assert ConvDecoder(shape, 3, widths)(z).shape == (1, *shape)


@pytest.mark.parametrize(("encoder", "decoder"), [(ConvEncoder, ConvDecoder), (MLPEncoder, MLPDecoder)])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 14)], ids=str)
def test_gradients_reach_every_parameter(encoder: type[nn.Module], decoder: type[nn.Module], shape: Shape) -> None:
    torch.manual_seed(1)
    pair = nn.Sequential(encoder(shape, 8), decoder(shape, 8))
    pair(torch.rand(8, *shape)).square().mean().backward()
    for name, parameter in pair.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_halving_rounds_up_and_stops_at_two() -> None:
    assert encoder_sizes(24, 24, 4) == [(24, 24), (12, 12), (6, 6), (3, 3), (2, 2)]
    assert encoder_sizes(8, 8, 4) == [(8, 8), (4, 4), (2, 2)]
    assert encoder_sizes(40, 56, 2) == [(40, 56), (20, 28), (10, 14)]


def test_decoders_return_logits() -> None:
    torch.manual_seed(1)
    shape = (1, 28, 28)
    for decoder in (ConvDecoder(shape, 4), MLPDecoder(shape, 4)):
        logits = decoder(1000 * torch.randn(16, 4))
        assert logits.min() < 0 < 1 < logits.max()
