"""`--data` of the commands that read images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gentool.data.catalog import CATALOG
from gentool.data.images import ImageData, by
from gentool.data.load import load
from gentool.data.prepare import PrepareOptions
from gentool.data.target import is_prepared
from gentool.engine.checkpoint import Header
from gentool.engine.terminal import Terminal
from gentool.errors import DataError
from gentool.options import Validated, option, redefault


@dataclass(frozen=True, kw_only=True)
class DataOptions(Validated):
    """The images a command works on."""

    panel: ClassVar[str] = "Data"

    data: str | None = option(
        "digits",
        "A named set (gentool prepare --list), a prepared folder, or a folder, archive, .npy or sheet of images.",
    )
    source: Path | None = redefault(PrepareOptions, "source", None)
    tile: str | None = redefault(PrepareOptions, "tile", None)
    size: str | None = redefault(PrepareOptions, "size", None)

    def load(self, terminal: Terminal, default: str | None = None, **more: Any) -> ImageData:
        """The prepared images, prepared on the fly where they are not.

        `default` is what is read without --data; `more` are options of preparing.
        """
        data = self.data or default
        assert data is not None
        options = PrepareOptions(**{"source": self.source, "tile": self.tile, "size": self.size} | more)
        with terminal.progress(f"preparing {data}") as update:
            return load(data, options, on_progress=update, notice=terminal.say)

    def load_for(self, header: Header, terminal: Terminal) -> ImageData:
        """The images, those of the training by default, in the shape that a model takes.

        Images of another shape are prepared again in the model's, with a notice. Raises DataError for a prepared
        folder of another shape.
        """
        default = None if self.data else training_data(header)
        images = self.load(terminal, default)
        if images.shape == header.shape:
            return images
        channels, height, width = header.shape
        if is_prepared(Path(self.data or str(default))):
            raise DataError(
                f"{images.name}: its images are {by(images.shape)}, the model's {by(header.shape)}; prepare them again "
                f"with --size {width}x{height} --channels {channels}"
            )
        terminal.say(f"{images.name}: {by(images.shape)}, resized to the model's {by(header.shape)}")
        return self.load(terminal, default, size=f"{width}x{height}", channels=channels)


def training_data(header: Header) -> str:
    """The `--data` of the images that a model was trained on. Raises DataError when they are no longer to be had."""
    if is_prepared(Path(header.folder)):
        return header.folder
    if header.data in CATALOG:
        return header.data
    raise DataError(f"{header.folder}: the images of the training are no longer there; name them with --data")
