"""Key frames: the codes that a walk goes through, from pictures, images of a set, or a file of codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from gentool.cli.dataset import DataOptions, training_data
from gentool.engine.terminal import Terminal
from gentool.errors import OptionError
from gentool.latent.codes import encode
from gentool.latent.latents import read_latents
from gentool.latent.pictures import indexed_pictures, parse_indices, read_pictures
from gentool.latent.project import Search, project
from gentool.latent.trained import Trained
from gentool.options import Validated, option


@dataclass(frozen=True)
class Keys:
    """Codes z (K, D), classes (K,) of a conditional model, and where there are any the pictures (K, C, H, W)."""

    names: tuple[str, ...]
    z: Tensor
    labels: Tensor | None
    pictures: Tensor | None


@dataclass(frozen=True, kw_only=True)
class KeyOptions(Validated):
    """What a walk goes through."""

    panel: ClassVar[str] = "Key frames"

    from_: Path | None = option(None, "The picture to begin with; --to is the one to end with.", metavar="PICTURE")
    to: Path | None = option(None, "The picture to end with.", metavar="PICTURE")
    data: str | None = option(None, "The images that --index counts. (default: those of the training)")
    index: str | None = option(
        None,
        "Images of --data by their place in it, with commas: the walk goes through them in this order.",
        parse=parse_indices,
    )
    latents: Path | None = option(None, "A file of codes to go through, as project and embed write it.", metavar="NPZ")

    def kind(self, pictures: Sequence[Path]) -> str | None:
        """What kind of key frames is named, or None. Raises OptionError for two kinds, or fewer than two frames."""
        ends = [path for path in (self.from_, self.to) if path is not None]
        if len(ends) == 1:
            raise OptionError("--from, --to: give both, or neither")
        indices = parse_indices(self.index) if self.index else ()
        kinds = {"--from and --to": ends, "pictures": pictures, "--index": indices, "--latents": self.latents}
        named = [name for name, value in kinds.items() if value]
        if len(named) > 1:
            raise OptionError(f"{' and '.join(named)}: give one kind of key frames")
        if self.data is not None and self.index is None:
            raise OptionError("--data: only --index has a use for it")
        if len(pictures) == 1 or len(indices) == 1:
            raise OptionError(f"{named[0]}: a walk needs at least two key frames")
        return named[0] if named else None

    def read(self, trained: Trained, pictures: Sequence[Path], seed: int, voice: Terminal) -> Keys:
        """The key frames that are named."""
        shape = trained.header.shape
        if self.latents is not None:
            z, labels = read_latents(self.latents, trained)
            if len(z) < 2:
                raise OptionError("--latents: a walk needs at least two key frames")
            return Keys(tuple(map(str, range(len(z)))), z, labels, None)
        if self.index is not None:
            images = DataOptions(data=self.data or training_data(trained.header)).load(voice)
            indices = parse_indices(self.index)
            x = indexed_pictures(images, indices, shape, voice.say)
            return find(trained, tuple(map(str, indices)), x, seed, voice)
        paths = [path for path in (self.from_, self.to) if path is not None] or pictures
        x = read_pictures(paths, shape, voice.say)
        return find(trained, tuple(path.stem for path in paths), x, seed, voice)


def find(trained: Trained, names: tuple[str, ...], x: Tensor, seed: int, voice: Terminal) -> Keys:
    """The codes of pictures: what the encoder says, or without an encoder what a search finds."""
    if hasattr(trained.network, "encode"):
        return Keys(names, encode(trained, x), None, x)
    classes = range(getattr(trained.network, "classes", 0))
    voice.say(f"a {trained.header.model} has no encoder: searching the code of each picture, as project does")
    with voice.progress("pictures computed") as update:
        found = project(trained, x, Search(seed=seed), list(classes), on_progress=update)
    return Keys(names, found.z, found.labels, x)
