"""What the page about a model holds: its directions, a map of its latent space, its first samples, and its network."""

import base64
import copy
import io
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

from gentool.data.images import ImageData
from gentool.engine.randomness import rng
from gentool.errors import OptionError
from gentool.explorer.graph import graph_of
from gentool.figures.grids import Picture, grid, to_picture
from gentool.latent.model import Model
from gentool.latent.reduction import principal_directions, with_signs
from gentool.models.contract import Encodes
from gentool.progress import SILENT, Reporter

DIRECTIONS = 10
"""Sliders of principal directions."""
MOST_DIMENSIONS = 256
"""Sliders of single dimensions; the others cannot be moved one by one."""
SAMPLES = 64
"""Samples of the first numbers, the same as those of `gentool sample`."""
ENCODED, SHOWN = 2_000, 300
"""Images whose codes have the principal directions, and those on the map."""
REGRESSED = 2_000
"""Samples from which the directions of a model without an encoder are fitted."""
ITERATIONS = 6
"""Iterations of `covariance_directions`."""
ALONG, REACH = 13, 2.5
"""Images along each side of the map, which goes from -REACH to REACH standard deviations."""


def explorer_content(
    model: Model, data: ImageData | None, seed: int = 0, *, with_network: bool, reporter: Reporter = SILENT
) -> dict[str, Any]:
    """Everything that the page needs, as plain values.

    Args:
        data: The images on the map, and whose codes have the principal directions; None for a model without an encoder.
        with_network: Whether the page computes the images itself. It asks the server otherwise.

    Raises OptionError for a network that the page cannot compute.
    """
    reporter.progress("network", 0, 3)
    computed = networks(model) if with_network else {}  # first: it may be refused
    reporter.progress("directions", 1, 3)
    points = None
    scales = torch.ones(model.latent_dim)
    if model.encodes and data is not None:
        split = data.test if len(data.test) >= SHOWN else data.train
        chosen = torch.randperm(len(split), generator=rng(seed, "explored images"))[:ENCODED]
        codes = model.encode(split.images[chosen], reporter=reporter)
        center, directions, spreads = principal_directions(codes, min(DIRECTIONS, model.latent_dim, len(codes)))
        scales = codes.std(0, correction=0)
        labels = torch.empty(0) if split.labels is None else split.labels[chosen[:SHOWN]]
        points = {
            "codes": [numbers(z) for z in codes[:SHOWN]],
            "pictures": [address(to_picture(image)) for image in split.images[chosen[:SHOWN]]],
            "names": [data.classes[int(label)] for label in labels],
        }
        origin = center
    else:
        center, directions, spreads = image_directions(model, seed)
        # A generator has seen no code near the center, so the map is drawn around a sample, apart from the plane.
        sample = model.draw_codes(1, seed=seed)[0]
        origin = sample - (directions[:2] @ sample) @ directions[:2]
    reporter.progress("map", 2, 3)
    spreads = spreads.clamp(min=1e-6)
    content: dict[str, Any] = {
        "title": f"{model.name} trained on {model.header.data}",
        "shape": list(model.shape),
        "classes": list(model.classes),
        "encodes": model.encodes,
        "center": numbers(center),
        "directions": [numbers(direction) for direction in directions],
        "spreads": numbers(spreads),
        "scales": numbers(scales.clamp(min=1e-3)[:MOST_DIMENSIONS]),
        "samples": [numbers(z) for z in model.draw_codes(SAMPLES, seed=seed)],
        "seed": seed,
        "reach": REACH,
        "map": map_address(model, origin, directions, spreads),
    }
    if points is not None:
        content["points"] = points
    if model.prior is not None:
        content["prior"] = {
            "ends": numbers(model.prior.weights.cumsum(0)),
            "means": [numbers(mean) for mean in model.prior.mixture.means],
            "deviations": [numbers(deviation) for deviation in (0.5 * model.prior.mixture.logvars).exp()],
        }
    reporter.progress("map", 3, 3)
    return content | computed


