"""The GAN's networks: shapes at many sizes, the fast layers against PyTorch's plain ones, and the labels' effect."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gentool.networks.gan import (
    SHARPNESS,
    ConvDiscriminator,
    ConvGenerator,
    MLPDiscriminator,
    MLPGenerator,
    Norm,
    PaletteGenerator,
    minibatch_deviation,
)
from gentool.networks.layers import Down, NearestUp, Up, halved_sizes

CONV = (ConvGenerator, ConvDiscriminator, 32)
MLP = (MLPGenerator, MLPDiscriminator, [24, 32])
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


@pytest.mark.parametrize("pair", [CONV, MLP], ids=["conv", "mlp"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("norm", ["batch", "none", "spectral"])
def test_pair_has_the_shape_it_was_given(shape: tuple[int, int, int], norm: Norm, pair: Any) -> None:
    generator, discriminator, size = pair
    images = generator(shape, 16, size)(torch.randn(2, 16))
    assert images.shape == (2, *shape)
    assert discriminator(shape, size, norm=norm)(images.tanh()).shape == (2,)


def test_the_fully_connected_pair_is_the_formula() -> None:
    """Against a sum written out: layers, batch norm in all but the generator's first, slope 0.2, no end activation."""
    torch.manual_seed(0)
    generator, discriminator = MLPGenerator((1, 4, 6), 5, [7, 9]), MLPDiscriminator((1, 4, 6), [8, 3])
    z, w = torch.randn(8, 5), dict(generator.named_parameters())
    h = F.leaky_relu(z @ w["layers.0.weight"].T + w["layers.0.bias"], 0.2)
    h = h @ w["layers.2.weight"].T
    h = (h - h.mean(0)) / (h.var(0, correction=0) + 1e-5).sqrt() * w["layers.3.weight"] + w["layers.3.bias"]
    h = F.leaky_relu(h, 0.2) @ w["layers.5.weight"].T + w["layers.5.bias"]
    torch.testing.assert_close(generator(z), h.view(8, 1, 4, 6))
    x, w = torch.rand(8, 1, 4, 6) * 2 - 1, dict(discriminator.named_parameters())
    h = F.leaky_relu(x.flatten(1) @ w["layers.1.weight"].T + w["layers.1.bias"], 0.2)
    h = F.leaky_relu(h @ w["layers.3.weight"].T + w["layers.3.bias"], 0.2)
    logits = h @ w["score.weight"].T + w["score.bias"]
    logits = logits + minibatch_deviation(h) * w["variety.weight"] + w["variety.bias"]
    torch.testing.assert_close(discriminator(x), logits.squeeze(1))


@pytest.mark.parametrize("width", [8, 48, 128])
def test_any_width_is_accepted(width: int) -> None:
    images = ConvGenerator((3, 24, 24), 16, width)(torch.randn(2, 16))
    assert ConvDiscriminator((3, 24, 24), width)(images.tanh()).shape == (2,)


