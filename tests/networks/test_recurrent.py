"""The networks that read and write rows: shapes, order, an LSTM worked out by hand, and how they start."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from gentool.networks.recurrent import LSTMDecoder, LSTMEncoder, Shape, from_rows, to_rows

SHAPES = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 9, 5), (2, 1, 7), (1, 13, 1), (3, 24, 40)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_pair_keeps_the_shape(shape: Shape, layers: int) -> None:
    x = torch.rand(2, *shape)
    z = LSTMEncoder(shape, 7, hidden=5, layers=layers)(x)
    assert z.shape == (2, 7)
    assert LSTMDecoder(shape, 7, hidden=5, layers=layers)(z).shape == x.shape


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_a_row_is_all_channels_of_one_line(memory_format: torch.memory_format) -> None:
    x = torch.rand(2, 3, 4, 5).to(memory_format=memory_format)
    rows = to_rows(x)
    assert rows.shape == (4, 2, 15)
    for line in range(4):
        assert torch.equal(rows[line], torch.cat([x[:, channel, line] for channel in range(3)], dim=1))
    assert torch.equal(from_rows(rows, 3), x)


def zero(network: nn.Module) -> None:
    for weight in network.parameters():
        nn.init.zeros_(weight)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_the_encoder_s_states_by_hand() -> None:
    """With biases alone, a cell is a geometric series: c = i g (1 + f + f^2 + ...), a term for each row."""
    height = 6
    encoder = LSTMEncoder((1, height, 3), 2, hidden=1, layers=1)
    zero(encoder)
    gates = (0.3, 0.8, -0.5, 0.2)  # input, forget, cell, output
    encoder.lstm.bias_ih_l0.data.copy_(torch.tensor(gates))
    nn.init.eye_(encoder.head.weight)  # the features are h and c themselves
    i, f, g, o = sigmoid(gates[0]), sigmoid(gates[1]), math.tanh(gates[2]), sigmoid(gates[3])
    c = i * g * (1 - f**height) / (1 - f)
    features = encoder(torch.rand(4, 1, height, 3))
    torch.testing.assert_close(features, torch.tensor([o * math.tanh(c), c]).expand(4, 2))


def test_the_decoder_s_rows_by_hand() -> None:
    """Forget gates alone, half open: the cell that z sets is halved at every row."""
    decoder = LSTMDecoder((1, 5, 2), 1, hidden=1, layers=1)
    zero(decoder)
    decoder.state.weight.data[1] = 1.0  # the first cell is z
    nn.init.ones_(decoder.head.weight)
    z = torch.tensor([[0.7], [-2.0]])
    lines = torch.stack([0.5 * torch.tanh(z / 2**row) for row in range(1, 6)], dim=2)
    torch.testing.assert_close(decoder(z), lines[..., None].expand(2, 1, 5, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_reduced_precision_is_near_f32(dtype: torch.dtype) -> None:
    x = torch.rand(4, 1, 8, 8)
    network = nn.Sequential(LSTMEncoder((1, 8, 8), 5, hidden=8), LSTMDecoder((1, 8, 8), 5, hidden=8))
    (network(x) - x).square().mean().backward()
    exact = [weight.grad for weight in network.parameters()]
    network.zero_grad()
    with torch.autocast("cpu", dtype):
        logits = network(x)
    assert logits.dtype is dtype
    (logits.float() - x).square().mean().backward()
    for weight, gradient in zip(network.parameters(), exact, strict=True):
        torch.testing.assert_close(weight.grad, gradient, atol=3e-3, rtol=0.1)


def test_a_copy_is_a_network_of_its_own() -> None:
    encoder = LSTMEncoder((1, 8, 8), 5, hidden=8)
    twin, x = copy.deepcopy(encoder), torch.rand(2, 1, 8, 8)
    before = encoder(x)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.add_(0.1)
    torch.testing.assert_close(encoder(x), before)
    assert not torch.allclose(twin(x), before)


def test_every_pixel_reaches_every_feature_and_every_latent_every_pixel() -> None:
    x, z = torch.rand(1, 3, 6, 4, requires_grad=True), torch.rand(1, 5, requires_grad=True)
    for feature in LSTMEncoder((3, 6, 4), 5, hidden=8)(x)[0]:
        (gradient,) = torch.autograd.grad(feature, x, retain_graph=True)
        assert (gradient != 0).all()
    for pixel in LSTMDecoder((3, 6, 4), 5, hidden=8)(z).flatten():
        (gradient,) = torch.autograd.grad(pixel, z, retain_graph=True)
        assert (gradient != 0).all()


def test_an_lstm_starts_remembering() -> None:
    for lstm in (LSTMEncoder((1, 8, 8), 4, hidden=6).lstm, LSTMDecoder((1, 8, 8), 4, hidden=6).lstm):
        for name, weight in lstm.named_parameters():
            gates: tuple[Tensor, ...] = weight.detach().chunk(4)
            if name.startswith("bias"):
                expected = [0, 1 if "ih" in name else 0, 0, 0]
                assert [gate.unique().tolist() for gate in gates] == [[float(value)] for value in expected]
            elif name.startswith("weight_hh"):
                for gate in gates:
                    torch.testing.assert_close(gate @ gate.t(), torch.eye(6))
