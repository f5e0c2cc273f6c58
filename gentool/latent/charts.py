"""Charts of a latent space: grids of codes over a plane, and rows along single dimensions."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gentool.data.images import ImageData
from gentool.errors import OptionError
from gentool.latent.reduction import principal_directions
from gentool.progress import SILENT, Reporter

if TYPE_CHECKING:
    from gentool.latent.model import Model

OUTERMOST = 0.02
"""Charts go from this quantile of N(0, 1) to the opposite one: from -2.05 to 2.05 standard deviations."""
MOST_ALONG = 200
"""The most images along a side of a chart."""


def manifold_codes(
    model: "Model",
    along: int,
    dims: tuple[int, ...] | None,
    seed: int,
    data: ImageData | None,
    *,
    reporter: Reporter = SILENT,
) -> Tensor:
    """Codes (along * along, D) over two dimensions, or over the two principal directions of the codes of `data`."""
    if model.latent_dim == 1:
        raise OptionError(f"--manifold: needs two latent dimensions, and this {model.name} has one; use --traverse")
    if dims is None and model.latent_dim == 2:
        dims = (0, 1)
    if dims is None:
        assert data is not None
        codes = model.encode(data.train.images, reporter=reporter)
        return plane_codes(*principal_directions(codes), along)
    check_dims(model, dims)
    if len(set(dims)) != 2 or len(dims) != 2:
        raise OptionError("--dims: --manifold needs two different dimensions, such as 0,5")
    directions = torch.eye(model.latent_dim)[list(dims)]
    center, deviations = moments(model)
    start = torch.where(directions.sum(0) > 0, center, origin(model, seed))
    return plane_codes(start, directions, deviations[list(dims)], along)


def check_dims(model: "Model", dims: tuple[int, ...]) -> None:
    """Raises OptionError for what is no list of dimensions that the model has."""
    if not isinstance(dims, list | tuple) or not dims:
        raise OptionError(f"--dims: expected dimensions such as (0, 5), got {dims!r}")
    if any(not 0 <= number < model.latent_dim for number in dims):
        raise OptionError(f"--dims: this {model.name} has the dimensions 0 to {model.latent_dim - 1}")


def origin(model: "Model", seed: int) -> Tensor:
    """The code (D,) around which a chart is drawn. A GAN has only seen noise; codes of autoencoders lie around the mean
    of their prior."""
    if not model.encodes:
        return model.draw_codes(1, seed=seed)[0]
    return moments(model)[0]


def moments(model: "Model") -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of each dimension of the prior, each (D,)."""
    if model.prior is None:
        return torch.zeros(model.latent_dim), torch.ones(model.latent_dim)
    return model.prior.center, model.prior.deviations


def normal_quantiles(count: int, outermost: float = OUTERMOST) -> Tensor:
    """`count` points of N(0, 1) with equal probability between them, from a quantile to its opposite: (count,)."""
    shares = torch.linspace(outermost, 1 - outermost, count, dtype=torch.float64)
    return torch.special.ndtri(shares).float()


def plane_codes(origin: Tensor, directions: Tensor, deviations: Tensor, side: int) -> Tensor:
    """Codes (side * side, D) on a plane through origin (D,), row by row from the top left.

    Along each of two directions (2, D) they stand at the quantiles of N(0, deviation^2), with deviations (2,). The
    first direction grows to the right and the second upwards, as in a plot (Kingma & Welling 2013, figure 4).
    """
    across, up = normal_quantiles(side) * deviations[0], normal_quantiles(side).flip(0) * deviations[1]
    return (origin + across[None, :, None] * directions[0] + up[:, None, None] * directions[1]).flatten(0, 1)


def traversal_codes(origin: Tensor, dimensions: list[int], steps: int, center: Tensor, deviations: Tensor) -> Tensor:
    """Codes (len(dimensions) * steps, D): in each row, one dimension of origin (D,) takes the quantiles of
    N(center, deviation^2), with center and deviations (D,)."""
    codes = origin.repeat(len(dimensions), steps, 1)
    for row, dimension in enumerate(dimensions):
        codes[row, :, dimension] = center[dimension] + normal_quantiles(steps) * deviations[dimension]
    return codes.flatten(0, 1)
