"""Centred pixels, and decoders that start at the mean image."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from gentool.networks.autoencoder import ConvDecoder, Decoder, MLPDecoder
from gentool.networks.pixels import Standardise, some_images
from gentool.networks.recurrent import LSTMDecoder

X = torch.rand(50, 3, 6, 4, generator=torch.Generator().manual_seed(0)) * 0.4 + torch.tensor([0.1, 0.2, 0.3, 0.5])


def test_standardised_pixels() -> None:
    standardise = Standardise()
    assert torch.equal(standardise(X), X)
    standardise.fit(X)
    assert standardise(X).mean().item() == pytest.approx(0, abs=1e-5)
    assert standardise(X).std(correction=0).item() == pytest.approx(1, abs=1e-5)
    standardise.fit(torch.full((2, 3, 6, 4), 0.5))  # no spread, no infinity
    assert standardise(X).isfinite().all()


def test_some_images_come_from_the_whole_set() -> None:
    images = torch.arange(2000, dtype=torch.int32).view(-1, 1, 1, 1)
    pixels = some_images(images) * 255
    assert pixels.flatten().round().int().tolist() == list(range(0, 2000, 4))
    assert len(some_images(images[:7])) == 7


@pytest.mark.parametrize(("decoder", "dims"), [(ConvDecoder, (0, 2, 3)), (MLPDecoder, (0,)), (LSTMDecoder, (0, 2))])
def test_a_decoder_starts_at_the_mean_image(decoder: Callable[..., Decoder], dims: tuple[int, ...]) -> None:
    network = decoder((3, 6, 4), 5)
    assert isinstance(network, Decoder)
    network.start_at(X)
    for module in network.modules():  # all that is left is the last bias
        for name, weight in module.named_parameters(recurse=False):
            if name.startswith("weight"):
                nn.init.zeros_(weight)
    pixels = network(torch.rand(1, 5)).sigmoid()[0]
    torch.testing.assert_close(pixels, X.mean(dims, keepdim=True)[0].expand(3, 6, 4), rtol=1e-4, atol=1e-5)
