"""Errors of images by hand."""

import pytest
import torch

from gentool.metrics.images import psnr, squared_error


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
