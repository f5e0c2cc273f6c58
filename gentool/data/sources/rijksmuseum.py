"""Painted portraits, such as those of the Rijksmuseum's open data."""

from pathlib import Path

from gentool.data.detect import read_path
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw
from gentool.errors import DataError

PAGE = "https://data.rijksmuseum.nl"


def read(name: str, options: PrepareOptions, downloads: Path) -> Raw:
    """The images at `--source`. Raises DataError that says where to get them."""
    if options.source is None:
        raise DataError(
            f"rijksmuseum: download portraits of your choice from {PAGE} (type painting, subject portrait) "
            "and run: gentool prepare rijksmuseum --source FOLDER"
        )
    return read_path(options.source, options)
