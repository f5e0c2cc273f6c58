"""`gentool project MODEL CKPT IMAGE...`."""

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
from gentool.engine.terminal import Terminal, TerminalOptions
from gentool.errors import OptionError
from gentool.figures.film import film
from gentool.figures.grids import Picture, labelled_rows, save_png
from gentool.files import write_csv
from gentool.latent.latents import write_latents
from gentool.latent.pictures import indexed_pictures, parse_indices, read_pictures
from gentool.latent.polish import LARGEST
from gentool.latent.project import KEPT_LABELS, LEAST_POOL, Projection, Search, first_steps, project
from gentool.latent.sample import parse_labels
from gentool.latent.trained import Trained, load_trained
from gentool.options import Validated, option

COLUMNS = 10
"""Pictures side by side; more go on below."""
TAKEN = (".csv", ".npz", ".gif")


@dataclass(frozen=True, kw_only=True)
class ProjectData(DataOptions):
    """Images of a set instead of files."""

    data: str | None = option(None, "The images that --index counts. (default: those of the training)")
    index: str | None = option(
        None,
        "Instead of files: images of --data by their place in its stored order (train, validation, test), with commas.",
        parse=parse_indices,
    )


@dataclass(frozen=True, kw_only=True)
class ProjectOptions(Validated):
    """How to search."""

    steps: int = option(Search.steps, "Steps of Adam.", min=1, max=100_000)
    restarts: int = option(
        Search.restarts, "Starts of each picture (and class), from the nearest of many random z.", min=1, max=LEAST_POOL
    )
    lr: float = option(Search.lr, "Peak learning rate.", min=1e-5, max=10)
    prior: float = option(
        Search.prior,
        "Weight of the pull toward the lengths of z that noise has, against the mse; 0: none.",
        min=0,
        max=1,
    )
    seed: int = option(0, "Seed of the random starts.", min=0, max=2**31 - 1)
    labels: str | None = option(
        None, "Classes of a conditional model to try: names or numbers with commas, or all. (default: all)"
    )
    gif: bool = option(False, "Also write a film of the search, the best so far below the target.")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where to compute.")


def search(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    checkpoint: Annotated[Path, typer.Argument(help=CHECKPOINT_HELP)],
    data: ProjectData,
    options: ProjectOptions,
    place: PlaceOptions,
    terminal: TerminalOptions,
    pictures: Annotated[list[Path] | None, typer.Argument(help="Picture files to find.", metavar="IMAGE")] = None,
) -> None:
    """Find the z (and the class) whose picture is nearest to each given one: PNG, CSV, and the z as .npz."""
    voice = Terminal(terminal)
    check(data, pictures or [])
    trained = load_trained(model, checkpoint, options.device)
    classes = trained.header.classes if getattr(trained.network, "classes", 0) else ()
    if options.labels is not None and not classes:
        raise OptionError(f"--labels: a {model} is not conditional; cgan is")
    labels = sorted(set(parse_labels(options.labels or "all", classes))) if classes else []
    path = place.file(trained.path.parent / f"{trained.path.stem}-projections.png")
    if path.suffix.lower() in TAKEN:
        raise OptionError(f"--out {path}: the picture is a PNG; the {', '.join(TAKEN)} are written beside it")
    names, x = given(trained, data, pictures or [], voice)
    how = Search(steps=options.steps, restarts=options.restarts, lr=options.lr, prior=options.prior, seed=options.seed)
    if classes and first_steps(how, labels):
        voice.say(f"{len(labels)} classes tried for {first_steps(how, labels)} steps; "
                  f"the best {KEPT_LABELS} of each picture go on for {how.steps}")  # fmt: skip
    elif classes:
        voice.say(f"all of the classes {', '.join(classes[label] for label in labels)} searched to the end")
    if trained.network.latent_dim > LARGEST:
        voice.say(f"z has more than {LARGEST} dimensions: no Gauss-Newton steps at the end")
    with voice.progress("pictures computed") as update:
        found = project(trained, x, how, labels, film=options.gif, on_progress=update)
    files = {"picture": path, "table": path.with_suffix(".csv"), "latents": path.with_suffix(".npz")}
    save_png(pairs(x, found.x), files["picture"])
    rows = table(found, names, classes)
    write_csv(files["table"], rows)
    write_latents(files["latents"], found.z, labels=found.labels)
    if options.gif:
        files["film"] = film([pairs(x, shot) for shot in found.film], path.with_suffix(".gif"))
    psnr = sorted(float(row["psnr"]) for row in rows)
    mean = sum(psnr) / len(psnr)
    others = ", ".join(file.name for name, file in files.items() if name != "picture")
    voice.say(f"{path} ({others}): {len(rows)} projections, PSNR {psnr[0]:.1f} to {psnr[-1]:.1f} dB, mean {mean:.1f}")
    record = {"event": "done"} | {name: str(file) for name, file in files.items()}
    voice.result(path, record | {"images": len(rows), "mse": float(found.mse.mean()), "psnr": mean})


def check(data: ProjectData, pictures: list[Path]) -> None:
    """Raises OptionError unless pictures are named in one of the two ways."""
    if pictures and (data.index is not None or data.data is not None):
        raise OptionError("give picture files, or --index with --data; not both")
    if not pictures and data.index is None:
        raise OptionError("nothing to project: give picture files, or --index 3,17 with --data")


def given(trained: Trained, data: ProjectData, files: list[Path], voice: Terminal) -> tuple[list[str], Tensor]:
    """The pictures (N, C, H, W) in the model's shape, and their names."""
    shape = trained.header.shape
    if data.index is None:
        return [str(file) for file in files], read_pictures(files, shape, voice.say)
    images = data.load(voice, None if data.data else training_data(trained.header))
    indices = parse_indices(data.index)
    return [f"{images.name} {index}" for index in indices], indexed_pictures(images, indices, shape, voice.say)


def table(found: Projection, names: list[str], classes: tuple[str, ...]) -> list[dict[str, str | float]]:
    """A row for each picture; the search is one, so its time is shared equally."""
    rows: list[dict[str, str | float]] = []
    for i, name in enumerate(names):
        row: dict[str, str | float] = {"picture": name}
        if found.labels is not None:
            row["label"] = classes[int(found.labels[i])]
        mse = float(found.mse[i])
        row |= {"mse": mse, "psnr": -10 * math.log10(mse) if mse > 0 else math.inf}
        rows.append(row | {"restart": int(found.restart[i]), "seconds": round(found.seconds / len(names), 3)})
    return rows


def pairs(x: Tensor, found: Tensor) -> Picture:
    """Targets (N, C, H, W) above what was found, `COLUMNS` side by side; what is left of the last row is white."""
    columns = min(COLUMNS, len(x))
    blank = torch.ones(-len(x) % columns, *x.shape[1:])
    parts = zip(torch.cat([x, blank]).split(columns), torch.cat([found, blank]).split(columns), strict=True)
    stack = [tensor for pair in parts for tensor in pair]
    return labelled_rows(torch.cat(stack), ["target", "projection"] * (len(stack) // 2))


app = command(search)
