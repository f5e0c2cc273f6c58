"""The 10,000 CryptoPunks as one sheet of 100 x 100 tiles: punks.png of github.com/larvalabs/cryptopunks."""

import hashlib
import shlex
from pathlib import Path

from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw
from gentool.data.sheet import read_sheet
from gentool.errors import DataError

URL = "https://raw.githubusercontent.com/larvalabs/cryptopunks/11532167fa705ced569fc3206df0484f9027e1ee/punks.png"
SHA256 = "ac39af4793119ee46bbff351d8cb6b5f23da60222126add4268e261199a2921b"


def read(name: str, options: PrepareOptions, downloads: Path) -> Raw:
    """The tiles of punks.png, from `--source` (the file or its folder) or fetched; checked in both cases.

    Raises DataError.
    """
    path = _fetched(downloads) if options.source is None else _given(options.source)
    return read_sheet(path, options)


def _given(source: Path) -> Path:
    path = source / "punks.png" if source.is_dir() else source
    if not path.is_file():
        raise DataError(f"--source {source}: no punks.png there; get it from {URL}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise DataError(
            f"{path}: not the original punks.png (its SHA-256 differs); get it from {URL}, "
            f"or prepare your own sheet: gentool prepare {shlex.quote(str(path))} --tile 24"
        )
    return path


def _fetched(downloads: Path) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    try:
        return Path(pooch.retrieve(URL, f"sha256:{SHA256}", fname="punks.png", path=downloads))
    except Exception as error:  # requests, urllib3 and pooch each raise their own
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(
            f"cryptopunks: punks.png could not be fetched ({reason}); get it from {URL} "
            "and run: gentool prepare cryptopunks --source punks.png"
        ) from None
