"""Small files that would unpack to gigabytes are refused before they do, in processes with little memory."""

import gzip
import io
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.attack import hostile
from tests.attack.mutations import chunk

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
        member.write(bytes(2**27))


def gzipped_idx(path: Path) -> None:
    path.mkdir()
    header = gzip.compress(struct.pack(">I3I", 0x803, 4 * 2**10, 2**10, 2**10))
    content = gzip.compress(bytes(2**26), 1)  # a file of several such members unpacks to all of them
    (path / "train-images-idx3-ubyte.gz").write_bytes(header + 2**4 * content)


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
        (bz2_member, "a.zip", "compressed with a method other than deflate"),
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


def long_header(path: Path, format: int, mode: str, **what: object) -> None:
    with tarfile.open(path, f"w:{mode}", format=format, **what) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("a.png")
        if format == tarfile.PAX_FORMAT:
            member.pax_headers = {"comment": "x" * 2**28}
        else:
            member.name = "x" * 2**28
        archive.addfile(member)


def pax_header(path: Path) -> None:
    long_header(path, tarfile.PAX_FORMAT, "gz", compresslevel=1)


def gnu_name(path: Path) -> None:
    long_header(path, tarfile.GNU_FORMAT, "gz", compresslevel=1)


def zeros_in_tar(path: Path) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for number in range(5):
            member = tarfile.TarInfo(f"{number}.bmp")
            member.size = 2**27
            archive.addfile(member, io.BytesIO(bytes(2**27)))


def deflated_npz(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        member = archive.open("images.npy", "w", force_zip64=True)
        head = {"descr": "|u1", "fortran_order": False, "shape": (2**16, 128, 128)}
        np.lib.format.write_array_header_1_0(member, head)
        for _ in range(4):
            member.write(bytes(2**28))
        member.close()


def one_line(path: Path) -> None:
    path.touch()
    os.truncate(path, GIB)


def a_picture(path: Path, *, mode: str, side: int) -> None:
    path.mkdir()
    Image.new(mode, (side, side)).save(path / "a.tif", compression="tiff_deflate")


def deep_picture(path: Path) -> None:
    a_picture(path, mode="F", side=9000)


def colour_picture(path: Path) -> None:
    a_picture(path, mode="RGBA", side=9000)


def texts(path: Path) -> None:
    path.mkdir()
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "PNG")
    bomb = zlib.compress(bytes(2**28), 1)
    whole = content.getvalue()
    (path / "a.png").write_bytes(whole[:33] + chunk(b"zTXt", b"a\0\0" + bomb) + whole[33:])


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (pax_header, "p.tar.gz", "headers of more than 1 MiB"),
        (gnu_name, "a.tar.gz", "headers of more than 1 MiB"),
        (zeros_in_tar, "b.tar.gz", "the archive is too large unpacked"),
        (deflated_npz, "a.npz", "unpacks to 1.0 GiB"),
        (one_line, "a.csv", "has a line of more than 16 MiB"),
        (deep_picture, "f", "million pixels of mode F"),
        (colour_picture, "rgba", "million pixels of mode RGBA"),
        (texts, "texts", "too large"),
    ],
)
def test_more_data(tmp_path: Path, make: Callable[[Path], None], name: str, message: str) -> None:
    make(tmp_path / name)
    done = hostile.gentool("prepare", tmp_path / name, seconds=10)
    assert message in done.text
    assert done.code == 3
    assert not done.faults()


@pytest.mark.parametrize("name", ["options.json", "metrics.csv"])
def test_giant_files_of_a_run(runs: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(runs / "vae", tmp_path / "vae")
    os.truncate(tmp_path / "vae" / name, GIB)
    done = hostile.gentool("report", tmp_path / "vae", seconds=10)
    assert done.code == 4
    assert f"{name}: damaged" in done.text
    assert not done.faults()


def test_a_giant_configuration(tmp_path: Path) -> None:
    one_line(tmp_path / "c.toml")
    done = hostile.gentool("prepare", "digits", "--config", tmp_path / "c.toml")
    assert done.code == 2
    assert "c.toml: larger than 1 MiB" in done.text
