"""`gentool evaluate MODEL CKPT`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from gentool.cli.app import CHECKPOINT_HELP, MODEL_HELP
from gentool.cli.command import command
from gentool.cli.dataset import DataOptions
from gentool.cli.place import PlaceOptions
from gentool.cli.prior import PriorOptions
from gentool.engine.report import REPORT, write_report
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import OptionError
from gentool.evaluation.evaluate import MEMORISING, evaluate, judges_of
from gentool.evaluation.features import default_names, network_names
from gentool.evaluation.settings import Settings
from gentool.evaluation.table import said
from gentool.latent.trained import load_trained
from gentool.options import Validated, flag, option

OF_A_VAE = ("k", "bound_images", "binarise")


@dataclass(frozen=True, kw_only=True)
class EvaluateData(DataOptions):
    """The real images."""

    data: str | None = option(None, "The real images to judge by. (default: those of the training)")


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(Validated):
    """What to measure."""

    samples: int = option(Settings.samples, "Samples to judge; at most as many as training images.", min=12)
    features: str | None = option(
        None,
        "Networks to look through, with commas: classifier (trained once on the data's labels), random (fixed, for any "
        "images), inception. (default: classifier where there are labels, else random)",
        parse=network_names,
    )
    weights: Path | None = option(
        None, "Weights of Inception v3, torchvision's or torch-fidelity's, for --features inception.", metavar="PATH"
    )
    bootstrap: int = option(
        Settings.bootstrap, "Half-samples for the 95 % intervals of what samples score; 0: none.", min=0, max=10_000
    )
    seeds: int = option(Settings.seeds, "Draw the samples again with so many seeds: mean and sd.", min=1, max=1000)
    seed: int = option(0, "The first seed.", min=0, max=2**31 - 1)
    k: int | None = option(
        None, f"Samples of the importance-weighted bound of a VAE. (default: {Settings.k})", min=1, max=1_000_000
    )
    bound_images: int | None = option(
        None, f"The first so many test images have that bound computed. (default: {Settings.bound_images})", min=2
    )
    binarise: Literal["means", "static", "threshold"] | None = option(
        None,
        "What a VAE's likelihood is of: means (grey values as means of Bernoulli pixels), static (one fixed draw of "
        "them), threshold (above a half). (default: means)",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")

    def cross_check(self) -> None:
        """Raises OptionError where a spread would be asked of one half-sample."""
        if self.bootstrap == 1:
            raise OptionError("--bootstrap: a spread needs at least 2; some 100 are usual")


def judge(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    checkpoint: Annotated[Path, typer.Argument(help=CHECKPOINT_HELP)],
    data: EvaluateData,
    options: EvaluateOptions,
    prior: PriorOptions,
    place: PlaceOptions,
    terminal: TerminalOptions,
) -> None:
    """Judge a model: FID, KID, precision, recall, density, coverage, copying, likelihood, each beside its floor."""
    voice = Terminal(terminal)
    trained = load_trained(model, checkpoint, options.device)
    given = {name: getattr(options, name) for name in OF_A_VAE if getattr(options, name) is not None}
    if given and not hasattr(trained.network, "posterior"):
        raise OptionError(f"{', '.join(map(flag, given))}: a {model} has no likelihood; vae has")
    images = data.load_for(trained.header, voice)
    codes = prior.of(trained, lambda: images, voice)
    names = network_names(options.features) if options.features else default_names(images)
    if images.fingerprint != trained.header.fingerprint:
        voice.say("trained on other images, or other splits, than these: what is said of copying and of held-out "
                  "images may not hold")  # fmt: skip
    judges = judges_of(names, images, trained.device, options.seed, options.weights, voice)
    folder = place.file(trained.path.parent / f"{trained.path.stem}-evaluation-{images.name}{prior.suffix}")
    settings = Settings(
        samples=options.samples, seed=options.seed, seeds=options.seeds, bootstrap=options.bootstrap, **given
    )
    found = evaluate(trained, images, judges, settings, folder, voice, codes)
    found.facts |= prior.facts
    found.write(folder)
    if (trained.path.parent / REPORT).is_file():
        write_report(trained.path.parent)
    for line in said(found.rows):
        voice.say(line)
    if found.facts["memorising"]:
        voice.say(f"memorising: more than {MEMORISING:.0%} of the samples are nearer to a training image than 99 % of "
                  f"held-out images are; see the nearest_*.png")  # fmt: skip
    voice.say(f"{folder}: evaluation.csv and .json, pictures")
    voice.result(folder, {"event": "done", "folder": str(folder)} | found.facts | {"rows": found.rows})


app = command(judge)