def networks(model: Model) -> dict[str, Any]:
    """The decoder and, where there is one, the encoder as operations. Raises OptionError for what the page cannot
    compute."""
    if model.inverts:  # found out by tracing all passes, it would take half a minute
        raise OptionError(
            f"--out: the image of a {model.name} takes many passes through its network, which the page cannot compute; "
            "explore it without --out"
        )
    example = [torch.zeros(1, model.latent_dim)]
    if model.is_conditional:
        example.append(torch.full((1, len(model.classes)), 1 / len(model.classes)))
    network = copy.deepcopy(model.network).cpu()
    here = Model(network, model.header, torch.device("cpu"), sampling=model.sampling)
    found = {"decoder": graph_of(here.decode_part, network, example).to_json()}
    if model.encodes:
        encode = cast(Encodes, network).encode
        found["encoder"] = graph_of(encode, network, [torch.zeros(1, *model.shape), *example[1:]]).to_json()
    return found


def image_directions(model: Model, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """The center, directions and spreads along them in which the image changes most with the noise.

    The images are fitted by a linear function of the noise, whose first right singular vectors are the directions. All
    spreads are 1, as those of the noise are. With more dimensions than half the samples, the covariance of noise and
    image takes the place of the fit: the two are the same for many samples, since the noise is white.
    """
    z = model.draw_codes(REGRESSED, seed=seed)
    labels = None if not model.is_conditional else torch.arange(len(z)) % len(model.classes)
    images = model.decode(z, labels).flatten(1).double()
    if 2 * model.latent_dim <= len(z):
        slopes = torch.linalg.lstsq(z.double(), images - images.mean(0)).solution  # (D, pixels)
        left, _, _ = torch.linalg.svd(slopes, full_matrices=False)
    else:
        left = covariance_directions(z.double(), images - images.mean(0))
    directions = with_signs(left.T[: min(DIRECTIONS, model.latent_dim)]).float()
    return torch.zeros(model.latent_dim), directions, torch.ones(len(directions))


def covariance_directions(z: Tensor, images: Tensor) -> Tensor:
    """The first left singular vectors (D, 10) of the covariance of z (N, D) and images (N, P), which is never made.

    Subspace iteration (Halko, Martinsson & Tropp 2011, arXiv:0909.4061, algorithm 4.4).
    """
    random = torch.randn(images.shape[1], 2 * DIRECTIONS, generator=rng(0, "directions"), dtype=images.dtype)
    basis, _ = torch.linalg.qr(z.T @ (images @ random))
    for _ in range(ITERATIONS):
        basis, _ = torch.linalg.qr(z.T @ (images @ (images.T @ (z @ basis))))
    small = (z @ basis).T @ images  # (2 * DIRECTIONS, P)
    left, _, _ = torch.linalg.svd(small, full_matrices=False)
    return (basis @ left)[:, :DIRECTIONS]


def map_address(model: Model, origin: Tensor, directions: Tensor, spreads: Tensor) -> str:
    """A grid of decoded images around a code, over the first two directions; over one, if there are no more."""
    steps = torch.linspace(-REACH, REACH, ALONG)
    across = steps if len(directions) == 1 else steps.repeat(ALONG)
    z = origin + across[:, None] * spreads[0] * directions[0]
    if len(directions) > 1:  # the second direction points upwards
        z = z - steps.repeat_interleave(ALONG)[:, None] * spreads[1] * directions[1]
    labels = torch.zeros(len(z), dtype=torch.long) if model.is_conditional else None
    return address(grid(model.decode(z, labels), columns=ALONG, padding=0, scale=1))


def address(picture: Picture) -> str:
    """A picture as a data URL."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def numbers(values: Tensor) -> list[float]:
    """A vector to five digits."""
    return [float(f"{value:.5g}") for value in values.tolist()]