def test_halved_sizes_round_up_and_halve_at_least_twice() -> None:
    assert halved_sizes((28, 28)) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert halved_sizes((40, 56)) == [(40, 56), (20, 28), (10, 14), (5, 7), (3, 4)]
    assert halved_sizes((8, 8)) == [(8, 8), (4, 4), (2, 2)]


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("size", [(24, 24), (7, 9), (8, 5), (16, 2), (5, 1)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_down_is_the_plain_convolution(channels: int, size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    layer, x = Down(channels, 16, bias=bias), torch.randn(2, channels, *size, requires_grad=True)
    expected = plain_down(layer, x)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    inputs = (x, *layer.parameters())
    torch.testing.assert_close(gradients(layer(x), *inputs), gradients(expected, *inputs), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("size", [(24, 24), (7, 9), (8, 5), (16, 2), (5, 1)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_up_is_the_plain_transposed_convolution(channels: int, size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    layer = Up(16, channels, size, bias=bias)
    x = torch.randn(2, 16, (size[0] + 1) // 2, (size[1] + 1) // 2, requires_grad=True)
    expected = plain_up(layer, x)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    inputs = (x, *layer.parameters())
    torch.testing.assert_close(gradients(layer(x), *inputs), gradients(expected, *inputs), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("size", [(24, 24), (7, 9), (8, 5), (16, 2), (5, 1)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_nearest_up_is_upsampling_and_a_convolution(channels: int, size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    layer = NearestUp(16, channels, size, bias=bias)
    x = torch.randn(2, 16, (size[0] + 1) // 2, (size[1] + 1) // 2, requires_grad=True)
    doubled = F.interpolate(x, scale_factor=2, mode="nearest")
    expected = F.conv2d(doubled, layer.weight.transpose(0, 1).flip(2, 3), layer.bias, padding=1)
    expected = expected[..., : size[0], : size[1]]
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    inputs = (x, *layer.parameters())
    torch.testing.assert_close(gradients(layer(x), *inputs), gradients(expected, *inputs), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("size", [(32, 2), (4, 2), (32, 1), (3, 1)], ids=str)
@pytest.mark.parametrize("kind", [Down, Up])
def test_narrow_maps_in_bf16(kind: type[Down | Up], size: tuple[int, int]) -> None:
    """On some processors, PyTorch's own gradients, and even its results, are arbitrary numbers there."""
    torch.manual_seed(0)
    layer = Down(16, 32) if kind is Down else Up(16, 32, (2 * size[0], size[1]))
    x = torch.randn(128, 16, size[0], size[1] if kind is Down else 1, requires_grad=True)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x.contiguous(memory_format=torch.channels_last)).float()
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)
    weights = torch.randn(expected.shape)
    of_bf16, of_f32 = (
        torch.autograd.grad((output * weights).sum(), (x, *layer.parameters())) for output in (found, expected)
    )
    for gradient, wanted in zip(of_bf16, of_f32, strict=True):
        assert (gradient - wanted).abs().max() < 0.05 * wanted.abs().max()


def test_only_transposed_convolutions_weave_a_plain_ground() -> None:
    """From maps without any detail, nearest upsampling makes maps without any, whatever its weights."""
    torch.manual_seed(0)
    ground = torch.ones(1, 16, 8, 8)
    for channels in (3, 32):
        woven, plain = (layer(16, channels, (16, 16))(ground)[..., 2:-2, 2:-2] for layer in (Up, NearestUp))
        assert plain.std((2, 3)).max() < 1e-5
        assert woven.std((2, 3)).min() > 1e-2


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
    discriminator = ConvDiscriminator((3, 12, 12), 64, norm="none")
    x = torch.rand(4, 3, 12, 12) * 2 - 1
    exact = discriminator(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = discriminator(x)
    assert logits.dtype is torch.bfloat16
    torch.testing.assert_close(logits.float(), exact, atol=0.1, rtol=0.05)
    logits.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype is torch.float32 for p in discriminator.parameters())


@pytest.mark.parametrize("pair", [CONV, MLP], ids=["conv", "mlp"])
def test_conditional_outputs_depend_on_the_label(pair: Any) -> None:
    torch.manual_seed(0)
    generator = pair[0]((1, 28, 28), 16, pair[2], classes=10).eval()
    discriminator = pair[1]((1, 28, 28), pair[2], norm="none", classes=10)
    z = torch.randn(1, 16).expand(2, 16)
    labels = torch.tensor([3, 7])
    images = generator(z, labels)
    assert not torch.allclose(images[0], images[1])
    logits = discriminator(images[:1].tanh().expand(2, -1, -1, -1), labels)
    assert not torch.allclose(logits[0], logits[1])


@pytest.mark.parametrize("pair", [CONV, MLP], ids=["conv", "mlp"])
def test_conditional_networks_refuse_to_guess_the_label(pair: Any) -> None:
    with pytest.raises(ValueError, match="labels"):
        pair[0]((1, 8, 8), 4, pair[2], classes=2)(torch.randn(4, 4))
    with pytest.raises(ValueError, match="labels"):
        pair[1]((1, 8, 8), pair[2], classes=2)(torch.randn(1, 1, 8, 8))


def test_minibatch_deviation_is_the_mean_spread_inside_groups_of_four() -> None:
    features = torch.randn(8, 10, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([features[:4].std(0, correction=0).mean(), features[4:].std(0, correction=0).mean()])
    torch.testing.assert_close(
        minibatch_deviation(features), expected.repeat_interleave(4)[:, None], rtol=1e-3, atol=1e-3
    )
    same = features[:1].repeat(4, 1)
    assert minibatch_deviation(same).max() < 1e-3
    for count, groups in ((3, [[0, 3], [0, 3], [0, 3]]), (6, [[0, 4]] * 4 + [[2, 6]] * 2)):
        spread = torch.stack([features[start:end].std(0, correction=0).mean() for start, end in groups])
        torch.testing.assert_close(minibatch_deviation(features[:count]), spread[:, None], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(3, 16, 16), (4, 9, 13)], ids=str)
@pytest.mark.parametrize("classes", [0, 3])
def test_a_palette_generator_mixes_the_colours_of_each_image(shape: tuple[int, int, int], classes: int) -> None:
    """Against the mean of the colours, weighted by the shares, pixel by pixel; one place's share decides its colour."""
    torch.manual_seed(0)
    generator = PaletteGenerator(shape, 8, 32, 5, classes=classes).eval()
    z, labels = torch.randn(2, 8), torch.tensor([0, 2]) if classes else None
    logits, images = generator(z, labels), generator.image(z, labels)
    assert logits.shape == (2, 5, *shape[1:])
    assert images.shape == (2, *shape)
    colours = generator.colours(generator.with_label(z, labels)).tanh().view(2, 5, shape[0])
    shares = (logits * SHARPNESS).softmax(1)
    torch.testing.assert_close(images, torch.einsum("nkhw,nkc->nchw", shares, colours))
    assert images.abs().max() <= 1
    with torch.no_grad():
        generator.places[3, 2, 4] = 1000.0
    torch.testing.assert_close(generator.image(z, labels)[:, :, 2, 4], colours[:, 3])


def test_the_choice_of_colours_is_sharpened_over_a_training() -> None:
    """Against the softmax of the logits times a power of the sharpness; the end of a training is what samples show."""
    torch.manual_seed(0)
    generator, z = PaletteGenerator((3, 8, 8), 8, 16, 4, sharpness=9), torch.randn(6, 8)

    def expected(factor: float) -> torch.Tensor:
        shares = (generator(z) * SHARPNESS * factor).softmax(1)
        return torch.einsum("nkhw,nkc->nchw", shares, generator.colours(z).tanh().view(6, 4, 3))

    torch.testing.assert_close(generator.image(z), expected(1))
    for progress, factor in (0.0, 1), (0.5, 3), (1.0, 9):
        generator.sharpen(progress)
        torch.testing.assert_close(generator.image(z), expected(factor))
    generator.sharpen(0.0)
    generator.eval()
    torch.testing.assert_close(generator.image(z), expected(9))
    assert "growing" not in generator.state_dict()
