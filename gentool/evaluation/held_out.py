"""How well an autoencoder models held-out images: reconstructions, of a VAE likelihood and the KL of each dimension,
and how its codes go with known factors."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gentool.data.images import ImageData, Split
from gentool.evaluation.intervals import mean_and_interval
from gentool.evaluation.likelihood import bounds
from gentool.evaluation.options import ScoreOptions, bound_images_for
from gentool.evaluation.reconstruction import reconstruction_errors
from gentool.latent.card import dimension_table, mean_kl
from gentool.latent.factors import FactorScores, encoded, factor_scores, random_codes, select_factors
from gentool.latent.model import Model
from gentool.progress import SILENT, Reporter
from gentool.tables import Table

HELD_OUT, CHANCE = "test images", "random codes (chance)"
"""The names of the rows."""


@dataclass(frozen=True)
class HeldOutScores:
    """`rows` has the means over the test images, the ends of their 95% intervals, and with known factors random codes.

    `tables` has the `dimensions` of a VAE, and with known factors `factors` and `disentanglement`; `facts` what is
    known of these.
    """

    rows: list[dict[str, Any]]
    tables: dict[str, Table]
    facts: dict[str, Any]


def held_out_scores(
    model: Model, data: ImageData, options: ScoreOptions, *, reporter: Reporter = SILENT
) -> HeldOutScores:
    """How well a model that encodes reconstructs the test images, how likely they are, and what its codes know.

    Likelihoods are in nats per image, `mse` per pixel value, `psnr` in dB.
    """
    test = data.test
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
        rows.append({"what": f"{HELD_OUT}: 95 % CI {end}"} | {name: ends[i] for name, (_, ends) in means.items()})
    facts: dict[str, Any] = {}
    known = disentanglement_scores(model, data, options.seed, reporter=reporter)
    if known is not None:
        scores, chance = known
        rows[0] |= scores.counted_scores
        rows.append(chance)
        tables |= {"factors": scores.factors, "disentanglement": scores.dimensions}
        facts["factors"] = scores.facts
    return HeldOutScores(rows, tables, facts)


def disentanglement_scores(
    model: Model, data: ImageData, seed: int, *, reporter: Reporter = SILENT
) -> tuple[FactorScores, dict[str, Any]] | None:
    """How a model's codes go with the known factors of the data, and the row of random codes of the same size.

    None where no factors are known or none is left.
    """
    selection = select_factors(model, data, {name: part for name, part in data.splits.items() if len(part)}, seed)
    if selection is None:
        return None
    judged, fitted = (encoded(model, data, part, reporter) for part in (selection.judged, selection.fitted))
    reporter.notice(selection.description)
    scores = factor_scores(selection, judged, fitted, seed, reporter=reporter)
    noise = random_codes(selection, model.latent_dim, seed)
    chance = factor_scores(selection, *noise, seed, reporter=reporter)
    return scores, {"what": CHANCE, "images": len(judged)} | chance.counted_scores


def likelihoods(model: Model, test: Split, options: ScoreOptions, reporter: Reporter) -> dict[str, Tensor]:
    """Nats per image (N,), under names with the binarisation, and for the bound with its K and number of images."""
    how, count = options.binarise, min(options.bound_images or bound_images_for(model.shape), len(test))
    labels = test.labels if model.is_conditional else None
    terms = bounds(model, test.images, how, options.k, count, options.seed, labels=labels, reporter=reporter)
    return {
        f"negative_elbo_{how}": terms.negative_elbo,
        f"reconstruction_{how}": terms.reconstruction,
        f"kl_{how}": terms.kl,
        f"negative_bound_k{options.k}_{how}_{count}": terms.negative_bound,
    }
