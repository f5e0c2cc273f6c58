"""What a model that encodes makes of held-out images: reconstructions and, of a VAE, likelihood and its KL."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from gentool.data.images import Split
from gentool.evaluation.intervals import mean_and_interval
from gentool.evaluation.likelihood import binarise, bounds
from gentool.evaluation.rebuilt import reconstruction_errors
from gentool.evaluation.settings import Settings
from gentool.latent.card import dimension_rows, mean_kl
from gentool.latent.codes import encode
from gentool.latent.trained import Trained

Rows = list[dict[str, Any]]


def held_out_scores(
    trained: Trained, test: Split, settings: Settings, on_progress: Callable[[int], None]
) -> tuple[Rows, dict[str, Rows]]:
    """A row of means over the test images and two of their 95 % intervals; of a VAE also the table of its dimensions.

    Likelihoods are in nats per image, `mse` per pixel, `psnr` in dB.
    """
    values = reconstruction_errors(trained, test.images, on_progress)
    counts: dict[str, Any] = {}
    tables: dict[str, Rows] = {}
    if hasattr(trained.network, "posterior"):
        values |= likelihood(trained, test, settings, on_progress)
        tables["dimensions.csv"] = dimension_rows(encode(trained, test.images), mean_kl(trained, test))
        counts["active_units"] = sum(row["active"] for row in tables["dimensions.csv"])
    found = {name: mean_and_interval(value) for name, value in values.items()}
    rows: Rows = [
        {"what": "test images", "images": len(test)} | {name: mean for name, (mean, _) in found.items()} | counts
    ]
    for i, end in enumerate(("low", "high")):
        rows.append({"what": f"test images: 95 % {end}"} | {name: sure[i] for name, (_, sure) in found.items()})
    return rows, tables


def likelihood(
    trained: Trained, test: Split, settings: Settings, on_progress: Callable[[int], None]
) -> dict[str, Tensor]:
    """Nats per image (N,), under names that say the binarisation, and of the bound its K and how many images."""
    how, count = settings.binarise, min(settings.bound_images, len(test))
    found = bounds(trained, binarise(test.images, how), settings.k, count, settings.seed, on_progress)
    return {
        f"negative_elbo_{how}": found.negative_elbo,
        f"reconstruction_{how}": found.reconstruction,
        f"kl_{how}": found.kl,
        f"negative_bound_k{settings.k}_{how}_{count}": found.negative_bound,
    }
