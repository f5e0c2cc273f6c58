"""Fetch files: bounded in bytes and time, tried again, continued where the connection was cut, checked by digest.

What comes is never unpacked here.
"""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from gentool import __version__
from gentool.errors import DataError
from gentool.files import replacing
from gentool.progress import SILENT, Reporter

TRIES = 3
PAUSE_SECONDS = 1.0
"""The pause before the second try; that before the third is twice as long."""
SILENT_SECONDS = 20.0
"""How long a server may send nothing."""
GRACE_SECONDS, SLOWEST = 60.0, 50_000
"""All tries together may take this many seconds, and more for a large file: its bytes divided by SLOWEST."""
AGAIN = (408, 425, 429)
"""Answers of a server that, like those from 500 on, may be other ones a little later."""


@dataclass(frozen=True)
class Remote:
    """A file to fetch: its addresses, its digest as `sha256:...` or `md5:...`, and the most bytes that it may have."""

    name: str
    urls: tuple[str, ...]
    digest: str
    most: int


@dataclass(frozen=True)
class Downloads:
    """The folder that the files of a named set are fetched to, and are found in again."""

    name: str
    folder: Path
    reporter: Reporter = SILENT

    def fetch(self, remote: Remote, advice: str) -> Path:
        """The file in the folder, fetched unless it is there. Raises DataError that ends with `advice`."""
        path = self.folder / remote.name
        if path.is_file() and _digest(path, remote) == remote.digest:
            return path
        with replacing(path) as temporary:
            reason = self._try(remote, temporary)
            if reason:
                raise DataError(f"{self.name}: {remote.name} could not be fetched ({reason}); {advice}")
        return path

    def _try(self, remote: Remote, path: Path) -> str:
        """Fetch into `path`, from each address in turn, at most `TRIES` times. Returns what failed last, or nothing."""
        deadline = time.monotonic() + GRACE_SECONDS + remote.most / SLOWEST
        urls, reason = list(remote.urls), ""
        for number in range(TRIES):
            if number:
                time.sleep(PAUSE_SECONDS * number)
            url = urls[number % len(urls)]
            try:
                self._receive(url, remote, path, deadline)
                return ""
            except _Refused as error:
                reason = f"{url}: {error}"
                urls.remove(url)
            except (OSError, http.client.HTTPException) as error:
                reason = f"{url}: {_reason(error)}"
                if isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in AGAIN:
                    urls.remove(url)
            if not urls or time.monotonic() > deadline:
                break
        return reason

    def _receive(self, url: str, remote: Remote, path: Path, deadline: float) -> None:
        """Go on with what `path` holds of the file. Raises _Refused where another try would be in vain."""
        had = path.stat().st_size if path.exists() else 0
        headers = {"User-Agent": f"gentool/{__version__}", "Accept-Encoding": "identity"}
        if had:
            headers["Range"] = f"bytes={had}-"
        with (
            _opener().open(urllib.request.Request(url, headers=headers), timeout=SILENT_SECONDS) as answer,
            path.open("ab") as file,
        ):
            if answer.status != 206 or not answer.headers.get("Content-Range", "").startswith(f"bytes {had}-"):
                file.truncate(had := 0)
            size, expected = had, None if answer.length is None else had + answer.length
            while size <= remote.most and (expected or 0) <= remote.most:
                piece = answer.read1(2**16)
                if not piece:
                    break
                size += file.write(piece)
                self.reporter.progress(f"fetching {remote.name}", size, expected)
                if time.monotonic() > deadline:
                    raise _Refused(f"only {size:,} bytes arrived in {GRACE_SECONDS + remote.most / SLOWEST:,.0f} s")
            else:
                raise _Refused(f"the server sends more than the {remote.most:,} bytes that are allowed")
        if expected is not None and size < expected:
            raise ConnectionError(f"the connection was cut after {size:,} of {expected:,} bytes")
        if _digest(path, remote) != remote.digest:
            path.unlink()
            what = f"not the file that was expected: its {remote.digest.partition(':')[0].upper()} differs"
            raise ConnectionError(what) if had else _Refused(what)


class _Refused(Exception):
    """The file cannot be had from this address."""


def _reason(error: Exception) -> str:
    """One line for an error of the network."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {' '.join(str(error.reason).split())}"
    return " ".join((getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).split())


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https, and follows redirections to them only: not to files or to FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler, urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor, urllib.request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def _digest(path: Path, remote: Remote) -> str:
    """The digest of a file, of the kind that its description has."""
    kind = remote.digest.partition(":")[0]
    with path.open("rb") as file:
        return f"{kind}:{hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()}"
