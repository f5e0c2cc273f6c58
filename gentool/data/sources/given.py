"""Data sets whose files you download yourself and give with --source: cat faces, and portraits of the Rijksmuseum."""

from gentool.data.detect import read_path
from gentool.data.fetch import Downloads
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw
from gentool.errors import DataError

WHERE = {
    "cats": "download it, which needs a Kaggle account, from "
    "https://www.kaggle.com/datasets/spandan2/cats-faces-64x64-for-generative-models",
    "rijksmuseum": "download portraits of your choice (type painting, subject portrait) from https://data.rijksmuseum.nl",
}


def read(name: str, options: PrepareOptions, downloads: Downloads) -> Raw:
    """The images at `--source`. Raises DataError that says where to get them."""
    if options.source is None:
        raise DataError(f"{name}: {WHERE[name]}, then run: gentool prepare {name} --source FOLDER_OR_ZIP")
    return read_path(options.source, options)
