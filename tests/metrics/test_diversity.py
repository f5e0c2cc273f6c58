"""The diversity of images, against torch's own variance."""

import pytest
import torch

from gentool.metrics.diversity import RunningVariance, diversity, own_share, pixel_deviation, relative_spread


@pytest.mark.parametrize("shape", [(16, 3, 5, 7), (1, 1, 4, 4), (9, 1, 1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_diversity_is_the_ratio_of_pixel_deviations(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    draws = torch.Generator().manual_seed(0)
    images = (torch.rand(shape, generator=draws) * 0.3).contiguous(memory_format=layout)
    real = torch.rand((20, *shape[1:]), generator=draws)
    variance, real_variance = (part.double().var(0, correction=0) for part in (images, real))
    expected = (variance.mean() / real_variance.mean()).sqrt()
    assert pixel_deviation(images).item() == pytest.approx(variance.mean().sqrt().item(), rel=1e-5, abs=1e-9)
    assert relative_spread(variance, real_variance).item() == pytest.approx(expected.item(), rel=1e-9)
    assert diversity(images, real).item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-9)
    half = diversity(images.bfloat16(), real).item()
    assert half == pytest.approx(expected.item(), rel=1e-2, abs=1e-9)


def test_images_that_are_all_the_same() -> None:
    real = torch.rand((8, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    assert diversity(torch.full((8, 3, 4, 4), 0.7), real).item() < 1e-6
    assert diversity(real, torch.full((8, 3, 4, 4), 0.5)).isfinite()


def test_the_variance_of_parts_is_that_of_the_whole() -> None:
    codes = torch.rand((50, 6), generator=torch.Generator().manual_seed(0)) + 1000
    running = RunningVariance()
    for part in codes.split([20, 1, 29]):
        running.add(part)
    torch.testing.assert_close(running.variance, codes.double().var(0, correction=0), rtol=1e-9, atol=1e-12)


def test_the_own_share_is_1_around_the_real_mean_and_0_for_one_picture() -> None:
    draws = torch.Generator().manual_seed(0)
    noise = torch.randn((4000, 3, 4, 5), generator=draws)
    real, centre = noise[:2000] + 0.3, torch.randn((3, 4, 5), generator=draws)
    assert own_share(0.1 * noise[2000:] + 0.3, real).item() == pytest.approx(1, abs=0.1)
    apart = (centre - 0.3).square().mean().item()
    for spread in (0.0, 0.2, 1.0):
        blob = centre + spread * noise[2000:]
        expected = spread**2 / (spread**2 + apart)
        assert own_share(blob, real).item() == pytest.approx(expected, abs=0.03), spread
        few = torch.stack([own_share(blob[i : i + 16], real[i : i + 16]) for i in range(0, 1600, 16)]).mean().item()
        assert few == pytest.approx(expected, abs=0.05), "few images do not look apart only because their means differ"
    same = torch.full((8, 3, 4, 4), 0.5)
    assert own_share(same, same).item() == 0  # and not 0 / 0
    assert own_share(blob.bfloat16(), real.bfloat16()).item() == pytest.approx(own_share(blob, real).item(), abs=1e-2)
