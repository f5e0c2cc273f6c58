"""Bad servers: a fetch ends within its bounds, with one line that says what to do, and no other file."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gentool.data import fetch
from gentool.data.fetch import Downloads, Remote
from gentool.data.sources import cryptopunks
from gentool.errors import DataError
from tests.conftest import Outcome

CONTENT = bytes(range(256)) * 256
MOST = 100_000


class Server(BaseHTTPRequestHandler):
    """Answers GET /NAME with the method NAME."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"{self.path[1:]} {self.headers.get('Range', '')}".strip())
        name, _, argument = self.path[1:].partition("/")
        with contextlib.suppress(OSError):  # the reader has left
            getattr(self, name)(*([argument] if argument else []))

    def log_message(self, *_: Any) -> None:
        pass

    def head(self, code: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def good(self) -> None:
        self.head(length=len(CONTENT))
        self.wfile.write(CONTENT)

    def endless(self) -> None:
        self.head()
        while True:
            self.wfile.write(CONTENT)

    def huge(self) -> None:
        self.head(length=10**12)
        self.wfile.write(CONTENT)

    def dripping(self) -> None:
        self.head(length=len(CONTENT))
        for byte in CONTENT:
            self.wfile.write(bytes([byte]))
            time.sleep(0.02)

    def silent(self) -> None:
        time.sleep(1)

    def short(self) -> None:
        self.head(length=len(CONTENT))
        self.wfile.write(CONTENT[:20_000])

    def cut(self) -> None:
        """Cut after 30,000 bytes each time; goes on where it is asked to."""
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        part = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        self.head(206 if start else 200, len(CONTENT) - start, **part)
        self.wfile.write(CONTENT[start : start + 30_000])

    def another(self) -> None:
        self.head(length=len(CONTENT))
        self.wfile.write(CONTENT[::-1])

    def bomb(self) -> None:
        self.head(length=len(CONTENT), Content_Encoding="gzip")
        self.wfile.write(CONTENT)

    def code(self, code: str) -> None:
        self.head(int(code), 0)

    def loop(self) -> None:
        self.head(302, 0, Location="/loop")

    def to_file(self) -> None:
        self.head(302, 0, Location="file:///etc/passwd")

    def to_ftp(self) -> None:
        self.head(302, 0, Location=f"ftp://127.0.0.1:{self.server.server_address[1]}/good")

    def moved(self) -> None:
        self.head(302, 0, Location="/good")

    def later(self) -> None:
        if len(self.asked) < 3:
            self.head(503, 0)
        else:
            self.good()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the server is asked for, in order."""
    asked: list[str] = []
    monkeypatch.setattr(Server, "asked", asked, raising=False)
    for name, value in (("PAUSE_SECONDS", 0.01), ("SILENT_SECONDS", 0.3), ("GRACE_SECONDS", 0.5), ("SLOWEST", 10**9)):
        monkeypatch.setattr(fetch, name, value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return asked


def fetched(folder: Path, *urls: str, digest: str = "") -> Path:
    digest = digest or f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    return Downloads(
        "set",
        folder,
    ).fetch(Remote("file.bin", urls, digest, MOST), "get it, and give --source FILE")


@pytest.mark.parametrize(
    ("name", "reason", "tries"),
    [
        ("endless", "the server sends more than the 100,000 bytes that are allowed", 1),
        ("huge", "the server sends more than the 100,000 bytes that are allowed", 1),
        ("dripping", r"only \d+ bytes arrived in 1 s", 1),
        ("silent", "timed out", 2),
        ("short", "the connection was cut after 20,000 of 65,536 bytes", 3),
        ("another", "not the file that was expected: its SHA256 differs", 1),
        ("code/404", "the server answers 404 Not Found", 1),
        ("code/500", "the server answers 500 Internal Server Error", 3),
        ("code/503", "the server answers 503 Service Unavailable", 3),
        ("loop", "the server answers 302 .*infinite loop", None),
        ("to_file", "the server answers 302 .*not allowed", 1),
        ("to_ftp", "unknown url type: ftp", 3),
    ],
)
def test_bad_servers(address: str, asked: list[str], tmp_path: Path, name: str, reason: str, tries: int | None) -> None:
    began = time.monotonic()
    with pytest.raises(
        DataError, match=rf"^set: file.bin could not be fetched \({address}/{name}: {reason}.*\); get it, "
    ):
        fetched(tmp_path, f"{address}/{name}")
    assert time.monotonic() - began < 5
    assert tries is None or len(asked) == tries
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["good"], ["good"]),
        (["moved"], ["moved", "good"]),
        (["later"], ["later", "later", "later"]),
        (["cut"], ["cut", "cut bytes=30000-", "cut bytes=60000-"]),
        (["short", "good"], ["short", "good bytes=20000-"]),
        (["code/404", "good"], ["code/404", "good"]),
        (["another", "good"], ["another", "good"]),
        (["bomb"], ["bomb"]),
    ],
    ids=" then ".join,
)  # fmt: skip
def test_servers_that_come_round(
    address: str, asked: list[str], tmp_path: Path, names: list[str], expected: list[str]
) -> None:
    urls = [f"{address}/{name}" for name in names]
    md5 = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"
    assert fetched(tmp_path, *urls, digest=md5).read_bytes() == CONTENT
    assert asked == expected
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]
    fetched(tmp_path, *urls, digest=md5)
    assert asked == expected, "what is there is not fetched again"


def test_a_damaged_file_is_fetched_again(address: str, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT[:-1])
    assert fetched(tmp_path, f"{address}/good").read_bytes() == CONTENT


def test_the_command_says_what_to_do(
    cli: Callable[..., Outcome], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENTOOL_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(cryptopunks, "URL", f"{address}/short")
    done = cli("prepare", "cryptopunks")
    assert done.code == 3
    assert done.err.splitlines()[-1] == (
        f"gentool: cryptopunks: punks.png could not be fetched ({address}/short: the connection was cut after 20,000 "
        f"of 65,536 bytes); get it from {address}/short and run: gentool prepare cryptopunks --source punks.png"
    )
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
