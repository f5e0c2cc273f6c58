"""Codes on a plane: the table and the picture of `embed`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentool.engine.randomness import generator
from gentool.engine.terminal import Terminal
from gentool.figures.grids import to_pixels
from gentool.figures.scatter import Points, scatter
from gentool.files import write_csv
from gentool.latent.embedding import embed_opentsne, embed_tsne, embed_umap, principal_directions, project_pca
from gentool.latent.encoded import Encoded

METHODS = {"tsne": "t-SNE", "opentsne": "t-SNE (openTSNE)", "umap": "UMAP"}
SECONDS_PER_10_000 = {"tsne": 60, "opentsne": 35, "umap": 50}
MOST_POINTS = 10_000
"""So many points t-SNE and UMAP embed unless more are asked for: minutes, not hours."""


@dataclass(frozen=True)
class Flattening:
    """How codes come to two dimensions; `points` at most, all or 10,000 when None."""

    method: str
    points: int | None
    perplexity: float
    neighbours: int
    seed: int


@dataclass(frozen=True)
class Plane:
    """What the picture shows: which codes, where (n, 2), and for PCA the mean and directions that put them there."""

    shown: NDArray[np.int64]
    points: Points
    frame: tuple[Tensor, Tensor] | None
    title: str
    axes: tuple[str, str]


def draw(encoded: Encoded, plane: Plane, folder: Path, thumbnails: bool) -> Path:
    """embedding.csv and embedding.png, whose path is returned."""
    labels = None if encoded.labels is None else encoded.labels[plane.shown].numpy()
    names = encoded.names[plane.shown]
    rows = []
    for row, index in enumerate(plane.shown):
        known = {} if labels is None else {"label": int(labels[row])}
        x, y = map(float, plane.points[row])
        rows.append({"index": int(index), "split": names[row], **known, "x": x, "y": y})
    write_csv(folder / "embedding.csv", rows)
    faces = None
    if thumbnails:
        faces = to_pixels(torch.stack([encoded.picture(int(index)) for index in plane.shown])).squeeze(-1)
    path = folder / "embedding.png"
    scatter(plane.points, path, labels=labels, classes=encoded.images.classes, thumbnails=faces,
            axes_names=plane.axes, title=plane.title)  # fmt: skip
    return path


def flatten(z: Tensor, how: Flattening, voice: Terminal) -> Plane:
    """Codes z (N, D) in two dimensions, all of them or a random part."""
    method, seed = how.method, how.seed
    most = how.points or (len(z) if method == "pca" else MOST_POINTS)
    order = torch.randperm(len(z), generator=generator(seed, "points"))[:most].sort().values
    shown = order.numpy()
    if method == "pca" and z.shape[1] == 2:
        frame = torch.zeros(2), torch.eye(2)
        title = f"{len(shown):,} codes of 2 dimensions"
        return Plane(shown, z[order].double().numpy(), frame, title, ("z 0", "z 1"))
    if method == "pca":
        mean, directions, spread = principal_directions(z)
        share = spread.square() / z.var(0, correction=0).sum()
        axes = (f"first principal direction ({share[0]:.0%} of the variance)", f"second ({share[1]:.0%})")
        title = f"PCA of {len(shown):,} codes of {z.shape[1]} dimensions"
        return Plane(shown, project_pca(z[order], mean, directions), (mean, directions), title, axes)
    title = f"{METHODS[method]} of {len(shown):,} codes of {z.shape[1]} dimensions"
    if len(shown) < len(z):
        voice.say(f"{method}: a random {len(shown):,} of {len(z):,} images; --points {len(z)} takes all")
    minutes = SECONDS_PER_10_000[method] / 60 * len(shown) / 10_000
    voice.say(
        f"{method}: {len(shown):,} points take about {max(1, round(minutes))} min on two cores; pca takes seconds"
    )
    with voice.progress(method) as update:
        if method == "umap":
            points = embed_umap(z[order], seed, min(how.neighbours, len(shown) - 1))
        else:
            perplexity = min(how.perplexity, (len(shown) - 1) / 3)
            if perplexity < how.perplexity:
                voice.say(f"--perplexity: {perplexity:.3g} is the most that {len(shown)} points allow")
            points = (embed_tsne if method == "tsne" else embed_opentsne)(z[order], seed, perplexity, update)
    return Plane(shown, points, None, title, ("", ""))
