"""How well an autoencoder rebuilds images it has not seen: MSE, PSNR and SSIM of each."""

from collections.abc import Callable

import torch
from torch import Tensor

from gentool.latent.reconstruct import reconstruct
from gentool.latent.trained import Trained

CHUNK = 256
SMALL = 16
"""Images of a shorter side have SSIM's window shrunk from 11x11 to 5x5, its Gaussian's sigma from 1.5 to 0.5."""
LEAST_MSE = 1e-10
"""Below it the PSNR stays at 100 dB."""


def reconstruction_errors(
    trained: Trained, images: Tensor, on_progress: Callable[[int], None] | None = None
) -> dict[str, Tensor]:
    """Of each of uint8 images (N, C, H, W): `mse` per pixel in [0, 1]^2, `psnr` in dB, and SSIM (Wang et al. 2004,
    doi:10.1109/TIP.2003.819861), named by its window; none of images too small for one. Each (N,)."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    side = min(images.shape[2:])
    window, sigma = ("11x11", 1.5) if side >= SMALL else ("5x5", 0.5)
    found: dict[str, list[Tensor]] = {}
    for start in range(0, len(images), CHUNK):
        x = images[start : start + CHUNK].float() / 255
        rebuilt = reconstruct(trained, x)
        mse = (rebuilt - x).square().flatten(1).mean(1)
        found.setdefault("mse", []).append(mse)
        found.setdefault("psnr", []).append(-10 * mse.clamp_min(LEAST_MSE).log10())
        if side > int(window.split("x")[0]) - 1:
            similar = structural_similarity_index_measure(rebuilt, x, sigma=sigma, data_range=1.0, reduction="none")
            assert isinstance(similar, Tensor)
            found.setdefault(f"ssim_{window}", []).append(similar.reshape(len(x)))
        if on_progress is not None:
            on_progress(start + len(x))
    return {name: torch.cat(parts) for name, parts in found.items()}
