"""Measures of images by hand."""

import pytest
import torch

from gentool.metrics.images import distinct_share, palette_score, psnr, squared_error


def test_squared_error_is_a_mean_per_image() -> None:
    x = torch.zeros(3, 2, 4, 5)
    target = torch.zeros(3, 2, 4, 5)
    target[1] = 0.5
    target[2, 0, 0, 0] = 1
    torch.testing.assert_close(squared_error(x, target), torch.tensor([0, 0.25, 1 / 40]))
    assert torch.equal(squared_error(x, target), squared_error(target, x))


@pytest.mark.parametrize(("mse", "expected"), [(1.0, 0.0), (0.1, 10.0), (0.01, 20.0), (4e-4, 33.9794)])
def test_psnr_in_decibels(mse: float, expected: float) -> None:
    assert psnr(mse) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("mse", [0.0, 1e-300, 1e-12, 1e-10])
def test_psnr_of_equal_images_is_finite(mse: float) -> None:
    assert psnr(mse) == 100


def test_psnr_is_continuous_at_its_limit() -> None:
    assert psnr(1.01e-10) == pytest.approx(100, abs=0.05)


def test_palette_score_of_all_pixels_and_of_the_foreground() -> None:
    background = torch.tensor([100, 130, 150], dtype=torch.uint8)
    images = background[None, :, None, None].repeat(2, 1, 4, 4)
    images[0, :, 0, 0] = torch.tensor([208, 8, 0])  # within 8 of red
    images[1, :, 0, 0] = torch.tensor([209, 0, 0])  # 9 away
    colours = torch.tensor([[100, 130, 150], [200, 0, 0]], dtype=torch.uint8)
    assert palette_score(images, colours, background) == pytest.approx((31 / 32, 1 / 2))


def test_distinct_share() -> None:
    images = torch.arange(8, dtype=torch.uint8).reshape(4, 1, 1, 2)
    assert distinct_share(images) == 1
    assert distinct_share(images[[0, 0, 1, 1]]) == 0.5
