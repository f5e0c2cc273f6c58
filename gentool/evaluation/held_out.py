"""How well an autoencoder models held-out images: reconstructions and, of a VAE, likelihood and the KL of each
dimension."""

from typing import Any

from torch import Tensor

from gentool.data.images import Split
from gentool.evaluation.intervals import mean_and_interval
from gentool.evaluation.likelihood import bounds
from gentool.evaluation.options import ScoreOptions
from gentool.evaluation.reconstruction import reconstruction_errors
from gentool.latent.card import dimension_table, mean_kl
from gentool.latent.model import Model
from gentool.progress import SILENT, Reporter
from gentool.tables import Table

HELD_OUT = "test images"
"""The name of the row."""


def held_out_scores(
    model: Model, test: Split, options: ScoreOptions, *, reporter: Reporter = SILENT
) -> tuple[list[dict[str, Any]], dict[str, Table]]:
    """A row of means over the test images and two with the ends of their 95 % intervals; of a VAE also a table of its
    latent dimensions.

    Likelihoods are in nats per image, `mse` per pixel value, `psnr` in dB.
    """
    values = reconstruction_errors(model, test.images, reporter=reporter)
    counts: dict[str, Any] = {}
    tables: dict[str, Table] = {}
    if model.has_likelihood:
        values |= likelihoods(model, test, options, reporter)
        codes = model.encode(test.images, test.labels if model.is_conditional else None)
        tables["dimensions"] = dimension_table(codes, mean_kl(model, test), active=True)
        counts["active_units"] = sum(tables["dimensions"]["active"])
    means = {name: mean_and_interval(value) for name, value in values.items()}
    rows: list[dict[str, Any]] = [
        {"what": HELD_OUT, "images": len(test)} | {name: mean for name, (mean, _) in means.items()} | counts
    ]
    for i, end in enumerate(("low", "high")):
        rows.append({"what": f"{HELD_OUT}: 95 % {end}"} | {name: ends[i] for name, (_, ends) in means.items()})
    return rows, tables


def likelihoods(model: Model, test: Split, options: ScoreOptions, reporter: Reporter) -> dict[str, Tensor]:
    """Nats per image (N,), under names with the binarisation, and for the bound with its K and number of images."""
    how, count = options.binarise, min(options.bound_images, len(test))
    labels = test.labels if model.is_conditional else None
    terms = bounds(model, test.images, how, options.k, count, options.seed, labels=labels, reporter=reporter)
    return {
        f"negative_elbo_{how}": terms.negative_elbo,
        f"reconstruction_{how}": terms.reconstruction,
        f"kl_{how}": terms.kl,
        f"negative_bound_k{options.k}_{how}_{count}": terms.negative_bound,
    }
