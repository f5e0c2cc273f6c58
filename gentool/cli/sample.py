"""`gentool sample MODEL CKPT`."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from torch import Tensor

from gentool.cli.app import CHECKPOINT_HELP, MODEL_HELP
from gentool.cli.command import command
from gentool.cli.dataset import DataOptions, training_data
from gentool.cli.place import PlaceOptions
from gentool.cli.prior import PriorOptions
from gentool.engine.randomness import indexed_noise
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import OptionError
from gentool.figures.grids import grid, labelled_rows, save_png
from gentool.latent.codes import decode, encode, require_encoder
from gentool.latent.embedding import principal_directions
from gentool.latent.manifold import plane, traversals
from gentool.latent.pictures import parse_indices
from gentool.latent.sample import Prior, commonest_colours, parse_labels, sample, snap
from gentool.latent.trained import Trained, load_trained
from gentool.options import Validated, option

COUNT, SIDE, ALONG, MOST_ROWS = 25, 20, 11, 64


@dataclass(frozen=True, kw_only=True)
class SampleOptions(Validated):
    """What to draw."""

    count: int | None = option(
        None,
        f"Samples to draw; for a conditional model, of each label. (default: {COUNT})",
        min=1,
        max=100_000,
        short="-n",
    )
    seed: int = option(0, "Sample i is a function of the seed and i.", min=0, max=2**31 - 1)
    labels: str | None = option(
        None, "Classes of a conditional model: names or numbers with commas, or all. (default: all)"
    )
    rows: int | None = option(
        None, "Rows of the grid. (default: nearly square; conditional: a row for each class)", min=1
    )
    each: bool = option(False, "Also write every sample as a PNG of its own.")
    palette: int | None = option(
        None, "Snap every pixel to one of the N commonest colours of --data.", min=2, max=65536, metavar="N"
    )
    manifold: bool = option(
        False, "Draw no samples but a grid over two directions of the latent space, at Gaussian quantiles."
    )
    traverse: bool = option(False, "Draw no samples but a row for each latent dimension, with only this one changing.")
    dims: str | None = option(
        None,
        "The dimensions of --manifold (two) and --traverse, with commas. (default: the two principal directions of the "
        "codes of --data; all)",
        parse=parse_indices,
    )
    along: int | None = option(
        None, f"Pictures along each direction. (default: {SIDE} for --manifold, {ALONG} for --traverse)", min=2, max=200
    )
    data: str | None = option(
        None, "The images that --palette, --prior gmm and --manifold look at. (default: those of the training)"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")

    def cross_check(self) -> None:
        """Raises OptionError for options that have nothing to say to one another."""
        if self.manifold and self.traverse:
            raise OptionError("--manifold, --traverse: give one of the two")
        charted = self.manifold or self.traverse
        for name in ("count", "rows", "each") if charted else ("dims", "along"):
            if getattr(self, name):
                raise OptionError(f"--{name}: {'not for' if charted else 'only for'} --manifold and --traverse")


def draw(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    checkpoint: Annotated[Path, typer.Argument(help=CHECKPOINT_HELP)],
    options: SampleOptions,
    prior: PriorOptions,
    place: PlaceOptions,
    terminal: TerminalOptions,
) -> None:
    """Draw samples from a trained model: a PNG grid, and with --each a PNG for each; or chart its latent space."""
    voice = Terminal(terminal)
    if prior.fitted and (options.manifold or options.traverse):
        raise OptionError("--prior gmm: not for --manifold and --traverse")
    if options.data is not None and options.palette is None and not prior.fitted and not options.manifold:
        raise OptionError("--data: only --palette, --prior gmm and --manifold have a use for it")
    trained = load_trained(model, checkpoint, options.device)
    classes = trained.header.classes if getattr(trained.network, "classes", 0) else ()
    if options.labels is not None and not classes:
        raise OptionError(f"--labels: a {model} is not conditional; cgan is")
    chosen = parse_labels(options.labels or "all", classes) if classes else []
    what = "manifold" if options.manifold else "traversals" if options.traverse else "samples"
    path = place.file(trained.path.parent / f"{trained.path.stem}-{what}{prior.suffix}-{options.seed}.png")
    if options.manifold or options.traverse:
        images, names = chart(trained, options, chosen, voice)
    else:
        codes = prior.of(trained, lambda: DataOptions(data=options.data).load_for(trained.header, voice), voice)
        images, names = random_samples(trained, options, chosen, codes)
    if options.palette is not None:
        source = DataOptions(data=options.data or training_data(trained.header)).load(voice)
        images = snap(images, commonest_colours(source.train.images, options.palette))
    if names:
        picture = labelled_rows(images, names)
    elif options.manifold:
        picture = grid(images, options.along or SIDE, padding=0)
    else:
        picture = grid(images, None if options.rows is None else math.ceil((options.count or COUNT) / options.rows))
    save_png(picture, path)
    if options.each:
        folder = path.with_suffix("")
        for index, image in enumerate(images):
            save_png(grid(image[None], scale=1, padding=0), folder / f"{index:05d}.png")
        voice.say(f"{folder}: {len(images)} PNGs")
    voice.say(f"{path}: {len(images)} {'samples' if what == 'samples' else 'pictures'}")
    voice.result(path, {"event": "done", "picture": str(path), what: len(images), "seed": options.seed})


def random_samples(
    trained: Trained, options: SampleOptions, chosen: list[int], prior: Prior | None
) -> tuple[Tensor, list[str]]:
    """Samples, of each chosen class where there are any, and the names of the rows."""
    if options.rows is not None and chosen:
        raise OptionError(f"--rows: a {trained.header.model} has a row for each class; choose them with --labels")
    count = options.count or COUNT
    labels = torch.tensor(chosen).repeat_interleave(count) if chosen else None
    images = sample(trained, count * max(len(chosen), 1), options.seed, labels, prior=prior)
    return images, [trained.header.classes[label] for label in chosen]


def chart(trained: Trained, options: SampleOptions, chosen: list[int], voice: Terminal) -> tuple[Tensor, list[str]]:
    """The pictures of --manifold or --traverse, and the names of the rows."""
    dim, network = trained.network.latent_dim, trained.network
    if chosen and len(chosen) > 1:
        raise OptionError("--manifold, --traverse: choose one class of a conditional model with --labels")
    dims = parse_indices(options.dims) if options.dims else ()
    if any(number >= dim for number in dims):
        raise OptionError(f"--dims: this {trained.header.model} has the dimensions 0 to {dim - 1}")
    # A GAN has only seen noise: there the origin is a sample. The codes of autoencoders lie around 0.
    origin = torch.zeros(dim) if hasattr(network, "encode") else indexed_noise(options.seed, 0, 1, dim)[0]
    if options.traverse:
        along = options.along or ALONG
        if not dims and dim > MOST_ROWS:
            raise OptionError(f"--traverse: {dim} rows are too many; choose some with --dims")
        rows = list(dims or range(dim))
        z, names = traversals(origin, rows, along), [f"z {row}" for row in rows]
    else:
        if dims and len(dims) != 2:
            raise OptionError("--dims: --manifold needs two")
        if not dims and dim == 2:
            dims = (0, 1)
        if dims:
            directions, spread = torch.eye(dim)[list(dims)], torch.ones(2)
            origin = origin * (1 - directions.sum(0))
        else:
            require_encoder(trained, "say its principal directions: choose two dimensions with --dims")
            images = DataOptions(data=options.data).load_for(trained.header, voice)
            with voice.progress("encoding", len(images.train)) as update:
                origin, directions, spread = principal_directions(encode(trained, images.train.images, update))
        z, names = plane(origin, directions, spread, options.along or SIDE), []
    labels = torch.tensor(chosen).expand(len(z)) if chosen else None
    return decode(trained, z, labels), names


app = command(draw)
