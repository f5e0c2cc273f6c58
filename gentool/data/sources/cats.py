"""Cat faces, 64 x 64: the Kaggle set "Cats faces 64x64 (for generative models)"."""

from pathlib import Path

from gentool.data.detect import read_path
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw
from gentool.errors import DataError

PAGE = "https://www.kaggle.com/datasets/spandan2/cats-faces-64x64-for-generative-models"


def read(name: str, options: PrepareOptions, downloads: Path) -> Raw:
    """The images at `--source`. Raises DataError that says where to get them."""
    if options.source is None:
        raise DataError(
            f"cats: needs a Kaggle account to download. Get {PAGE} and run: gentool prepare cats --source FOLDER-OR-ZIP"
        )
    return read_path(options.source, options)
