"""Codes in two dimensions: PCA, t-SNE, UMAP."""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentool.errors import OptionError

Points = NDArray[np.float64]
OnIteration = Callable[[int], None]

ITERATIONS = 1000
NAMES = {"tsne": "t-SNE", "opentsne": "t-SNE (openTSNE)", "umap": "UMAP"}
SECONDS_PER_10_000 = {"tsne": 60, "opentsne": 35, "umap": 50}
"""About how long 10,000 codes take on two cores."""
EXTRAS = {"opentsne": ("openTSNE", "openTSNE"), "umap": ("umap", "umap-learn")}
"""The module that a method needs beyond gentool's own dependencies, and the package that has it."""


def check_method(method: str) -> None:
    """Raises OptionError where the package of a method is not installed."""
    module, package = EXTRAS.get(method, (None, None))
    if module is not None and find_spec(module) is None:
        raise OptionError(f"--method {method}: its package is not installed: pip install {package}; tsne needs none")


def principal_directions(z: Tensor, count: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """The mean (D,), the first directions (count, D) and the standard deviations along them (count,) of z (N, D).

    The largest entry of each direction is positive, so that its sign does not depend on the solver. Raises OptionError
    when there are fewer codes or dimensions than directions.
    """
    if min(z.shape) < count:
        images, dimensions = z.shape
        raise OptionError(
            f"principal directions: {count} need at least {count} images and {count} latent dimensions; there are "
            f"{images:,} and {dimensions}"
        )
    codes = z.double()
    mean = codes.mean(0)
    _, singular, directions = torch.linalg.svd(codes - mean, full_matrices=False)
    directions = with_signs(directions[:count])
    return mean.to(z.dtype), directions.to(z.dtype), (singular[:count] / len(z) ** 0.5).to(z.dtype)


def with_signs(directions: Tensor) -> Tensor:
    """Directions (K, D), each turned so that its largest entry is positive, whatever the solver gave."""
    largest = directions.abs().argmax(1, keepdim=True)
    return directions * directions.gather(1, largest).sign()


def project_pca(z: Tensor, mean: Tensor, directions: Tensor) -> Points:
    """The coordinates (N, 2) of codes z (N, D) along two directions (2, D)."""
    return ((z - mean) @ directions.T).double().numpy()


def embed_tsne(z: Tensor, seed: int, perplexity: float, on_iteration: OnIteration) -> Points:
    """t-SNE (van der Maaten & Hinton 2008) by scikit-learn, initialised by PCA: (N, 2)."""
    from sklearn.manifold import TSNE

    tsne = TSNE(2, perplexity=perplexity, init="pca", max_iter=ITERATIONS, random_state=seed, verbose=2)
    with _iterations(on_iteration):
        points: Points = tsne.fit_transform(z.double().numpy()).astype(np.float64)
    return points


def embed_opentsne(z: Tensor, seed: int, perplexity: float, on_iteration: OnIteration) -> Points:
    """t-SNE by openTSNE (Policar et al. 2024), about twice as fast: (N, 2)."""
    from openTSNE import TSNE

    done = 0

    def count(iteration: int, error: float, points: Any) -> None:
        nonlocal done
        done += 50
        on_iteration(min(done, ITERATIONS))

    tsne = TSNE(2, perplexity=perplexity, random_state=seed, callbacks=count, callbacks_every_iters=50,
                early_exaggeration_iter=250, n_iter=ITERATIONS - 250)  # fmt: skip
    return np.asarray(tsne.fit(z.double().numpy()), np.float64)


def embed_umap(z: Tensor, seed: int, neighbours: int) -> Points:
    """UMAP (McInnes et al. 2018, arXiv:1802.03426) by umap-learn: (N, 2)."""
    from umap import UMAP

    points: Points = UMAP(n_components=2, n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(z.numpy())
    return points.astype(np.float64)


@contextlib.contextmanager
def _iterations(on_iteration: OnIteration) -> Iterator[None]:
    """Read the iterations from what scikit-learn's t-SNE prints, and print none of it."""

    class Listener(io.TextIOBase):
        def write(self, text: str) -> int:
            for iteration in re.findall(r"Iteration (\d+):", text):
                on_iteration(int(iteration))
            return len(text)

    with contextlib.redirect_stdout(Listener()):
        yield
