"""The 10,000 CryptoPunks as one sheet of 100 x 100 tiles: punks.png of github.com/larvalabs/cryptopunks."""

import hashlib
import shlex
from pathlib import Path

from gentool.data.fetch import Downloads, Remote
from gentool.data.prepare import PrepareOptions
from gentool.data.raw import Raw
from gentool.data.sheet import read_sheet
from gentool.errors import DataError

URL = "https://raw.githubusercontent.com/larvalabs/cryptopunks/11532167fa705ced569fc3206df0484f9027e1ee/punks.png"
SHA256 = "ac39af4793119ee46bbff351d8cb6b5f23da60222126add4268e261199a2921b"
MOST = 1_000_000
"""A little more than its bytes."""


def read(name: str, options: PrepareOptions, downloads: Downloads) -> Raw:
    """The tiles of punks.png, from `--source` (the file or its folder) or fetched; checked in both cases.

    Raises DataError.
    """
    if options.source is not None:
        return read_sheet(_given(options.source), options)
    advice = f"get it from {URL} and run: gentool prepare cryptopunks --source punks.png"
    return read_sheet(downloads.fetch(Remote("punks.png", (URL,), f"sha256:{SHA256}", MOST), advice), options)


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
