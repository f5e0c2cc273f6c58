"""The GAN's networks: shapes at many sizes, the fast layers against PyTorch's plain ones, and the labels' effect."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gentool.networks.gan import Discriminator, Generator, Norm, minibatch_deviation
from gentool.networks.layers import Down, Up, halved_sizes

SHAPES = [(1, 8, 8), (3, 24, 24), (1, 28, 28), (3, 40, 56), (3, 48, 48), (3, 72, 72), (1, 13, 31), (3, 256, 256)]


def plain_down(layer: Down, x: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    return F.conv2d(F.pad(x, (1, 1 + width % 2, 1, 1 + height % 2)), layer.weight, layer.bias, stride=2)


def plain_up(layer: Up, x: Tensor) -> Tensor:
    image = F.conv_transpose2d(x, layer.weight, layer.bias, stride=2, padding=1)
    return image[..., : layer.size[0], : layer.size[1]]


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return torch.autograd.grad((output * weights).sum(), inputs)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("norm", ["batch", "none", "spectral"])
def test_pair_has_the_shape_it_was_given(shape: tuple[int, int, int], norm: Norm) -> None:
    images = Generator(shape, 16, 32)(torch.randn(2, 16))
    assert images.shape == (2, *shape)
    assert Discriminator(shape, 32, norm=norm)(images.tanh()).shape == (2,)


@pytest.mark.parametrize("width", [8, 48, 128])
def test_any_width_is_accepted(width: int) -> None:
    images = Generator((3, 24, 24), 16, width)(torch.randn(2, 16))
    assert Discriminator((3, 24, 24), width)(images.tanh()).shape == (2,)


def test_halved_sizes_round_up_and_halve_at_least_twice() -> None:
    assert halved_sizes((28, 28)) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert halved_sizes((40, 56)) == [(40, 56), (20, 28), (10, 14), (5, 7), (3, 4)]
    assert halved_sizes((8, 8)) == [(8, 8), (4, 4), (2, 2)]


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("size", [(24, 24), (7, 9), (8, 5)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_down_is_the_plain_convolution(channels: int, size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    layer, x = Down(channels, 16, bias=bias), torch.randn(2, channels, *size, requires_grad=True)
    expected = plain_down(layer, x)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    inputs = (x, *layer.parameters())
    torch.testing.assert_close(gradients(layer(x), *inputs), gradients(expected, *inputs), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("size", [(24, 24), (7, 9), (8, 5)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_up_is_the_plain_transposed_convolution(channels: int, size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    layer = Up(16, channels, size, bias=bias)
    x = torch.randn(2, 16, (size[0] + 1) // 2, (size[1] + 1) // 2, requires_grad=True)
    expected = plain_up(layer, x)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    inputs = (x, *layer.parameters())
    torch.testing.assert_close(gradients(layer(x), *inputs), gradients(expected, *inputs), atol=1e-4, rtol=1e-5)


def test_down_can_be_differentiated_twice() -> None:
    """What the R1 and Wasserstein penalties need."""
    torch.manual_seed(0)
    layer, x = Down(6, 8), torch.randn(2, 6, 9, 8, requires_grad=True)

    def penalty_gradient(output: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
        (gradient,) = torch.autograd.grad(slope.square().sum(), layer.weight)
        return gradient

    torch.testing.assert_close(penalty_gradient(layer(x)), penalty_gradient(plain_down(layer, x)), rtol=1e-4, atol=1e-3)


def test_autocast_trains_in_bfloat16_with_float32_gradients() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator((3, 12, 12), 64, norm="none")
    x = torch.rand(4, 3, 12, 12) * 2 - 1
    exact = discriminator(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = discriminator(x)
    assert logits.dtype is torch.bfloat16
    torch.testing.assert_close(logits.float(), exact, atol=0.1, rtol=0.05)
    logits.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype is torch.float32 for p in discriminator.parameters())


def test_conditional_outputs_depend_on_the_label() -> None:
    torch.manual_seed(0)
    generator = Generator((1, 28, 28), 16, 32, classes=10).eval()
    discriminator = Discriminator((1, 28, 28), 32, norm="none", classes=10)
    z = torch.randn(1, 16).expand(2, 16)
    labels = torch.tensor([3, 7])
    images = generator(z, labels)
    assert not torch.allclose(images[0], images[1])
    logits = discriminator(images[:1].tanh().expand(2, -1, -1, -1), labels)
    assert not torch.allclose(logits[0], logits[1])


def test_conditional_networks_refuse_to_guess_the_label() -> None:
    with pytest.raises(ValueError, match="labels"):
        Generator((1, 8, 8), 4, 32, classes=2)(torch.randn(1, 4))
    with pytest.raises(ValueError, match="labels"):
        Discriminator((1, 8, 8), 32, classes=2)(torch.randn(1, 1, 8, 8))


def test_minibatch_deviation_is_the_mean_spread_inside_groups_of_four() -> None:
    features = torch.randn(8, 10, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([features[:4].std(0, correction=0).mean(), features[4:].std(0, correction=0).mean()])
    torch.testing.assert_close(
        minibatch_deviation(features), expected.repeat_interleave(4)[:, None], rtol=1e-3, atol=1e-3
    )
    same = features[:1].repeat(4, 1)
    assert minibatch_deviation(same).max() < 1e-3
    assert minibatch_deviation(features[:3]).shape == (3, 1), "a batch that has no groups of four is one without spread"
