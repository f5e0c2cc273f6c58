"""How well an autoencoder reconstructs held-out images: MSE, PSNR and SSIM of each."""

import torch
from torch import Tensor

from gentool.data.images import Split
from gentool.latent.model import Model
from gentool.metrics.images import psnr, squared_error
from gentool.progress import SILENT, Reporter
from gentool.tables import Table

AT_ONCE = 256
SMALL_SIDE = 16
"""Images with a shorter side have SSIM's window reduced from 11x11 to 5x5, and its Gaussian's sigma from 1.5 to 0.5."""


def reconstruction_errors(model: Model, images: Tensor, *, reporter: Reporter = SILENT) -> dict[str, Tensor]:
    """The errors of each of uint8 images (N, C, H, W), each (N,).

    `mse` is per pixel value in [0, 1]^2, `psnr` in dB, and SSIM (Wang et al. 2004, doi:10.1109/TIP.2003.819861) has its
    window in its name: the mean over all windows that lie within the image, which has none if it is smaller than one.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    side = min(images.shape[2:])
    window, sigma = (11, 1.5) if side >= SMALL_SIDE else (5, 0.5)
    names = ("mse", "psnr", *([f"ssim_{window}x{window}"] if side >= window else []))
    errors = {name: torch.empty(len(images)) for name in names}
    for start in range(0, len(images), AT_ONCE):
        x = images[start : start + AT_ONCE].float() / 255
        rebuilt = model.reconstruct(x)
        mse = squared_error(rebuilt, x)
        rows = slice(start, start + len(x))
        errors["mse"][rows] = mse
        errors["psnr"][rows] = torch.tensor([psnr(value) for value in mse.tolist()])
        if side >= window:
            _, similarity = structural_similarity_index_measure(
                rebuilt, x, sigma=sigma, data_range=1.0, reduction="none", return_full_image=True
            )
            border = window // 2  # windows around its pixels reach into padding
            within = similarity[..., border : x.shape[2] - border, border : x.shape[3] - border]
            errors[names[-1]][rows] = within.mean((1, 2, 3))
        reporter.progress("reconstructing held-out images", start + len(x), len(images))
    return errors


def reconstruction_table(model: Model, split: Split) -> Table:
    """A row for each image of a split: index, label where there is one, mse per pixel value, PSNR in dB."""
    rows = []
    for start in range(0, len(split), AT_ONCE):
        x = split.images[start : start + AT_ONCE].float() / 255
        for offset, value in enumerate(squared_error(model.reconstruct(x), x).tolist()):
            row: dict[str, float] = {"index": start + offset}
            if split.labels is not None:
                row["label"] = int(split.labels[start + offset])
            rows.append(row | {"mse": value, "psnr": psnr(value)})
    return Table(rows)
