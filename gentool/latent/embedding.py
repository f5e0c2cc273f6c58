"""Embedding: the codes of a data set, their positions in two dimensions, the latent card, Gaussian mixtures on them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentool.data.images import ImageData
from gentool.data.load import Source
from gentool.engine.randomness import rng
from gentool.errors import DataError, OptionError
from gentool.figures.confusion import confusion
from gentool.figures.grids import on_chequers, to_pixels
from gentool.figures.scatter import Ellipse, scatter
from gentool.figures.style import FigureOptions, Plot
from gentool.latent.card import LatentCard, latent_card
from gentool.latent.clustering import PER_CLASS, Clustering, LabelledCodes, cluster, in_order_of_classes
from gentool.latent.code_files import write_codes
from gentool.latent.images import load_for
from gentool.latent.loading import as_model
from gentool.latent.model import Model
from gentool.latent.reduction import (
    ITERATIONS,
    NAMES,
    SECONDS_PER_10_000,
    Points,
    check_method,
    embed_opentsne,
    embed_tsne,
    embed_umap,
    principal_directions,
    project_pca,
)
from gentool.options import Validated, numbers, option
from gentool.progress import SILENT, Reporter
from gentool.results import Results
from gentool.tables import Table, format_number

MAX_POINTS = 10_000
"""The number of points that t-SNE and UMAP embed unless more are asked for: minutes, not hours."""
EMBEDDING = Results(
    "latent_card.json",
    "per_dimension",
    r"latents\.npz|(latent_card|embedding|factors|disentanglement|gmm|gmm_runs)\.csv|"
    r"embedding(-gmm-\d+)?\.(png|pdf|svg)|confusion-(gmm-\d+|per-class)\.(png|pdf|svg|csv)",
)
CHEQUER = 4
"""Pixels of a square behind thumbnails with an alpha channel."""


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(Validated):
    """What to make of the codes of a data set."""

    panel: ClassVar[str] = "Embedding"

    split: Literal["all", "train", "validation", "test"] = option("all", "The split to encode.")
    method: Literal["pca", "tsne", "opentsne", "umap"] = option(
        "pca", "How to reduce the codes to two dimensions; opentsne and umap need extra packages."
    )
    points: int | None = option(
        None,
        "Show at most N images in the picture, drawn at random.",
        min=3,
        metavar="N",
        default_text=f"all for pca, else {MAX_POINTS:,}",
    )
    perplexity: float = option(
        30.0, "Perplexity of t-SNE: about the number of neighbours that count.", min=1, max=1000,
        only_with={"method": ("tsne", "opentsne")},
    )  # fmt: skip
    neighbours: int = option(
        15, "Neighbours of each point in UMAP.", min=2, max=1000, only_with={"method": "umap"}
    )  # fmt: skip
    thumbnails: bool = option(False, "Show the images themselves where there is room.")
    gmm: tuple[int, ...] | None = option(
        None,
        "Fit Gaussian mixtures with K components to the training codes and score them on the labelled test images.",
        metavar="K[,K]",
        parse=numbers,
    )
    repeats: int = option(5, "Fit each mixture with N seeds.", min=1, max=1000, metavar="N", only_with={"gmm": True})
    class_components: int = option(
        10, "Components of the mixture of each class.", min=1, max=1000, only_with={"gmm": True}
    )
    seed: int = option(0, "Random seed.", min=0, max=2**31 - 1)


@dataclass(frozen=True)
class Plane:
    """Codes in two dimensions.

    `shown` (n,) says which codes, `points` (n, 2) where they are. `frame` has the mean (D,) and the directions (2, D)
    of a linear reduction, None for t-SNE and UMAP.
    """

    shown: NDArray[np.int64]
    points: Points
    frame: tuple[Tensor, Tensor] | None
    title: str
    axes: tuple[str, str]


@dataclass(frozen=True, repr=False, eq=False)
class Embedding:
    """The codes of a data set, and what is known of them.

    `codes` has the codes (n, D) of each split. `clustering` is there when mixtures were asked for. `weights` is the
    digest of the model.
    """

    data: ImageData
    codes: dict[str, Tensor]
    card: LatentCard
    plane: Plane
    clustering: Clustering | None = None
    thumbnails: bool = False
    weights: str | None = None

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {format_number(value)}" for name, value in self.card.summary.items())
        return f"<{self.plane.title}: {shown}>"

    @property
    def z(self) -> Tensor:
        """All codes (N, D), in stored order: training, validation, test images."""
        return torch.cat(list(self.codes.values()))

    @property
    def labels(self) -> Tensor | None:
        """Their labels, int64 (N,); None for unlabelled data."""
        labels = [self.data.splits[name].labels for name in self.codes]
        return torch.cat([part for part in labels if part is not None]) if self.data.labelled else None

    @property
    def split_names(self) -> NDArray[np.str_]:
        """The split of each code (N,)."""
        return np.repeat(list(self.codes), [len(part) for part in self.codes.values()])

    def image(self, index: int) -> Tensor:
        """The image (C, H, W), uint8, of one code. Raises IndexError for a code that does not exist."""
        if index < 0:
            raise IndexError(index)
        for name, part in self.codes.items():
            if index < len(part):
                return self.data.splits[name].images[index]
            index -= len(part)
        raise IndexError(index)

    @property
    def table(self) -> Table:
        """A row per point: its index, split, label where there is one, x and y."""
        labels, names = self.labels, self.split_names
        rows = []
        for row, index in enumerate(self.plane.shown):
            label = {} if labels is None else {"label": int(labels[index])}
            x, y = map(float, self.plane.points[row])
            rows.append({"index": int(index), "split": str(names[index]), **label, "x": x, "y": y})
        return Table(rows)

    def save(self, folder: Path | str, figures: FigureOptions | None = None) -> list[Path]:
        """Write the codes, tables and figures into a folder; returns the figures."""
        folder = Path(folder).expanduser()
        with EMBEDDING.writing(folder, {"weights": self.weights} | self.card.record):
            return self._save_into(folder, figures)

    def _save_into(self, folder: Path, figures: FigureOptions | None) -> list[Path]:
        write_codes(folder / "latents.npz", self.z, self.weights, labels=self.labels)
        self.card.dimensions.to_csv(folder / "latent_card.csv")
        self.table.to_csv(folder / "embedding.csv")
        if self.card.factors is not None:
            self.card.factors.factors.to_csv(folder / "factors.csv")
            self.card.factors.dimensions.to_csv(folder / "disentanglement.csv")
        images = None
        if self.thumbnails:
            images = to_pixels(torch.stack([self.image(int(index)) for index in self.plane.shown]))
            images = on_chequers(images, CHEQUER) if images.shape[3] == 4 else images.squeeze(-1)
        plots = {"embedding": self._scatter(self.plane.title, thumbnails=images)}
        if self.clustering is not None:
            self.clustering.runs.to_csv(folder / "gmm_runs.csv")
            self.clustering.summary.to_csv(folder / "gmm.csv")
            plots |= self._of_clustering(self.clustering)
        return [plot.save(folder / name, figures) for name, plot in plots.items()]

    def _of_clustering(self, clustering: Clustering) -> dict[str, Plot]:
        classes, count = self.data.classes, f"{len(self.data.test):,} test images"
        plots = {}
        for components, mixture in clustering.mixtures.items():
            table, clusters = in_order_of_classes(clustering.confusions[str(components)], classes)
            x = "predicted: the class that a cluster is matched to"
            title = f"mixture of {components}, {count}"
            plots[f"confusion-gmm-{components}"] = confusion(table, classes, clusters, x=x, title=title)
            title = f"{self.plane.title}; mixture of {components}"
            ellipses = component_ellipses(self, mixture)
            plots[f"embedding-gmm-{components}"] = self._scatter(title, ellipses=ellipses)
        title = f"one mixture per class, {count}"
        plots["confusion-per-class"] = confusion(clustering.confusions[PER_CLASS], classes, classes, title=title)
        return plots

    def _scatter(self, title: str, **more: Any) -> Plot:
        labels = None if self.labels is None else self.labels[self.plane.shown].numpy()
        return scatter(
            self.plane.points, labels=labels, classes=self.data.classes, axes_names=self.plane.axes, title=title,
            **more,
        )  # fmt: skip


def embed(
    model: Model | Path | str,
    data: Source | None = None,
    options: EmbedOptions | None = None,
    *,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Embedding:
    """Encode a data set (the one of the training by default) and describe its codes.

    `settings` are the fields of `EmbedOptions`, instead of `options`.

    Raises OptionError for a model without an encoder, for a method whose package is not installed or that needs more
    than one latent dimension, and DataError where the data lack what the options need.
    """
    options = EmbedOptions.resolve(options, settings)
    check_method(options.method)
    model = as_model(model)
    model.require("encodes", "embed images")
    if options.method != "pca" and model.latent_dim == 1:
        raise OptionError(f"--method {options.method}: the codes have one dimension; pca shows it")
    data = load_for(model.header, data, reporter=reporter)
    if options.gmm is not None:
        check_mixtures(data, options, options.gmm)
    codes = encode_splits(model, data, options.split, reporter)
    plane = to_plane(torch.cat(list(codes.values())), options, reporter)
    card = latent_card(model, codes, data, options.seed)
    clustering = None
    if options.gmm is not None:
        assert data.train.labels is not None
        assert data.test.labels is not None
        labelled = LabelledCodes(
            codes["train"], data.train.labels.numpy(), codes["test"], data.test.labels.numpy(), len(data.classes)
        )
        clustering = cluster(
            labelled, options.gmm, class_components=options.class_components, repeats=options.repeats,
            seed=options.seed, reporter=reporter,
        )  # fmt: skip
    return Embedding(data, codes, card, plane, clustering, options.thumbnails, model.weights_digest)


def check_mixtures(data: ImageData, options: EmbedOptions, sizes: tuple[int, ...]) -> None:
    """Raises OptionError or DataError where mixtures cannot be fitted or scored."""
    if options.split != "all":
        raise OptionError("--gmm: fits to the training images and scores on the test images; leave out --split")
    if not data.labelled:
        raise DataError(f"{data.name}: has no labels, and --gmm scores clusters by them; leave out --gmm")
    if not len(data.test):
        raise DataError(f"{data.name}: has no test images for --gmm; prepare it with --test 0.2")
    if max(sizes) > len(data.train):
        needed = f"{max(sizes)} components need as many training images"
        raise OptionError(f"--gmm: {needed}; {data.name} has {len(data.train)}")
    assert data.train.labels is not None
    for name, count in zip(data.classes, data.train.labels.bincount(minlength=len(data.classes)), strict=True):
        if count == 1:
            raise DataError(f"{data.name}: class {name} has one training image, too few for a mixture of its own")


def encode_splits(model: Model, data: ImageData, split: str, reporter: Reporter = SILENT) -> dict[str, Tensor]:
    """The codes (n, D) of one split, or of `all`, by split. Raises DataError where there are no images."""
    parts = {name: part for name, part in data.splits.items() if split in ("all", name) and len(part)}
    if not parts:
        raise DataError(f"{data.name}: has no {split} images; choose another --split")
    total = sum(len(part) for part in parts.values())
    codes: dict[str, Tensor] = {}
    for name, part in parts.items():
        codes[name] = model.encode(part.images, reporter=_After(reporter, sum(len(z) for z in codes.values()), total))
    return codes


class _After(Reporter):
    """Reports the progress of one part of a task."""

    def __init__(self, reporter: Reporter, before: int, whole: int) -> None:
        self.reporter, self.before, self.whole = reporter, before, whole

    def progress(self, task: str, done: int, total: int | None = None, detail: str = "") -> None:
        """The progress of the whole task."""
        self.reporter.progress(task, self.before + done, self.whole, detail)


def to_plane(z: Tensor, options: EmbedOptions, reporter: Reporter = SILENT) -> Plane:
    """Codes z (N, D) in two dimensions, all of them or a random part."""
    method, seed = options.method, options.seed
    most = options.points or (len(z) if method == "pca" else MAX_POINTS)
    order = torch.randperm(len(z), generator=rng(seed, "points"))[:most].sort().values
    shown = order.numpy()
    if method == "pca" and z.shape[1] == 1:
        heights = torch.rand(len(shown), 1, generator=rng(seed, "heights")) - 0.5
        frame = torch.zeros(1), torch.tensor([[1.0], [0.0]])
        title = f"{len(shown):,} codes of one dimension"
        points = torch.cat([z[order], heights], 1).double().numpy()
        return Plane(shown, points, frame, title, ("z 0", "random, to spread the points"))
    if method == "pca" and z.shape[1] == 2:
        frame = torch.zeros(2), torch.eye(2)
        title = f"{len(shown):,} codes of 2 dimensions"
        return Plane(shown, z[order].double().numpy(), frame, title, ("z 0", "z 1"))
    if method == "pca":
        mean, directions, deviations = principal_directions(z)
        share = deviations.square() / z.var(0, correction=0).sum()
        axes = (f"first principal component ({share[0]:.0%} of the variance)", f"second ({share[1]:.0%})")
        title = f"PCA of {len(shown):,} codes of {z.shape[1]} dimensions"
        return Plane(shown, project_pca(z[order], mean, directions), (mean, directions), title, axes)
    title = f"{NAMES[method]} of {len(shown):,} codes of {z.shape[1]} dimensions"
    if len(shown) < len(z):
        reporter.notice(f"{method}: a random {len(shown):,} of {len(z):,} images; --points {len(z)} shows all")
    minutes = SECONDS_PER_10_000[method] / 60 * len(shown) / 10_000
    reporter.notice(
        f"{method}: {len(shown):,} points take about {max(1, round(minutes))} min on two cores; pca takes seconds"
    )
    if method == "umap":
        points = embed_umap(z[order], seed, min(options.neighbours, len(shown) - 1))
    else:
        perplexity = min(options.perplexity, (len(shown) - 1) / 3)
        if perplexity < options.perplexity:
            reporter.notice(f"--perplexity: {perplexity:.3g} is the largest that {len(shown)} points allow")
        embed_points = embed_tsne if method == "tsne" else embed_opentsne
        points = embed_points(z[order], seed, perplexity, reporter.task(method, ITERATIONS))
    return Plane(shown, points, None, title, ("", ""))


def component_ellipses(embedding: Embedding, mixture: Any) -> list[Ellipse]:
    """An ellipse per component: projected by a linear reduction, else that of the points in the component."""
    plane = embedding.plane
    if plane.frame is not None:
        mean, directions = (part.double().numpy() for part in plane.frame)
        return [
            Ellipse(directions @ (centre - mean), directions @ covariance @ directions.T)
            for centre, covariance in zip(mixture.means_, mixture.covariances_, strict=True)
        ]
    clusters = mixture.predict(embedding.z[plane.shown].double().numpy())
    members = [plane.points[clusters == component] for component in range(mixture.n_components)]
    return [Ellipse(points.mean(0), np.cov(points.T)) for points in members if len(points) > 2]
