"""How unlike images are, against torch's own variance."""

import pytest
import torch

from gentool.metrics.diversity import Moments, diversity


@pytest.mark.parametrize("shape", [(16, 3, 5, 7), (1, 1, 4, 4), (9, 1, 1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_diversity_is_the_ratio_of_spreads(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    draws = torch.Generator().manual_seed(0)
    images = (torch.rand(shape, generator=draws) * 0.3).contiguous(memory_format=layout)
    real = torch.rand((20, *shape[1:]), generator=draws)
    expected = (images.double().var(0, correction=0).mean() / real.double().var(0, correction=0).mean()).sqrt()
    assert diversity(images, real).item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-9)
    half = diversity(images.bfloat16(), real).item()
    assert half == pytest.approx(expected.item(), rel=1e-2, abs=1e-9)


def test_images_that_are_all_the_same() -> None:
    real = torch.rand((8, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    assert diversity(torch.full((8, 3, 4, 4), 0.7), real).item() < 1e-6
    assert diversity(real, torch.full((8, 3, 4, 4), 0.5)).isfinite()


def test_moments_in_parts_are_those_of_the_whole() -> None:
    codes = torch.rand((50, 6), generator=torch.Generator().manual_seed(0)) + 1000
    moments = Moments()
    for part in codes.split([20, 1, 29]):
        moments.add(part)
    torch.testing.assert_close(moments.variance, codes.double().var(0, correction=0), rtol=1e-9, atol=1e-12)
