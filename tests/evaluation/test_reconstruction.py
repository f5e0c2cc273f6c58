"""SSIM against its formula, window by window."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gentool.evaluation.reconstruction import reconstruction_errors
from gentool.latent.loading import load


def formula(x: Tensor, y: Tensor, side: int, sigma: float) -> float:
    """Wang et al. 2004, equation 13: the mean over all windows within the image, and over the channels."""
    offsets = np.arange(side) - side // 2
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    found = []
    for a, b in zip(x.double().numpy(), y.double().numpy(), strict=True):
        for row in range(a.shape[0] - side + 1):
            for column in range(a.shape[1] - side + 1):
                p, q = (image[row : row + side, column : column + side] for image in (a, b))
                mean_p, mean_q = (weights * p).sum(), (weights * q).sum()
                covariance = (weights * (p - mean_p) * (q - mean_q)).sum()
                variances = (weights * (p - mean_p) ** 2).sum() + (weights * (q - mean_q) ** 2).sum()
                found.append(
                    (2 * mean_p * mean_q + 1e-4) * (2 * covariance + 9e-4)
                    / ((mean_p**2 + mean_q**2 + 1e-4) * (variances + 9e-4))
                )  # fmt: skip
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("size", "side", "sigma"), [((1, 8, 8), 5, 0.5), ((3, 20, 17), 11, 1.5), ((1, 11, 30), 5, 0.5)]
)
def test_ssim_is_the_mean_over_windows_within_the_image(
    size: tuple[int, int, int], side: int, sigma: float, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
    images[:, :, :3] = 0  # a black border, which padding would count twice
    rebuilt = (images.float() / 255 + 0.2 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
    rebuilt[:, :, :3] = 0
    model = load(runs / "vae", device="cpu")
    monkeypatch.setattr(type(model), "reconstruct", lambda self, x: rebuilt)
    found = reconstruction_errors(model, images)[f"ssim_{side}x{side}"]
    expected = [formula(a.float() / 255, b, side, sigma) for a, b in zip(images, rebuilt, strict=True)]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
