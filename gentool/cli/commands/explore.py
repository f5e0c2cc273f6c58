"""`gentool explore MODEL CKPT`."""

import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gentool.cli.command import command
from gentool.cli.options import (
    AfterModel,
    ModelDataOptions,
    ModelName,
    OutputOptions,
    SamplingFlags,
    load_model,
    model_and_checkpoint,
    output_options,
    sampling_flags,
)
from gentool.data.images import ImageData
from gentool.engine.device import DeviceOptions
from gentool.engine.terminal import Terminal
from gentool.errors import OptionError
from gentool.explorer.page import write_page
from gentool.explorer.server import Explorer
from gentool.latent.model import Model
from gentool.options import Validated, option

ExploreOutput = output_options(
    "none: the page is served until Ctrl-C",
    out_help="Write the page, including the network, to this .html file instead of serving it.",
    overwrite_help="Replace the page if it exists.",
)


@dataclass(frozen=True, kw_only=True)
class ExploreOptions(Validated):
    """How the page is served, and what is on it."""

    panel: ClassVar[str] = "Explorer"

    port: int = option(0, "Port on this machine; 0: any free port.", min=0, max=65535)
    open: bool = option(True, "Open the page in a browser if gentool runs in a terminal.")
    seed: int = option(0, "Seed of the samples, as in gentool sample, and of the choice of images.", min=0)


def explore(
    options: ExploreOptions,
    data: ModelDataOptions,
    sampling: SamplingFlags,
    device: DeviceOptions,
    output: OutputOptions,
    terminal: Terminal,
    model_name: ModelName = None,
    checkpoint: AfterModel = None,
) -> None:
    """Play with a model in the browser: sliders, a map of the latent space, walks, your own pictures."""
    model = load_model(*model_and_checkpoint(model_name, checkpoint), device.device, sampling)
    if output.out is None and output.overwrite:
        raise OptionError("--overwrite: only with --out")
    images = images_for(model, data, terminal)
    if output.out is not None:
        if options.port:
            raise OptionError("--port: has no effect with --out")
        path = write_page(model, output.path(Path("explore.html"), pictures=(".html",)), images, options.seed,
                          reporter=terminal)  # fmt: skip
        size = path.stat().st_size
        terminal.notice(f"{path}: {size / 1e6:.1f} MB; open it in a browser")
        terminal.result(path, {"event": "done", "page": str(path), "bytes": size})
        return
    with Explorer(model, images, options.seed, options.port, reporter=terminal) as server:
        terminal.notice(f"{server.url}: open it in a browser on this machine; press Ctrl-C to stop")
        terminal.result(server.url, {"event": "serving", "url": server.url})
        if options.open and sys.stdout.isatty():
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            terminal.notice("ended")


def images_for(model: Model, data: ModelDataOptions, terminal: Terminal) -> ImageData | None:
    """The images on the map; a model without an encoder has none."""
    if model.encodes:
        return data.load_for(model.header, terminal)
    if data.changed():
        raise OptionError(f"--data: a {model.name} has no encoder, so the map shows no images")
    return None


app = command(explore, output=ExploreOutput, sampling=sampling_flags())
