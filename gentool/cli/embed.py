"""`gentool embed MODEL CKPT`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from gentool.cli.app import CHECKPOINT_HELP, MODEL_HELP
from gentool.cli.command import command
from gentool.cli.dataset import DataOptions
from gentool.cli.place import PlaceOptions
from gentool.data.images import ImageData
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import DataError, OptionError
from gentool.latent.card import write_card
from gentool.latent.clusters import Mixtures, judge
from gentool.latent.codes import require_encoder
from gentool.latent.embedding import check_method
from gentool.latent.encoded import encode_set
from gentool.latent.latents import write_latents
from gentool.latent.plane import Flattening, draw, flatten
from gentool.latent.trained import load_trained
from gentool.options import Validated, flag, numbers, option

TOLD = ("kl", "active_units", "knn_accuracy", "linear_probe_accuracy", "silhouette")


@dataclass(frozen=True, kw_only=True)
class EmbedData(DataOptions):
    """The images to encode."""

    data: str | None = option(None, "The images to encode. (default: those of the training)")


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(Validated):
    """What to make of the codes."""

    split: Literal["all", "train", "validation", "test"] = option("all", "Which images of the set.")
    method: Literal["pca", "tsne", "opentsne", "umap"] = option(
        "pca", "How the codes come to two dimensions; opentsne and umap need a package more."
    )
    points: int | None = option(
        None, "At most so many images in the picture, drawn at random. (default: all for pca, else 10,000)", min=3
    )
    perplexity: float | None = option(None, "Neighbours that count in t-SNE. (default: 30)", min=1, max=1000)
    neighbours: int | None = option(None, "Neighbours that count in UMAP. (default: 15)", min=2, max=1000)
    thumbnails: bool = option(False, "Show the images themselves where there is room.")
    gmm: str | None = option(
        None,
        "Fit Gaussian mixtures with so many components (several numbers with commas) and judge them by the labels.",
        metavar="K[,K]",
        parse=numbers,
    )
    repeats: int | None = option(None, "Seeds of each mixture of --gmm. (default: 5)", min=1, max=1000)
    class_components: int | None = option(
        None, "Components of the mixture of each class, for --gmm. (default: 10)", min=1, max=1000
    )
    seed: int = option(0, "Seed of every random choice.", min=0, max=2**31 - 1)
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")

    def cross_check(self) -> None:
        """Raises OptionError for options that nothing would look at."""
        idle = {
            "perplexity": self.method not in ("tsne", "opentsne") and "--method tsne and opentsne",
            "neighbours": self.method != "umap" and "--method umap",
            "repeats": self.gmm is None and "--gmm",
            "class_components": self.gmm is None and "--gmm",
        }
        for name, wanted in idle.items():
            if wanted and getattr(self, name) is not None:
                raise OptionError(f"{flag(name)}: only for {wanted}")


def embed(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    checkpoint: Annotated[Path, typer.Argument(help=CHECKPOINT_HELP)],
    data: EmbedData,
    options: EmbedOptions,
    place: PlaceOptions,
    terminal: TerminalOptions,
) -> None:
    """Encode a data set: codes (NPZ), their picture in two dimensions, and the latent card; mixtures with --gmm."""
    voice = Terminal(terminal)
    check_method(options.method)
    trained = load_trained(model, checkpoint, options.device)
    require_encoder(trained, "embed images")
    images = data.load_for(trained.header, voice)
    if options.gmm is not None:
        check_mixtures(images, options)
    folder = place.file(trained.path.parent / f"{trained.path.stem}-embedding-{images.name}")
    with voice.progress("encoding") as update:
        encoded = encode_set(trained, images, options.split, update)
    write_latents(folder / "latents.npz", encoded.z, labels=encoded.labels)
    voice.say(f"{folder / 'latents.npz'}: {len(encoded.z):,} codes of {encoded.z.shape[1]} dimensions")
    card = write_card(trained, encoded, folder, options.seed)
    told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in card.items() if name in TOLD)
    voice.say(f"{folder / 'latent_card.json'}{': ' if told else ''}{told}")
    how = Flattening(options.method, options.points, options.perplexity or 30.0, options.neighbours or 15, options.seed)
    plane = flatten(encoded.z, how, voice)
    voice.say(f"{draw(encoded, plane, folder, options.thumbnails)}: {plane.title}")
    if options.gmm is not None:
        mixtures = Mixtures(numbers(options.gmm), options.class_components or 10, options.repeats or 5, options.seed)
        judge(encoded, plane, mixtures, folder, voice)
    voice.result(folder, {"event": "done", "folder": str(folder), "images": len(encoded.z)} | card)


def check_mixtures(images: ImageData, options: EmbedOptions) -> None:
    """Raises OptionError or DataError where --gmm could not be judged or fitted."""
    if options.split != "all":
        raise OptionError("--gmm: learns from the training images and is judged on the test images; leave out --split")
    if not images.labelled:
        raise DataError(f"{images.name}: has no labels, and --gmm judges clusters by them; leave out --gmm")
    if not len(images.test):
        raise DataError(f"{images.name}: has no test images for --gmm; prepare it with some")
    most = max(numbers(options.gmm or "1"))
    if most > len(images.train):
        raise OptionError(
            f"--gmm: {most} components need as many training images; {images.name} has {len(images.train)}"
        )


app = command(embed)
