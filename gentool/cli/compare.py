"""`gentool compare CKPT...`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from gentool.cli.command import command
from gentool.cli.dataset import DataOptions
from gentool.cli.place import PlaceOptions
from gentool.data.images import ImageData
from gentool.engine.device import choose_device
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import OptionError
from gentool.evaluation.budget import parse_budget, parse_models, train_all
from gentool.evaluation.compare import compare
from gentool.evaluation.evaluate import judges_of
from gentool.evaluation.features import default_names, network_names
from gentool.evaluation.settings import Settings
from gentool.latent.trained import load_trained
from gentool.options import Validated, option

WITH_TRAIN = ("budget", "seeds")


@dataclass(frozen=True, kw_only=True)
class CompareData(DataOptions):
    """The real images."""

    data: str | None = option(
        None, "The real images. (default: those that the first checkpoint was trained on; digits for --train)"
    )


@dataclass(frozen=True, kw_only=True)
class ComparePlace(PlaceOptions):
    """Where to write."""

    panel: ClassVar[str] = "Output"

    out: Path | None = option(None, "The folder to write. (default: comparison-DATA)", metavar="PATH")


@dataclass(frozen=True, kw_only=True)
class CompareOptions(Validated):
    """What to compare, and how."""

    train: str | None = option(
        None, "Train these models first, with their default options: names with commas.", metavar="MODEL[,MODEL]",
        parse=parse_models,
    )  # fmt: skip
    budget: str | None = option(
        None, "The time of each training, such as 90s, 5m or 1h, for --train. (default: 5m)", metavar="TIME",
        parse=parse_budget,
    )  # fmt: skip
    seeds: int | None = option(None, "Trainings of each model, for --train. (default: 1)", min=1, max=1000)
    samples: int = option(Settings.samples, "Samples to judge; at most as many as training images.", min=12)
    features: str | None = option(
        None,
        "Networks to look through, with commas: classifier, random, inception. (default: classifier where there are "
        "labels, else random)",
        parse=network_names,
    )
    weights: Path | None = option(None, "Weights of Inception v3 for --features inception.", metavar="PATH")
    seed: int = option(0, "Seed of the samples, and the first of the trainings.", min=0, max=2**31 - 1)
    k: int = option(Settings.k, "Samples of the importance-weighted bound of VAEs.", min=1, max=1_000_000)
    binarise: Literal["means", "static", "threshold"] = option(
        Settings.binarise,
        "What a VAE's likelihood is of: grey values as means, one fixed draw of them, or above a half.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")

    def cross_check(self) -> None:
        """Raises OptionError for options that nothing would look at."""
        for name in WITH_TRAIN:
            if self.train is None and getattr(self, name) is not None:
                raise OptionError(f"--{name}: only for --train")


def side_by_side(
    options: CompareOptions,
    data: CompareData,
    place: ComparePlace,
    terminal: TerminalOptions,
    checkpoints: Annotated[
        list[Path] | None, typer.Argument(help="Checkpoints: model.pt files or run folders.", metavar="CKPT")
    ] = None,
) -> None:
    """Compare models in one table (CSV, Markdown) and one picture; those that differ in their seed only are a row."""
    voice = Terminal(terminal)
    if bool(checkpoints) == (options.train is not None):
        raise OptionError("give checkpoints to compare, or --train with models to train first")
    if options.train is not None:
        images = data.load(voice, "digits")
        folder = destination(place, images, again=True)
        seeds = range(options.seed, options.seed + (options.seeds or 1))
        budget = parse_budget(options.budget or "5m")
        paths = train_all(parse_models(options.train), images, budget, seeds, options.device, folder, voice)
        trained = [load_trained(None, path, options.device) for path in paths]
    else:
        trained = [load_trained(None, path, options.device) for path in checkpoints or []]
        images = data.load_for(trained[0].header, voice)
        folder = destination(place, images, again=False)
    names = network_names(options.features) if options.features else default_names(images)
    judges = judges_of(names, images, choose_device(options.device), options.seed, options.weights, voice)
    settings = Settings(samples=options.samples, seed=options.seed, bootstrap=0, k=options.k, binarise=options.binarise)
    rows = compare(trained, images, judges, settings, folder, voice)
    voice.say((folder / "comparison.md").read_text(encoding="utf-8").strip())
    voice.say(f"{folder}: comparison.csv, .md and .png")
    voice.result(folder, {"event": "done", "folder": str(folder), "rows": rows})


def destination(place: ComparePlace, images: ImageData, again: bool) -> Path:
    """The folder to write. One with trainings in it is gone on with."""
    default = Path(f"comparison-{images.name}")
    if again and place.out is not None and (place.out / "runs").is_dir():
        return place.out
    return place.file(default)


app = command(side_by_side)
