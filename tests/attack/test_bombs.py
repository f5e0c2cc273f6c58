"""Small files that would unpack to gigabytes are refused before they do, in processes with little memory."""

import gzip
import io
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

GIB = 2**30
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is one of Linux")


def limited(*words: object, gib: float = 3) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own; libraries alone take some of the address space."""
    program = (
        "import resource, sys; from gentool.cli.app import run\n"
        f"resource.setrlimit(resource.RLIMIT_DATA, ({int(gib * GIB)}, {int(gib * GIB)}))\nsys.exit(run(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, timeout=120, check=False
    )


def bz2_member(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive, archive.open("a.png", "w") as member:
        for _ in range(4):
            member.write(bytes(2**28))


def gzipped_idx(path: Path) -> None:
    path.mkdir()
    with gzip.open(path / "train-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(struct.pack(">I3I", 0x803, 4 * 2**10, 2**10, 2**10))
        for _ in range(2**4):
            file.write(bytes(2**26))


def giant_webp(path: Path) -> None:
    path.mkdir()
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "WEBP", lossless=True)
    data = bytearray(content.getvalue())
    assert data[12:16] == b"VP8L"
    data[21:25] = (int.from_bytes(data[21:25], "little") & ~0xFFFFFFF | 0x3FFF | 0x3FFF << 14).to_bytes(4, "little")
    (path / "a.webp").write_bytes(data)


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (bz2_member, "a.zip", "compressed by another method than deflate"),
        (gzipped_idx, "idx", "unpacks to more than 30 times its size"),
        (giant_webp, "webp", "million pixels"),
    ],
)
def test_data(tmp_path: Path, make: Callable[[Path], None], name: str, message: str) -> None:
    make(tmp_path / name)
    done = limited("prepare", tmp_path / name, gib=1)
    assert done.returncode == 3, done.stderr[-500:]
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def stride_of_zero(path: Path) -> None:
    torch.save({"format": 1, "kind": "model", "content": {"weights": torch.zeros(1).expand(3 * GIB)}}, path)


def deflated(path: Path) -> None:
    torch.save({"format": 1, "kind": "model", "content": "x" * 2**20}, path.with_suffix(".tmp"))
    with (
        zipfile.ZipFile(path.with_suffix(".tmp")) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))


@pytest.mark.parametrize("make", [stride_of_zero, deflated])
def test_checkpoints(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "model.pt")
    assert os.path.getsize(tmp_path / "model.pt") < 2**20
    done = limited("sample", "vae", tmp_path / "model.pt")
    assert done.returncode == 4, done.stderr[-500:]
    assert "not a readable checkpoint" in done.stderr
    assert done.stderr.count("\n") == 1
